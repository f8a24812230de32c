"""Which installed packages a script needs: those that its own code imports, with their versions.

The script and the project's own modules that it imports are parsed, never executed; what they import from elsewhere is
looked up among the installed distributions.
"""

from __future__ import annotations

import ast
import json
import os
import re
import sys

from clearml_sdk._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from importlib.metadata import Distribution

OURS = "clearml-lean"
SDK_KEY = "sdk"
MAX_FILES = 2000
"""Project files that are parsed at most; more than any project that a person imports from."""

_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[^\]]*\])?")
_SDK = re.compile(r"(?<![\w-])clearml([-_.]lean)?(?![\w-])", re.IGNORECASE)
_NORMALIZE = re.compile(r"[-_.]+")


def record_requirements(
    entry: str | None,
    root: str,
    *,
    added: Mapping[str, str | None] | None = None,
    ignored: Iterable[str] = (),
    freeze: bool = False,
) -> dict[str, str]:
    """The `script.requirements` of a task: `pip`, and `sdk` naming what recorded it (our agent then installs the same).

    Args:
        entry: the script's path; root: the directory under which modules are the project's own.
        added: distribution -> version wish (`None`: the installed one, `""`: any, `"2.4"` or `">=2.4"`).
        freeze: list everything installed instead of what is imported.
    """
    header = f"# Python {' '.join(sys.version.split())}\n\n"
    lines = dict(_frozen() if freeze else _imported(entry, root))
    for name, wish in (added or {}).items():
        lines[normalize(name)] = requirement_line(name, wish)
    lines.pop(OURS, None)
    lines["clearml"] = "clearml"  # whichever version: who runs it knows by `sdk`
    for name in ignored:
        lines.pop(normalize(name), None)
    text = "".join(f"{line}\n" for _, line in sorted(lines.items()))
    return {"pip": header + text, "conda": "", SDK_KEY: f"{OURS}=={__version__}"}


def listed_requirements(lines: Iterable[str]) -> dict[str, str]:
    """The `script.requirements` of a task whose requirement lines are given, kept as they are."""
    return {"pip": "".join(f"{line}\n" for line in lines), SDK_KEY: f"{OURS}=={__version__}"}


def read_requirements(path: str) -> dict[str, str]:
    """The `script.requirements` of a task whose requirements file is given. Raises OSError."""
    with open(path, encoding="utf-8") as file:
        return {"pip": file.read(), SDK_KEY: f"{OURS}=={__version__}"}


def names_sdk(lines: Iterable[str]) -> bool:
    """Whether one of the lines of a requirements file is about the SDK."""
    return any(_SDK.search(line.partition("#")[0]) for line in lines)


def with_sdk(found: dict[str, str]) -> dict[str, str]:
    """The same with the SDK among the lines, where none of them names it: the script reports with it."""
    lines = found["pip"].splitlines()
    if names_sdk(lines):
        return found
    return {**found, "pip": "".join(f"{line}\n" for line in [*lines, "clearml"])}


def parse_requirements(path: str) -> dict[str, str]:
    """{name (with extras): version wish} of a requirements file; options and comments are left out. Raises OSError."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            text = line.split(" #")[0].strip()
            if match := _REQUIREMENT.match(text):
                found[match.group(0)] = text[match.end() :].strip()
    return found


def requirement_line(name: str, wish: str | None) -> str:
    """One line of a requirements file: `name == version`, `name >= version`, or `name` alone."""
    if wish is None:
        from importlib.metadata import PackageNotFoundError, distribution

        try:
            return pinned(distribution(name))
        except PackageNotFoundError:
            return name
    if not wish:
        return name
    return f"{name} {wish}" if wish.strip()[0] in "=<>!~@" else f"{name} == {wish}"


def pinned(distribution: Distribution) -> str:
    """The line that installs this distribution again: by version, or by commit where it came from a repository."""
    name, version = distribution.metadata["Name"], distribution.version
    origin = distribution.read_text("direct_url.json")
    if origin:
        try:
            found = json.loads(origin)
        except ValueError:
            found = {}
        vcs, url = found.get("vcs_info"), str(found.get("url", ""))
        if vcs:
            return f"{name} @ {vcs.get('vcs', 'git')}+{url}@{vcs.get('commit_id', '')}"
        if url.startswith("file:"):
            return f"# {name} == {version} was installed from {url}"
    return f"{name} == {version}"


def normalize(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return _NORMALIZE.sub("-", name).lower()


def _frozen() -> Iterator[tuple[str, str]]:
    from importlib.metadata import distributions

    for found in distributions():
        if found.metadata["Name"]:
            yield normalize(found.metadata["Name"]), pinned(found)


def _imported(entry: str | None, root: str) -> Iterator[tuple[str, str]]:
    names = imported_names(entry, root) if entry else {name.partition(".")[0] for name in sys.modules}
    if not names:
        return
    for found in owners(names):
        yield normalize(found.metadata["Name"]), pinned(found)


def imported_names(entry: str, root: str) -> set[str]:
    """Top-level names that the script and the project's own modules import from outside of the project."""
    return _walk(entry, root)[1] - set(sys.stdlib_module_names)


def own_files(entry: str, root: str) -> list[str]:
    """The script and the project's own files that it imports, directly or not."""
    return sorted(_walk(entry, root)[0])


def _walk(entry: str, root: str) -> tuple[set[str], set[str]]:
    """(real paths of the project's files that are imported, top-level names imported from elsewhere)."""
    places = list(dict.fromkeys([os.path.dirname(entry), root]))
    seen, outside = {os.path.realpath(entry)}, set()
    waiting = [entry]
    while waiting and len(seen) < MAX_FILES:
        for name in _imports(waiting.pop()):
            found = list(_own_files(name, places))
            if not found:
                outside.add(name.partition(".")[0])
            for file in found:
                if (real := os.path.realpath(file)) not in seen:
                    seen.add(real)
                    waiting.append(file)
    return seen, outside


def _imports(path: str) -> Iterator[str]:
    """Dotted names that one file imports (also inside functions and `try`); relative ones are found beside the file."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return  # not Python of this version: nothing to learn from it
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _own_files(name: str, places: list[str]) -> Iterator[str]:
    """Files of the project that `import name` would run: the module, and the packages above it."""
    parts = name.split(".")
    for place in places:
        for depth in range(1, len(parts) + 1):
            stem = os.path.join(place, *parts[:depth])
            if os.path.isfile(f"{stem}.py"):
                yield f"{stem}.py"
            elif os.path.isdir(stem) and "site-packages" not in stem:
                # A namespace package counts as the project's own only if it holds Python files.
                files = [os.path.join(stem, file) for file in sorted(os.listdir(stem)) if file.endswith(".py")]
                yield from files
                if not files:
                    break
            else:
                break


def owners(names: set[str]) -> list[Distribution]:
    """The installed distributions that provide these top-level names; names nobody provides are left out."""
    from importlib.metadata import PackageNotFoundError, distribution, distributions

    found: dict[str, Distribution] = {}
    unknown = set()
    for name in names:
        try:  # most are called what they provide, and reading one is a hundred times cheaper than reading all
            candidate = distribution(name)
        except (PackageNotFoundError, ValueError):
            unknown.add(name)
            continue
        if name in _provides(candidate):
            found[normalize(candidate.metadata["Name"])] = candidate
        else:
            unknown.add(name)
    if unknown:
        for candidate in distributions():
            if candidate.metadata["Name"] and unknown & _provides(candidate):
                found.setdefault(normalize(candidate.metadata["Name"]), candidate)
    return list(found.values())


def _provides(candidate: Distribution) -> set[str]:
    top_level = candidate.read_text("top_level.txt")
    if top_level:
        return set(top_level.split())
    names = set()
    for file in candidate.files or ():
        first, _, rest = str(file).partition("/")
        if rest:
            names.add(first)
        elif first.endswith((".py", ".so", ".pyd")):
            names.add(first.partition(".")[0])
    return names
