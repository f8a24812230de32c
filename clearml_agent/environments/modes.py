"""Which tool builds a task's environment: the configured one, unless the code brings a lock file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from clearml_agent.environments.settings import PackageSettings
from clearml_agent.process import Log

CONDA_FILES = ("environment.yml", "environment.yaml", "conda.yml", "conda.yaml")


class Mode(msgspec.Struct, frozen=True):
    """kind: pip, uv, poetry, pylock or conda. folder: where its files are; file: the deciding one, None for none."""

    kind: str
    folder: Path | None = None
    file: Path | None = None


PIP = Mode("pip")


def choose(
    settings: PackageSettings, root: Path | None, working_dir: Path | None, *, recorded: bool, recorded_conda: bool
) -> Mode:
    """The mode for code at `root`.

    Args:
        working_dir: where the task runs; root or under it.
        recorded: whether packages were recorded; recorded_conda: packages of conda, that is.
    """
    if settings.manager == "conda":
        file = _first(root, *CONDA_FILES)
        return Mode("conda", root, file)
    if root is None or (settings.manager == "pip" and (not settings.lock_files or settings.force_repository_file)):
        return PIP
    in_uv = working_dir or root if settings.uv.in_working_dir else root
    in_poetry = working_dir or root if settings.poetry.in_working_dir else root
    if settings.manager == "poetry":
        file = _first(in_poetry, "poetry.lock", "pyproject.toml")
        return Mode("poetry", in_poetry, file) if file else PIP
    if settings.manager == "uv":
        if file := _first(in_uv, "uv.lock", "pylock.toml", "pyproject.toml"):
            return Mode("pylock" if file.name == "pylock.toml" else "uv", in_uv, file)
        return PIP
    if (file := _first(in_uv, "uv.lock")) and (in_uv / "pyproject.toml").is_file():
        return Mode("uv", in_uv, file)
    if (file := _first(in_poetry, "poetry.lock")) and (in_poetry / "pyproject.toml").is_file():
        return Mode("poetry", in_poetry, file)
    if file := _first(root, "pylock.toml"):
        return Mode("pylock", root, file)
    is_conda = (recorded_conda or not recorded) and not (root / "requirements.txt").is_file()
    if is_conda and (file := _first(root, *CONDA_FILES)):
        return Mode("conda", root, file)
    return PIP


def say(mode: Mode, settings: PackageSettings, log: Log) -> None:
    """Tell the console what decides."""
    if mode.file is not None:
        log(f"{mode.file.name} of the code decides the packages ({mode.kind}); the recorded list is passed over")
    elif mode.kind == "pip" and settings.manager in ("poetry", "uv"):
        log(f"The code has no files of {settings.manager}: its packages are installed as in pip mode")


def _first(folder: Path | None, *names: str) -> Path | None:
    if folder is None:
        return None
    return next((folder / name for name in names if (folder / name).is_file()), None)
