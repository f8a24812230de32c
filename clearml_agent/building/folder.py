"""A task's environment and code as a folder that stands alone: nothing in it leads into the agent's caches.

TARGET/env      the environment (a virtual environment of an interpreter of this machine)
TARGET/code     the code, its recorded changes applied
TARGET/run      runs the task's command in them
TARGET/built.json    what is what; see prebuilt.py
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from clearml_agent.api import Api
from clearml_agent.building.prebuilt import FILE, Built
from clearml_agent.config import AgentConfig
from clearml_agent.environments import Environment, PackageSettings
from clearml_agent.environments.interpreters import find_interpreter
from clearml_agent.environments.layout import write_durably
from clearml_agent.environments.thin import PTH
from clearml_agent.errors import UsageError
from clearml_agent.execution.preparation import Say, code_and_environment, folder_of, python_wish
from clearml_agent.files import remove_tree
from clearml_agent.process import run_process
from clearml_agent.vcs import Checkout

REPACK_S = 1800.0
PARTS = ("env", "code", "run", FILE)


async def build_folder(task: Mapping[str, Any], target: Path, *, config: AgentConfig, api: Api, say: Say) -> Built:
    """Build `task` at `target`, in the place of what an earlier build left there.

    Killed on the way, it leaves a folder without built.json, which the next build clears away. Raises UsageError for a
    folder that holds something else, RunFailed with what the user can do about it.
    """
    claim_folder(target)
    code, environment = await code_and_environment(
        task, dict(task.get("script") or {}), folder=target, config=config, api=api, say=say
    )
    await asyncio.to_thread(settle, environment, target / "env")
    await own_objects(code.root, environ=config.environ)
    built = described(task, code, environment)
    (target / "run").write_text(starter(built))
    (target / "run").chmod(0o755)
    write_durably(target / FILE, msgspec.json.format(msgspec.json.encode(built)))
    return built


async def into_interpreter(task: Mapping[str, Any], config: AgentConfig, say: Say) -> AgentConfig:
    """The configuration under which packages go into the interpreter that the task asks for, not an environment."""
    settings = PackageSettings.from_config(config.config.get, config.environ)
    binary = str((task.get("script") or {}).get("binary") or "")
    wish = python_wish(binary, chosen=settings.python_binary)
    found = await find_interpreter(wish, settings, cache=config.environments, environ=config.environ, log=say)
    return replace(config, environ={**config.environ, "CLEARML_AGENT_SKIP_PIP_VENV_INSTALL": found.executable})


def claim_folder(target: Path) -> None:
    """Make `target` an empty folder of ours. Raises UsageError rather than to remove what no build has made."""
    if target.is_dir():
        unknown = sorted(path.name for path in target.iterdir() if path.name not in (*PARTS, ".building"))
        is_ours = (target / FILE).is_file() or (target / ".building").exists()
        if unknown or (any(target.iterdir()) and not is_ours):
            raise UsageError(
                f"--target {target} is not empty and was not made by a build"
                f"{f' ({unknown[0]})' if unknown else ''}: name a new folder, or empty this one"
            )
    elif os.path.lexists(target):
        raise UsageError(f"--target {target} is a file: name a folder")
    target.mkdir(parents=True, exist_ok=True)
    (target / ".building").touch()
    for name in (FILE, "run", "env", "code"):
        remove_tree(target / name)


def settle(environment: Environment, directory: Path) -> None:
    """Copy what the environment at `directory` has only links to in the cache. Conda's cannot be moved: links stay."""
    entries = [entry for entry in environment.shared if entry.record.tree == "site"]
    if len(entries) < len(environment.shared) or not directory.is_dir():
        return
    site = next((directory / "lib").glob("python*/site-packages"), None)
    if site is None:
        return
    for entry in entries:  # the first one wins, as on its path
        for path in sorted(entry.site.iterdir()):
            if path.name not in ("bin", *entry.record.data):
                _copy_missing(path, site / path.name)
        for name in (*entry.record.programs, *entry.record.data):
            _unlink_into(directory / ("bin" if name in entry.record.programs else "") / name)
    (site / PTH).unlink(missing_ok=True)
    for entry in entries:
        entry.release(directory)


def _copy_missing(source: Path, place: Path) -> None:
    """A file or a folder; into a folder that is there only what is missing in it."""
    if source.is_dir():
        if not place.exists():
            place.mkdir()
        if place.is_dir():
            for path in source.iterdir():
                _copy_missing(path, place / path.name)
    elif not os.path.lexists(place):
        shutil.copy2(source, place, follow_symlinks=False)


def _unlink_into(path: Path) -> None:
    """Files in the place of the links at `path` or under it."""
    found = (
        [path] if path.is_symlink() else [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
    )
    for link in found:
        if link.is_symlink() and link.is_file():
            source = link.resolve()
            link.unlink()
            shutil.copy2(source, link)


async def own_objects(root: Path, *, environ: Mapping[str, str]) -> None:
    """Copy the objects that the repository (and its submodules) at `root` borrows from the agent's mirror."""
    for borrowed in await asyncio.to_thread(lambda: list(root.rglob(".git/objects/info/alternates"))):
        await run_process(
            ["git", "-c", "safe.directory=*", "repack", "-a", "-d", "-q"],
            cwd=borrowed.parents[3],
            env=environ,
            timeout_s=REPACK_S,
        )
        borrowed.unlink()


def described(task: Mapping[str, Any], code: Checkout, environment: Environment) -> Built:
    """What was made, as it is written down."""
    own = {name: value for name, value in environment.variables.items() if name != "PATH"}
    return Built(
        task=str(task["id"]),
        python=str(environment.python),
        root=str(code.root),
        working_dir=str(code.working_dir),
        argv=list(code.entry_point_argv),
        shell=code.shell,
        repository=code.repository,
        commit=code.commit,
        branch=code.branch,
        bin=str(environment.python.parent),
        variables={**own, "PYTHONPATH": os.pathsep.join(dict.fromkeys([str(code.working_dir), str(folder_of(code))]))},
        installed=list(environment.frozen),
    )


def starter(built: Built) -> str:
    """The script TARGET/run: the task's command, where and with what it runs."""
    lines = [
        "#!/bin/sh",
        f"# Runs the code of task {built.task} as a script of yours: it makes a task of its own where it calls",
        f"# Task.init. With CLEARML_TASK_ID={built.task} in its environment it reports to that one.",
        *(f"export {name}={shlex.quote(value)}" for name, value in sorted(built.variables.items())),
        f'export PATH={shlex.quote(built.bin)}"${{PATH:+:$PATH}}"',
        f"cd {shlex.quote(built.working_dir)} || exit 1",
        f'exec {shlex.join(built.command)} "$@"',
    ]
    return "\n".join(lines) + "\n"
