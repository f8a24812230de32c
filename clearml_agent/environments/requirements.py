"""Requirement lines: read (with the files they name), sorted by where they are installed, fitted to the installer."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from clearml_agent.process import Log

_NAME = re.compile(r"^\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_PINNED = re.compile(r"^[\w.-]+(\[[^\]]*\])?\s*={2,3}\s*[^,*;\s]+\s*(;.*|--hash.*)?$")
_DIRECT = re.compile(r"^[\w.-]+(\[[^\]]*\])?\s*@\s*(.+)$")
_INCLUDE = re.compile(r"^(-r|-c|--requirements?|--constraints?)[\s=]*(.+)$")
_LINKS = re.compile(r"^(?:-f|--find-links)[\s=]*(.+)$")
_EDITABLE = re.compile(r"^(-e|--editable)[\s=]+")
_LOCAL_VERSION = re.compile(
    r"^((?:torch|torchvision|torchaudio|torchtext|torchcsprng)(?:\[[^\]]*\])?\s*==\s*[\w.!]+)\+[\w.]+"
)
_OPTION = re.compile(r"^--?[a-zA-Z]")

SDK_NAMES = frozenset({"clearml", "trains", "clearml-lean"})
LAST_WINS = frozenset({*SDK_NAMES, "nbconvert", "ipython"})
DEEPEST_INCLUDE = 10
UNSUPPORTED = {"--pre": ("--prerelease", "allow"), "--trusted-host": ("--allow-insecure-host",)}


class Plan(msgspec.Struct, frozen=True):
    """What goes where.

    shared: packages of the cached environment; own: git, editable and local ones, of the task's own.
    options: lines for the requirements file (`--extra-index-url ...`); arguments: for the installer's command line.
    constraints: contents of `-c` files.
    folders: folder of the code that holds packages (`--find-links wheels`) -> a hash of what is in it.
    """

    shared: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    folders: dict[str, str] = {}

    @property
    def lines_of_options(self) -> list[str]:
        """What stands before the packages in a requirements file."""
        return [*self.options, *(f"--find-links {folder}" for folder in self.folders)]

    @property
    def is_pinned(self) -> bool:
        """Whether every shared line names one version, so that resolving it again gives the same."""
        return all(is_pinned(line) for line in self.shared)


def read_plan(lines: Iterable[str], root: Path | None, *, sdk_wheel_url: str | None = None, log: Log) -> Plan:
    """Sort requirement lines.

    Args:
        root: the code, to which paths in the lines are relative; None when there is none.
        sdk_wheel_url: our wheel, which takes the place of the `clearml` line (and is added where there is none).
    """
    shared: dict[str, str] = {}
    own: list[str] = []
    options: list[str] = []
    arguments: list[str] = []
    constraints: list[str] = []
    folders: dict[str, str] = {}
    for line, is_constraint in _expanded(lines, root, root, folders, log, depth=0):
        if is_constraint:
            constraints.append(line)
        elif is_own(line):
            if _names_missing_file(line, root):
                log(f"WARNING: the requirement {line} is left out: there is no such file on this machine")
            else:
                own.append(line)
        elif _OPTION.match(line):
            flag, _, value = line.replace("=", " ", 1).partition(" ")
            if flag in UNSUPPORTED:
                arguments += [*UNSUPPORTED[flag], *value.split()]
            else:
                options.append(line)
        else:
            fitted = fit(line, log)
            name = requirement_name(fitted)
            shared[name if name in LAST_WINS else fitted] = fitted
    if sdk_wheel_url:
        for name in SDK_NAMES:
            shared.pop(name, None)
        own = [line for line in own if requirement_name(line) not in SDK_NAMES]
        shared["clearml-lean"] = f"clearml-lean @ {sdk_wheel_url}"
    return Plan(tuple(shared.values()), tuple(own), tuple(options), tuple(arguments), tuple(constraints), folders)


def logical_lines(text: str | Sequence[str]) -> list[str]:
    """Lines without comments, blanks and line continuations."""
    joined = text if isinstance(text, str) else "\n".join(text)
    joined = re.sub(r"\\\r?\n", " ", joined.removeprefix("\ufeff"))
    found = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in found if line]


def requirement_name(line: str) -> str:
    """The normalised name of the package, "" when the line does not say it."""
    if egg := re.search(r"#(?:.*&)?egg=([\w.-]+)", line):
        return re.sub(r"[-_.]+", "-", egg[1]).lower()
    match = _NAME.match(line)
    return re.sub(r"[-_.]+", "-", match[1]).lower() if match and "://" not in line.partition("@")[0] else ""


def is_pinned(line: str) -> bool:
    """Whether the line can only mean one version of one package."""
    return _PINNED.match(line) is not None or _DIRECT.match(line) is not None or "://" in line


def is_own(line: str) -> bool:
    """Whether the line is a git, editable or local requirement, which does not go into a shared environment."""
    direct = _DIRECT.match(line)
    target = direct[2].strip() if direct else line
    return (
        _EDITABLE.match(line) is not None
        or re.match(r"(git|hg|svn|bzr)\+|file:", target, re.IGNORECASE) is not None
        or _is_path(target)
    )


def fit(line: str, log: Log) -> str:
    """The line as it can be resolved: a torch build recorded from a vendor's index (`+cu118`) by its version alone."""
    changed = _LOCAL_VERSION.sub(r"\1", line)
    if changed != line:
        log(f"{line}: any build of this version is taken ({changed})")
    return changed


def _expanded(
    lines: Iterable[str], place: Path | None, root: Path | None, folders: dict[str, str], log: Log, *, depth: int
) -> Iterable[tuple[str, bool]]:
    """(line, whether it is a constraint), files that the lines include read in place.

    Args:
        place: what files and folders are relative to, or else to `root`. folders: gets those with packages.
    """
    for line in logical_lines(list(lines)):
        if (links := _LINKS.match(line)) and "://" not in line:
            name = Path(links[1].strip().strip("\"'")).expanduser()
            if found := next((base / name for base in (place, root) if base and (base / name).is_dir()), None):
                folders[str(found.absolute())] = folder_digest(found)
            else:
                log(f"WARNING: {line} is left out: there is no such folder in the code")
            continue
        match = _INCLUDE.match(line)
        if match is None:
            yield line, False
            continue
        path = (place or Path()) / match[2].strip().strip("\"'").removeprefix("file://")
        if "://" in str(match[2]) or depth >= DEEPEST_INCLUDE or not path.is_file():
            log(f"WARNING: {line} is left out: there is no such file in the code")
            continue
        is_constraint = match[1].startswith(("-c", "--c"))
        inside = text_of(path).splitlines()
        for inner, constrains in _expanded(inside, path.parent, root, folders, log, depth=depth + 1):
            yield inner, is_constraint or constrains


def text_of(path: Path) -> str:
    """A requirements file's text; PowerShell's `pip freeze > requirements.txt` makes it UTF-16."""
    data = path.read_bytes()
    is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_wide else "utf-8-sig", "replace")


def folder_digest(folder: Path) -> str:
    """What a folder of packages holds, as a hash."""
    found = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file():
            found.update(path.name.encode("utf-8", "surrogateescape") + b"\0")
            with path.open("rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:24]


def _is_path(target: str) -> bool:
    """Whether this is a path: `./x`, `/x`, `../x`, `~/x`, or a relative one to an archive or a folder."""
    bare = target.partition(";")[0].strip()
    if "://" in bare or " @ " in bare:
        return False
    return bare.startswith((".", "/", "~")) or bare.lower().endswith((".whl", ".tar.gz", ".zip")) or bare.endswith("/")


def _names_missing_file(line: str, root: Path | None) -> bool:
    """A path that is not on this machine, such as the build folder of a conda package of the recording one."""
    target = _EDITABLE.sub("", line)
    direct = _DIRECT.match(target)
    target = (direct[2] if direct else target).partition(";")[0].strip()
    if re.match(r"file:", target, re.IGNORECASE):
        target = re.sub(r"^file:(//(localhost)?)?", "", target.partition("#")[0], flags=re.IGNORECASE)
    elif "://" in target or re.match(r"(git|hg|svn|bzr)\+", target):
        return False
    bare = re.sub(r"\[[^\]]*\]$", "", target)
    return not ((root or Path()) / Path(bare).expanduser()).exists()
