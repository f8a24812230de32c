"""Which tool builds the environment: the configuration and the files of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearml_agent.environments import PackageSettings
from clearml_agent.environments.modes import choose
from clearml_agent.environments.settings import Poetry, Uv

ALL = ("pyproject.toml", "uv.lock", "poetry.lock", "pylock.toml", "environment.yml")


@pytest.mark.parametrize(
    ("manager", "files", "recorded", "expected"),
    [
        ("pip", ("pyproject.toml",), True, "pip"),
        ("pip", ("uv.lock",), True, "pip"),
        ("pip", ("pyproject.toml", "uv.lock", "poetry.lock"), True, "uv"),
        ("pip", ("pyproject.toml", "poetry.lock", "pylock.toml"), True, "poetry"),
        ("pip", ("pylock.toml", "environment.yml"), True, "pylock"),
        ("pip", ("environment.yml",), True, "pip"),
        ("pip", ("environment.yml",), False, "conda"),
        ("pip", ("environment.yml", "requirements.txt"), False, "pip"),
        ("uv", ("pyproject.toml",), True, "uv"),
        ("uv", ("pylock.toml",), True, "pylock"),
        ("uv", ("poetry.lock",), True, "pip"),
        ("poetry", ("pyproject.toml",), True, "poetry"),
        ("poetry", ("uv.lock",), True, "pip"),
        ("conda", (), True, "conda"),
        ("conda", ALL, True, "conda"),
    ],
)
def test_choice(tmp_path: Path, manager: str, files: tuple[str, ...], recorded: bool, expected: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    settings = PackageSettings(manager=manager)
    assert choose(settings, tmp_path, tmp_path, recorded=recorded, recorded_conda=False).kind == expected


def test_code_of_a_conda_user_is_built_by_conda(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").touch()
    assert choose(PackageSettings(), tmp_path, None, recorded=True, recorded_conda=True).kind == "conda"


def test_lock_files_do_not_count_where_they_are_switched_off(tmp_path: Path) -> None:
    for name in ALL:
        (tmp_path / name).touch()
    for settings in (PackageSettings(lock_files=False), PackageSettings(force_repository_file=True)):
        assert choose(settings, tmp_path, None, recorded=True, recorded_conda=True).kind == "pip"


def test_files_are_looked_for_in_the_working_directory_where_that_is_configured(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    for name in ("pyproject.toml", "uv.lock"):
        (inner / name).touch()
    assert choose(PackageSettings(), tmp_path, inner, recorded=True, recorded_conda=False).kind == "pip"
    found = choose(PackageSettings(uv=Uv(in_working_dir=True)), tmp_path, inner, recorded=True, recorded_conda=False)
    assert (found.kind, found.folder) == ("uv", inner)
    (inner / "uv.lock").rename(inner / "poetry.lock")
    settings = PackageSettings(poetry=Poetry(in_working_dir=True))
    assert choose(settings, tmp_path, inner, recorded=True, recorded_conda=False).folder == inner


def test_without_code_there_is_nothing_to_look_at() -> None:
    assert choose(PackageSettings(manager="uv"), None, None, recorded=False, recorded_conda=True).kind == "pip"
