"""No environment of the task's own: its packages go into an interpreter that is there already."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from clearml_agent.environments.installer import Installer, Place
from clearml_agent.environments.request import Clock, Environment
from clearml_agent.environments.requirements import Plan
from clearml_agent.errors import EnvironmentFailed
from clearml_agent.locks import LockTimeout, file_lock
from clearml_agent.packages import freeze
from clearml_agent.process import HelperTimeout, run_process

SITE = "import sysconfig; print(sysconfig.get_path('purelib'))"


async def build(
    installer: Installer, plan: Plan, directory: Path, cache: Path, environ: Mapping[str, str], clock: Clock
) -> Environment:
    """Install into the interpreter `settings.existing`, one task at a time. Raises EnvironmentFailed."""
    settings = installer.settings
    python = Path(settings.existing).expanduser()
    installer.log(f"Packages are installed into {python} (CLEARML_AGENT_SKIP_PIP_VENV_INSTALL)")
    try:
        site = Path((await run_process([str(python), "-c", SITE], timeout_s=60)).output.decode().strip())
    except (OSError, HelperTimeout) as error:
        raise EnvironmentFailed(
            f"{python} cannot be run: {error}. Correct CLEARML_AGENT_SKIP_PIP_VENV_INSTALL"
        ) from None
    directory.mkdir(parents=True)
    lock = cache / f"existing-{hashlib.sha256(os.fsencode(python)).hexdigest()[:24]}.lock"
    lines = [*plan.shared, *plan.own]
    try:
        async with file_lock(lock, timeout_s=settings.lock_s, log=installer.log):
            if lines:
                await installer.install(
                    lines, Place(python), plan=plan, folder=directory, scratch=directory,
                    flags=["--break-system-packages"],
                )  # fmt: skip
    except LockTimeout as error:
        raise EnvironmentFailed(f"cannot install into {python}: {error}") from None
    clock.took("packages")
    path = os.pathsep.join([str(python.parent), environ.get("PATH", os.defpath)])
    return Environment(
        python=python, variables={"PATH": path}, reused=False, frozen=freeze([site]), key="", stages=clock.stages
    )
