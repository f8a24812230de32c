"""A script of the agent's owner that prepares a task in place of the agent (`agent.custom_build_script`).

Source: contract/agent_behaviour.md 5.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from clearml_agent.errors import EnvironmentFailed
from clearml_agent.process import HelperTimeout, Log, run_process

LIMIT_S = 24 * 3600.0


class Built(msgspec.Struct, frozen=True):
    """What the script decided: the interpreter, the file that it runs, and where."""

    binary: Path
    entry_point: Path
    working_dir: Path


async def run(
    command: str,
    task: Mapping[str, Any],
    *,
    root: Path,
    entry_point: str,
    working_dir: str,
    directory: Path,
    environ: Mapping[str, str],
    log: Log,
) -> Built | None:
    """Run the script after the checkout; None when it leaves the rest to the agent.

    Args:
        directory: the place of the task's environment. Raises EnvironmentFailed when the script fails.
    """
    program = shutil.which(os.path.expanduser(os.path.expandvars(command)), path=environ.get("PATH"))
    if program is None:
        log(f"WARNING: there is no custom build script {command} that can be run: the task is prepared as usual")
        return None
    output = directory.with_name("custom-build.json")
    output.unlink(missing_ok=True)
    variables = {
        "CLEARML_CUSTOM_BUILD_OUTPUT": str(output),
        "CLEARML_CUSTOM_BUILD_TASK_CONFIG_JSON": json.dumps(task),
        "CLEARML_GIT_ROOT": str(root),
        "CLEARML_TASK_SCRIPT_ENTRY": entry_point,
        "CLEARML_TASK_WORKING_DIR": working_dir,
        "CLEARML_VENV_PATH": str(directory),
    }
    log(f"Running the custom build script {program}")
    try:
        done = await run_process([program], cwd=root, env={**environ, **variables}, timeout_s=LIMIT_S, log=log)
    except (HelperTimeout, OSError) as error:
        raise EnvironmentFailed(f"the custom build script {program} failed: {error}", reason="custom build") from None
    for line in done.output.decode("utf-8", "replace").splitlines():
        log(line)
    if done.code != 0:
        raise EnvironmentFailed(
            f"the custom build script {program} ended with exit code {done.code}: see its lines above, or remove "
            "agent.custom_build_script",
            reason="custom build script failed",
        )
    return read(output, root, log)


def read(output: Path, root: Path, log: Log) -> Built | None:
    """What the script wrote; None, with a warning, when it is not all there."""
    if not output.exists():
        return None
    try:
        found = json.loads(output.read_bytes())
        built = Built(*(root / str(found[name]) for name in ("binary", "entry_point", "working_dir")))
    except (ValueError, KeyError, TypeError) as error:
        log(f"WARNING: what the custom build script wrote cannot be used ({error!r}): the task is prepared as usual")
        return None
    for path in (built.binary, built.entry_point, built.working_dir):
        if not path.exists():
            log(f"WARNING: the custom build script names {path}, which does not exist: the task is prepared as usual")
            return None
    return built
