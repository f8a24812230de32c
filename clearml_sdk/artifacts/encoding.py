"""From an object to the file that is uploaded for it, with the facts that are recorded about it.

The table of types is that of the official clients, so that each reads what the other wrote.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import pickle
from collections.abc import Mapping
from pathlib import Path

from clearml_sdk.artifacts import previews
from clearml_sdk.artifacts.npz import ArraySource
from clearml_sdk.errors import UsageError
from clearml_sdk.storage import urls
from clearml_sdk.storage.http_files import content_type_of
from clearml_sdk.storage.locations import file_stem
from clearml_sdk.storage.sources import FileSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from clearml_sdk.storage.sources import Source


class Encoded:
    """A file ready to be uploaded.

    kind: the artifact's `type`. path: the file, or None when `url` is only registered. is_temporary: ours to remove.
    name: the file's name at its destination.
    """

    data_hash = ""
    """Of the object itself, where it is watched for changes."""

    def __init__(
        self,
        kind: str,
        path: str | None,
        content_type: str,
        preview: str,
        *,
        is_temporary: bool = True,
        url: str | None = None,
    ) -> None:
        self.kind, self.path, self.content_type, self.preview = kind, path, content_type, preview
        self.is_temporary, self.url = is_temporary, url
        self._source: Source | None = None
        self.name = os.path.basename(path) if path else urls.file_name(url or "")

    @classmethod
    def of_memory(cls, kind: str, source: Source, content_type: str, preview: str) -> Encoded:
        """What is uploaded out of memory."""
        encoded = cls(kind, None, content_type, preview)
        encoded.name, encoded._source = source.name, source
        return encoded

    def source(self) -> Source | None:
        """What is to be uploaded; None when there is only a URL."""
        return FileSource(self.path) if self.path is not None else self._source


class AuditTable:
    """A table that is kept in step with the script's: stored as rows, without its index."""

    def __init__(self, table: Any) -> None:
        self.table = table


def encode(
    name: str,
    value: Any,
    folder: str,
    *,
    extension: str | None = None,
    auto_pickle: bool = True,
    serialize: Callable[[Any], bytes | bytearray] | None = None,
    sort_keys: bool = True,
    in_place: bool = False,
) -> Encoded:
    """Write `value` to a file in `folder`, or find the file that it names.

    Args:
        extension: of the file, for types that have a choice (".csv.gz", ".parquet", ".yaml", ".jpg" ...).
        auto_pickle: whether an object without a type of its own is pickled.
        serialize: makes the bytes of any object.
        in_place: the object does not change until it is uploaded: an array then needs no file.

    Raises UsageError when the object cannot be stored, and what the object's own methods raise.
    """
    if extension and not extension.startswith("."):
        extension = f".{extension}"
    stem = os.path.join(folder, file_stem(name))
    if serialize is not None:
        return _from_function(stem + (extension or ""), value, serialize)
    if isinstance(value, AuditTable):
        return _audit_table(value.table, stem)
    kind = _library_kind(value)
    if kind == "numpy":
        return _numpy(name, value, stem, extension, in_place=in_place)
    if kind == "pandas":
        return _pandas(value, stem, extension)
    if kind == "image":
        return _image(value, stem, extension)
    if isinstance(value, Mapping):
        try:
            return _mapping(value, stem, extension, sort_keys=sort_keys)
        except (TypeError, ValueError):
            return _pickled(value, stem, extension, auto_pickle=auto_pickle)
    if isinstance(value, str | Path):
        return _text_or_path(value, stem, extension)
    if isinstance(value, list | tuple) and value and all(_is_path(item) for item in value):
        return _archive(_files_of(value), stem, f"of {len(value)} paths")
    return _pickled(value, stem, extension, auto_pickle=auto_pickle)


def _library_kind(value: object) -> str:
    """ "numpy", "pandas", "image" or "": by the modules of the object's classes, without importing any library."""
    for base in type(value).__mro__:
        module, name = base.__module__ or "", base.__qualname__
        if name == "ndarray" and module.split(".")[0] == "numpy":
            return "numpy"
        if name == "DataFrame" and module.split(".")[0] == "pandas":
            return "pandas"
        if name == "Image" and module == "PIL.Image":
            return "image"
    return ""


def _from_function(path: str, value: object, serialize: Callable[[Any], bytes | bytearray]) -> Encoded:
    data = serialize(value)
    if not isinstance(data, bytes | bytearray | memoryview):
        raise UsageError(f"serialization_function returned {type(data).__name__}: it must return bytes")
    with open(path, "wb") as file:
        file.write(data)
    return Encoded("custom", path, content_type_of(path), previews.of_object(value))


def _numpy(name: str, value: Any, stem: str, extension: str | None, *, in_place: bool) -> Encoded:
    import numpy as np

    preview = previews.of_object(value)
    if extension in (".csv", ".csv.gz"):
        path = stem + extension
        np.savetxt(path, value, delimiter=",")
        return Encoded("numpy", path, "text/csv", preview)
    path = stem + ".npz"
    # Not compressed: deflating costs ten times what sending costs, and weights hardly shrink.
    try:
        source = ArraySource(os.path.basename(path), name, value)
    except ValueError:
        np.savez(path, **{name: value})
    else:
        if in_place:
            return Encoded.of_memory("numpy", source, "application/numpy", preview)
        source.write(path)
    return Encoded("numpy", path, "application/numpy", preview)


def _pandas(value: Any, stem: str, extension: str | None) -> Encoded:
    extension = extension or ".csv.gz"
    if type(value.index).__name__ == "MultiIndex" or type(value.columns).__name__ == "MultiIndex":
        extension = ".pickle"
    path = stem + extension
    preview = previews.of_object(value)
    if extension == ".parquet":
        value.to_parquet(path)
        return Encoded("pandas", path, "application/parquet", preview)
    if extension == ".feather":
        value.to_feather(path)
        return Encoded("pandas", path, "application/feather", preview)
    if extension in (".pickle", ".pkl"):
        value.to_pickle(path)
        return Encoded("pandas", path, "application/pickle", preview)
    if extension not in (".csv", ".csv.gz"):
        raise UsageError(f"a table cannot be stored as {extension}: use .csv.gz, .csv, .parquet, .feather or .pickle")
    compression = {"method": "gzip", "mtime": 0} if extension == ".csv.gz" else None
    value.to_csv(path, compression=compression)
    return Encoded("pandas", path, "text/csv", preview)


def _audit_table(table: Any, stem: str) -> Encoded:
    path = f"{stem}.csv.gz"
    table.to_csv(path, index=False, compression={"method": "gzip", "mtime": 0})
    encoded = Encoded("data-audit-table", path, "text/csv", previews.of_object(table))
    encoded.data_hash = hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()
    return encoded


def _image(value: Any, stem: str, extension: str | None) -> Encoded:
    path = stem + (extension or ".png")
    value.save(path)
    return Encoded(
        "image",
        path,
        content_type_of(path),
        f"PIL.Image.Image image mode={value.mode} size={value.size[0]}x{value.size[1]}",
    )


def _mapping(value: Mapping[Any, Any], stem: str, extension: str | None, *, sort_keys: bool) -> Encoded:
    if extension in (".yaml", ".yml"):
        try:
            import yaml
        except ImportError as error:
            raise UsageError("storing a dictionary as YAML needs PyYAML: pip install pyyaml") from error
        text, content_type = yaml.safe_dump(dict(value), sort_keys=sort_keys), "application/yaml"
    else:
        text, content_type = json.dumps(dict(value), sort_keys=sort_keys, indent=4), "application/json"
    path = stem + (extension or ".json")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return Encoded("dict", path, content_type, previews.cut(text))


def _text_or_path(value: str | Path, stem: str, extension: str | None) -> Encoded:
    text = os.fspath(value)
    if isinstance(value, str) and urls.is_url(text) and urls.scheme_of(text) != "file":
        return Encoded("custom", None, content_type_of(text), "", is_temporary=False, url=text)
    if _is_path(value):
        path = os.path.expanduser(text)
        if os.path.isdir(path):
            name = os.path.basename(os.path.abspath(path)) or "root"
            return _archive(_files_of([path]), os.path.join(os.path.dirname(stem), name), f"{path}/*")
        if os.path.isfile(path):
            return Encoded("custom", path, content_type_of(path), previews.of_file(path), is_temporary=False)
        base, _ = _split_wildcard(path)
        name = os.path.basename(os.path.abspath(base)) or "root"
        return _archive(_files_of([path]), os.path.join(os.path.dirname(stem), name), path)
    if isinstance(value, Path):
        raise UsageError(f"there is no file or folder {value}")
    path = stem + (extension or ".txt")
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    return Encoded("string", path, "text/plain", previews.cut(text))


def _is_path(value: object) -> bool:
    """Whether it names something that exists: a file, a folder, or files by a wildcard."""
    if not isinstance(value, str | Path):
        return False
    text = os.path.expanduser(os.fspath(value))
    if not text or len(text) > 4096 or "\n" in text or "\x00" in text:
        return False
    return os.path.exists(text) or ("*" in text and any(True for _ in glob.iglob(text, recursive=True)))


def _split_wildcard(path: str) -> tuple[str, str]:
    """The folder before the first part with a wildcard, and the pattern from there on."""
    parts = Path(path).parts
    first = next(number for number, part in enumerate(parts) if "*" in part)
    return str(Path(*parts[:first])), str(Path(*parts[first:]))


def _files_of(paths: Sequence[str | Path]) -> list[tuple[str, str]]:
    """(path, name inside the archive) of every file under `paths`; names are relative to what was given.

    A wildcard means the files that match it in its folder and in those below, as it does to official clients.
    """
    found: dict[str, str] = {}
    for item in paths:
        path = os.path.expanduser(os.fspath(item))
        if "*" in path and not os.path.exists(path):
            base, pattern = _split_wildcard(path)
            matches = sorted(Path(base).rglob(pattern))
        else:
            base, matches = path, [Path(path)]
        for match in matches:
            if match.is_file():
                name = os.path.relpath(match, base) if match != Path(base) else match.name
                found.setdefault(str(match), _free_name(name, found.values()))
            for file in sorted(match.rglob("*")) if match.is_dir() else ():
                if file.is_file():
                    found.setdefault(str(file), _free_name(os.path.relpath(file, base), found.values()))
    return list(found.items())


def _free_name(name: str, taken: Iterable[str]) -> str:
    """`name`, numbered when two of the given folders hold a file of this name."""
    names, number, (stem, extension) = set(taken), 1, os.path.splitext(name)
    while name in names:
        name, number = f"{stem}_{number}{extension}", number + 1
    return name


def _archive(files: list[tuple[str, str]], stem: str, title: str) -> Encoded:
    import zipfile

    path = stem + ".zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as archive:
        for file, name in files:
            archive.write(file, name)
    listed = sorted((name, os.stat(file).st_size) for file, name in files)
    return Encoded("archive", path, "application/zip", previews.of_archive(title, listed))


def _pickled(value: object, stem: str, extension: str | None, *, auto_pickle: bool) -> Encoded:
    if not auto_pickle:
        raise UsageError(
            f"an artifact of type {type(value).__name__} would have to be pickled: pass auto_pickle=True, or a "
            "serialization_function"
        )
    path = stem + (extension or ".pkl")
    with open(path, "wb") as file:
        pickle.dump(value, file)
    return Encoded("pickle", path, "application/pickle", previews.of_object(value))
