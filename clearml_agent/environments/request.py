"""What a task wants to run in, and what it gets."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from clearml_agent.environments.interpreters import Interpreter
from clearml_agent.environments.layout import Entry
from clearml_agent.environments.modes import PIP, Mode
from clearml_agent.environments.present import Present
from clearml_agent.environments.settings import PackageSettings
from clearml_agent.vcs.packages import Repositories


class EnvironmentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a task wants to run in.

    requirements: the recorded lines, a text or a list; when there are none, the requirements.txt files of the code.
    conda: the lines recorded of conda. mode: which tool, as `modes.choose` found.
    python_wish: `3.11` or the path of an interpreter, "" for any. root, folder: the code, and the entry point's folder
    in it. sdk_wheel_url: our SDK's wheel (a URL with its hash as fragment), to be installed in place of `clearml`.
    interpreter: the Python of a container, chosen already; present: what its image has.
    repositories: how the agent gets at the repositories of git requirements.
    """

    requirements: str | Sequence[str] = ()
    conda: Sequence[str] = ()
    mode: Mode = PIP
    python_wish: str = ""
    root: Path | None = None
    folder: Path | None = None
    sdk_wheel_url: str | None = None
    interpreter: Interpreter | None = None
    present: Present | None = None
    repositories: Repositories | None = None
    settings: PackageSettings = PackageSettings()


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """An environment of one task; removing its directory is all the cleaning.

    python: what runs the task. variables: for the task's process, on top of the agent's own.
    reused: nothing had to be installed. frozen: the installed packages as requirement lines; frozen_conda: conda's.
    stages: seconds for "interpreter", "packages" (the cached part), "thin", "own" (git, editable and local ones).
    shared: the cached parts. is_recorded: whether the installed packages are to be written into the task.
    """

    python: Path
    variables: dict[str, str]
    reused: bool
    frozen: list[str]
    key: str
    stages: dict[str, float]
    shared: tuple[Entry, ...] = ()
    frozen_conda: list[str] = []
    is_recorded: bool = True


class Clock:
    """Seconds of consecutive stages."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._since = time.perf_counter()

    def took(self, stage: str) -> None:
        now = time.perf_counter()
        self.stages[stage] = round(now - self._since, 6)
        self._since = now
