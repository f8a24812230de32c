"""A task's own environment: a few links on top of cached ones, made in milliseconds.

Python takes it for a virtual environment. Packages of the cached ones are found through a .pth file that hands their
directories to `site.addsitedir`, so that their own .pth files count too; what the task installs lands here, and wins.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from clearml_agent.environments.interpreters import Interpreter
from clearml_agent.environments.layout import Entry
from clearml_agent.files import remove_tree

PTH = "~clearml.pth"
"""Sorts after every other .pth file, so that an editable package of the task comes before a cached one."""

SHEBANG_BYTES = 127
SHADOW = "CLEARML-SHARED"


def make(
    directory: Path,
    interpreter: Interpreter,
    entries: Sequence[Entry],
    *,
    system_site_packages: bool,
    more: Sequence[Path] = (),
) -> Path:
    """Make the environment at `directory` (which must be empty) and answer its interpreter.

    Args:
        more: other directories of packages, found after those of the entries.
    """
    sites = [*(entry.site for entry in entries), *more]
    python = make_bare(directory, interpreter, sites, system_site_packages=system_site_packages)
    for entry in reversed(entries):
        link_programs(entry, directory / "bin", python)
        link_data(entry, directory)
    return python


def make_bare(
    directory: Path, interpreter: Interpreter, sites: Sequence[Path], *, system_site_packages: bool = False
) -> Path:
    """The environment at `directory` without the commands of its packages, which are found in `sites`."""
    site = directory / interpreter.site_packages
    binaries = directory / "bin"
    site.mkdir(parents=True, exist_ok=True)
    binaries.mkdir(exist_ok=True)
    if not (directory / "lib64").exists() and (directory / "lib").is_dir():
        (directory / "lib64").symlink_to("lib")
    python = binaries / "python"
    python.symlink_to(interpreter.executable)
    for name in ("python3", f"python{interpreter.minor}"):
        (binaries / name).symlink_to("python")
    (directory / "pyvenv.cfg").write_text(
        f"home = {Path(interpreter.executable).parent}\n"
        f"include-system-site-packages = {'true' if system_site_packages else 'false'}\n"
        f"version = {interpreter.version}\n"
        "prompt = clearml\n"
    )
    if sites:
        # `import` lines of a .pth file are executed, whatever else is in the line.
        (site / PTH).write_text("".join(f"import site; site.addsitedir({str(path)!r})\n" for path in sites))
    return python


def remove(directory: Path) -> None:
    """Remove what `make` or `make_bare` made."""
    remove_tree(directory)


def link_programs(entry: Entry, binaries: Path, python: Path) -> None:
    """The commands of a cached environment's packages, run by the task's own interpreter."""
    for name, text in entry.record.scripts.items():
        path = binaries / name
        path.unlink(missing_ok=True)
        path.write_text(shebang(python) + text)
        path.chmod(0o755)
    for name in entry.record.programs:
        path = binaries / name
        path.unlink(missing_ok=True)
        path.symlink_to(entry.site / "bin" / name)


def link_data(entry: Entry, directory: Path) -> None:
    """`share` and its like, which programs look for under `sys.prefix`; the first cached environment's win.

    Folders are made and only files are links: what the task installs beside them must not land in the cache.
    """
    for name in entry.record.data:
        source = entry.site / name
        for folder, _, files in os.walk(source):
            place = directory / name / Path(folder).relative_to(source)
            place.mkdir(parents=True, exist_ok=True)
            for file in files:
                link = place / file
                link.unlink(missing_ok=True)
                link.symlink_to(os.path.join(folder, file))


def shebang(python: Path) -> str:
    """The first line of a Python script, or the lines that stand in for it where the path is too long for that."""
    line = f"#!{python}\n"
    if len(line.encode()) <= SHEBANG_BYTES and " " not in line:
        return line
    return f"#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n"


def without_shebang(text: str) -> str | None:
    """The rest of a script that an installer wrote for a Python; None when it is something else."""
    first, _, rest = text.partition("\n")
    if first == "#!/bin/sh" and rest.startswith("'''exec' "):
        return rest.partition("\n' '''\n")[2] or None
    return rest if first.startswith("#!") and "python" in first else None


def show_shared(site: Path, entry: Entry) -> list[Path]:
    """Make the packages of `entry` look installed in `site`, so that an installer there does not install them again.

    Answers the directories; `hide_shared` removes those that are still ours.
    """
    made: list[Path] = []
    for info in entry.site.glob("*.dist-info"):
        shadow = site / info.name
        shadow.mkdir()
        names = [name for name in ("METADATA", "INSTALLER", "direct_url.json") if (info / name).is_file()]
        for name in names:
            shutil.copyfile(info / name, shadow / name)
        (shadow / SHADOW).touch()
        (shadow / "RECORD").write_text("".join(f"{info.name}/{name},,\n" for name in [*names, SHADOW, "RECORD"]))
        made.append(shadow)
    return made


def hide_shared(shadows: Sequence[Path]) -> None:
    """Undo `show_shared`; a package that was replaced meanwhile stays."""
    for shadow in shadows:
        if os.path.lexists(shadow / SHADOW):
            shutil.rmtree(shadow)
