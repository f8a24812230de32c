"""A virtual environment that a tool filled, brought into the layout in which packages are kept."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

from clearml_agent.environments.interpreters import Interpreter
from clearml_agent.files import remove_tree

_OWN = re.compile(
    r"^(_virtualenv\.(py|pth)|~clearml\.pth|__pycache__|distutils-precedence\.pth\.orig"
    r"|(python|pypy)[\d.]*|activate.*|deactivate.*|pydoc\.bat)$"
)
"""What belongs to a virtual environment itself."""


def harvest(venv: Path, interpreter: Interpreter, site: Path) -> None:
    """Move the packages of `venv` to `site`, their commands to `site/bin`, other files beside them; removes `venv`.

    Blocking, a few renames and one small file a package.
    """
    packages = venv / interpreter.site_packages
    site.mkdir(exist_ok=True)
    for path in list(packages.iterdir()):
        if not _OWN.match(path.name):
            os.rename(path, site / path.name)
    (site / "bin").mkdir(exist_ok=True)
    for path in list((venv / "bin").iterdir()):
        if not _OWN.match(path.name):
            os.rename(path, site / "bin" / path.name)
    for name in ("share", "etc", "include"):
        if (venv / name).is_dir() and not (site / name).exists():
            os.rename(venv / name, site / name)
    up = "../" * len(Path(interpreter.site_packages).parts)
    for record in site.glob("*.dist-info/RECORD"):
        text = record.read_text(encoding="utf-8")
        if f"\n{up}" in "\n" + text:
            record.write_text(relocated(text, up), encoding="utf-8")
    remove_tree(venv)


def relocated(record: str, up: str) -> str:
    """A package's RECORD whose files outside the packages (`../../../bin/x`) are now beside them. Pure."""
    rows = csv.reader(record.splitlines())
    moved = ([row[0].removeprefix(up), *row[1:]] for row in rows if row)
    return "".join(",".join(_quoted(field) for field in row) + "\n" for row in moved)


def _quoted(field: str) -> str:
    return f'"{field}"' if "," in field or '"' in field else field
