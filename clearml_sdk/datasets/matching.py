"""Paths in a dataset: which ones a wildcard means, and which ones may be written to a disk. Pure."""

from __future__ import annotations

import fnmatch
import re

from clearml_sdk.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def selector(pattern: str | None, *, recursive: bool = True) -> Callable[[str], bool]:
    """Whether a relative path is meant by `pattern`: a path, a folder, or wildcards; None means all.

    recursive: `*` stands for slashes too, and a folder for all that is under it.
    """
    if pattern is None:
        return lambda path: True
    cleaned = pattern.strip().removeprefix("./").strip("/") if pattern.strip() != "/" else ""
    if not cleaned:
        return lambda path: False
    if recursive:
        matches = re.compile(fnmatch.translate(cleaned)).match
        folder = f"{cleaned}/"
        return lambda path: bool(matches(path)) or path.startswith(folder)
    parts = [re.compile(fnmatch.translate(part)).match for part in cleaned.split("/")]

    def meant(path: str) -> bool:
        given = path.split("/")
        return len(given) == len(parts) and all(match(part) for match, part in zip(parts, given, strict=True))

    return meant


def wanted_names(wildcard: str | Sequence[str] | None) -> Callable[[str], bool]:
    """Whether a file is wanted by its path below the folder that is added: by its name, or by the whole path."""
    if wildcard is None:
        return lambda path: True
    patterns = [wildcard] if isinstance(wildcard, str) else [str(one) for one in wildcard]
    tests = [re.compile(fnmatch.translate(pattern.removeprefix("./"))).match for pattern in patterns]
    return lambda path: any(test(path.rpartition("/")[2]) or test(path) for test in tests)


def folder_prefix(dataset_path: str | None) -> str:
    """What stands before the paths of files that are added under `dataset_path`: "" or "a/b/". Raises UsageError."""
    cleaned = str(dataset_path or "").replace("\\", "/").strip("/").removeprefix("./")
    if cleaned in ("", "."):
        return ""
    check_inside(cleaned)
    return f"{cleaned}/"


def check_inside(path: str) -> str:
    """The path itself. Raises UsageError when written into a folder it would lead out of it."""
    parts = path.replace("\\", "/").split("/")
    if path.startswith(("/", "\\")) or ".." in parts or re.match(r"[A-Za-z]:", path) or "\0" in path or not path:
        raise UsageError(f"{path!r} would lead out of the dataset's folder")
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"the name {path!r} is not UTF-8: rename the file") from error
    return path


def check_all_inside(paths: Iterable[str]) -> None:
    """Raises UsageError for the first that leads out."""
    for path in paths:
        check_inside(path)
