"""What a build has made of a task, written down beside it, so that an agent there runs it without making it again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from clearml_agent.environments.request import Environment
from clearml_agent.errors import RunFailed
from clearml_agent.vcs import Checkout

FILE = "built.json"
VARIABLE = "CLEARML_AGENT_BUILT"
"""Set in an image that was built of a task: the path of its `built.json`."""


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """built.json.

    python: what runs the task, or `shell` where that is set; path: of PYTHONPATH, after the working directory.
    bin: goes in front of PATH. installed: the packages as requirement lines.
    """

    task: str
    python: str
    root: str
    working_dir: str
    argv: list[str]
    shell: str | None = None
    repository: str = ""
    commit: str = ""
    branch: str = ""
    bin: str = ""
    variables: dict[str, str] = {}
    installed: list[str] = []

    @property
    def command(self) -> list[str]:
        """What is run in `working_dir`."""
        return [self.shell, *self.argv] if self.shell else [self.python, "-u", *self.argv]


def read(path: Path) -> Built:
    """Raises RunFailed with what the user can do about it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Built)
    except (OSError, msgspec.DecodeError) as error:
        raise RunFailed(
            f"{path}, which {VARIABLE} names, cannot be read: {error}. Build the image again",
            reason="damaged build",
        ) from None


def prebuilt(task: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Checkout, Environment] | None:
    """The code and the environment that were built of this task, or of the one that it is a clone of; None: neither.

    Raises RunFailed where a build is named that cannot be read.
    """
    place = environ.get(VARIABLE)
    if not place:
        return None
    built = read(Path(place))
    if built.task not in (task.get("id"), task.get("parent")):
        return None
    code = Checkout(
        root=Path(built.root),
        working_dir=Path(built.working_dir),
        entry_point_argv=list(built.argv),
        shell=built.shell,
        repository=built.repository,
        commit=built.commit,
        branch=built.branch,
    )
    path = os.pathsep.join(part for part in (built.bin, environ.get("PATH", os.defpath)) if part)
    return code, Environment(
        python=Path(built.python),
        variables={**built.variables, "PATH": path},
        reused=True,
        frozen=list(built.installed),
        key="",
        stages={},
        is_recorded=False,
    )
