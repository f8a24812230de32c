"""From a task's record to a command that can be started: the code, the environment, the variables.

Source: contract/agent_behaviour.md 4 to 6.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clearml_agent.api import Api
from clearml_agent.config import AgentConfig
from clearml_agent.environments import Environment, EnvironmentRequest, PackageSettings, build, recorded_lines
from clearml_agent.environments.requirements import is_own
from clearml_agent.execution import variables
from clearml_agent.execution.process import Launch
from clearml_agent.execution.sdk_wheel import find_wheel, wants_our_sdk
from clearml_agent.runs import RunDirectory
from clearml_agent.vcs import Checkout, GitSettings, checkout

Say = Callable[[str], None]
PYTHON_BINARY = re.compile(r"python(?:(\d+)(?:\.(\d+))?)?(?:\.exe)?$")


@dataclass(frozen=True)
class Prepared:
    """What a run starts with, and what is to be told to the server about it.

    environment: for what can be done to it beside the task.
    write_back: (endpoint, body without the task) of the calls that record it; stages: seconds by name.
    """

    launch: Launch
    environment: Environment
    write_back: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)


async def prepare(
    task: Mapping[str, Any], *, directory: RunDirectory, config: AgentConfig, api: Api, say: Say
) -> Prepared:
    """Make the run's directory ready for `task`; may be called again on a directory that a killed agent left half made.

    Raises RunFailed with what the user can do about it.
    """
    script = dict(task.get("script") or {})
    describe(task, script, say)
    begun_at = time.monotonic()
    code, environment = await code_and_environment(script, directory=directory, config=config, api=api, say=say)
    stages = {"preparation": time.monotonic() - begun_at}
    stages |= {f"code: {name}": seconds for name, seconds in code.stages.items()}
    stages |= {f"environment: {name}": seconds for name, seconds in environment.stages.items()}
    interpreter = [code.shell] if code.shell else [str(environment.python), "-u", *["-O"] * config.optimization]
    argv = [*interpreter, *code.entry_point_argv]
    surroundings = surroundings_of(task, directory=directory, config=config, api=api, code=code)
    write_private(Path(surroundings.config_file), json.dumps(variables.configuration(config.config.tree, surroundings)))
    Path(surroundings.journal).mkdir(mode=0o700, exist_ok=True)
    launch = Launch(
        argv=argv,
        cwd=str(code.working_dir),
        env=variables.variables(config.environ, surroundings, environment.variables),
        grace_s=config.grace_s,
    )
    say(f"Running task id [{task['id']}]:")
    say(f"[{script.get('working_dir') or '.'}]$ {' '.join(argv)}")
    say("Summary - installed python packages:\npip:")
    say("\n".join(f"- {line}" for line in environment.frozen) or "- none")
    say("Environment setup completed successfully")
    say("Starting Task Execution:")
    return Prepared(launch, environment, write_back(script, code, environment), stages)


async def code_and_environment(
    script: Mapping[str, Any], *, directory: RunDirectory, config: AgentConfig, api: Api, say: Say
) -> tuple[Checkout, Environment]:
    """The task's code and its packages; side by side where the packages do not need the code."""
    requirements = script.get("requirements") or {}
    settings = PackageSettings.from_config(config.config.get, config.environ)
    lines = recorded_lines(requirements, original=settings.force_original)

    async def get_code() -> Checkout:
        return await checkout(
            script,
            directory.path / "code",
            cache=config.repositories,
            settings=GitSettings.from_config(config.config.get, config.environ),
            environ=config.environ,
            log=say,
        )

    async def get_environment(code: Checkout | None) -> Environment:
        wheel = None
        if wants_our_sdk(requirements, str(config.config.get("agent.sdk", "") or "")):
            wheel = await find_wheel(api)
            if wheel is None:
                say(f"{api.settings.api_server} hands out no SDK: the official package is installed in its place")
        request = EnvironmentRequest(
            requirements=lines,
            python_wish=python_wish(str(script.get("binary") or "")),
            root=code.root if code else None,
            folder=folder_of(code) if code else None,
            sdk_wheel_url=wheel,
            settings=settings,
        )
        return await build(request, directory.path / "env", cache=config.environments, log=say, environ=config.environ)

    if needs_code(lines) or settings.force_repository_file:
        code = await get_code()
        return code, await get_environment(code)
    async with asyncio.TaskGroup() as group:
        code_task = group.create_task(get_code(), name="code")
        environment_task = group.create_task(get_environment(None), name="environment")
    return code_task.result(), environment_task.result()


def needs_code(lines: Sequence[str]) -> bool:
    """Whether the packages cannot be told without the task's code: none recorded, files named, local folders. Pure."""
    return not lines or any(line.lstrip().startswith("-") or is_own(line) for line in lines)


def surroundings_of(
    task: Mapping[str, Any], *, directory: RunDirectory, config: AgentConfig, api: Api, code: Checkout
) -> variables.Surroundings:
    settings = api.settings
    if config.config.flag("agent.force_git_root_python_path"):
        path = [str(code.root)]
    else:
        path = [str(code.working_dir), str(folder_of(code))]
    if extra := config.environ.get("CLEARML_AGENT_EXTRA_PYTHON_PATH"):
        path.append(extra)
    allowed = config.config.flag("agent.enable_task_env")
    return variables.Surroundings(
        task=str(task["id"]),
        directory=str(directory.path),
        worker=directory.record.worker,
        token=directory.record.token,
        api_server=settings.api_server,
        web_server=settings.web_server,
        files_server=settings.files_server,
        config_file=str(directory.path / "clearml.conf"),
        journal=str(directory.path / "journal"),
        log_level=config.log_level,
        tags=config.tags,
        gpus=config.gpus,
        python_path=list(dict.fromkeys(path)),
        task_environment=variables.task_environment(task.get("hyperparams") or {}) if allowed else {},
    )


def folder_of(code: Checkout) -> Path:
    """The folder of the script, which Python itself would put on its path; for `-m module` the working directory."""
    first = code.entry_point_argv[0] if code.entry_point_argv else "-"
    return code.working_dir if first.startswith("-") else (code.working_dir / first).parent


def python_wish(binary: str) -> str:
    """`3.11` of a recorded binary `python3.11`; empty when it names no minor version."""
    match = PYTHON_BINARY.search(Path(binary).name)
    return f"{match[1]}.{match[2]}" if match and match[1] and match[2] else ""


def host_property(task: Mapping[str, Any]) -> dict[str, Any] | None:
    """The task's runtime properties with this machine's name, for `tasks.edit`; None when they say so already.

    The call replaces the whole section: it must be over before the task's own SDK begins to write there.
    """
    known = task.get("runtime") or {}
    host = socket.gethostname()
    return None if known.get("_exec_agent_hostname") == host else {**known, "_exec_agent_hostname": host}


def write_back(script: Mapping[str, Any], code: Checkout, environment: Environment) -> list[tuple[str, dict[str, Any]]]:
    """The calls that record the commit and the packages that the task really has."""
    calls: list[tuple[str, dict[str, Any]]] = []
    recorded = dict(script.get("requirements") or {})
    if environment.frozen:
        if "org_pip" not in recorded and recorded.get("pip"):
            original = recorded["pip"]
            recorded["org_pip"] = original if isinstance(original, str) else "\n".join(map(str, original))
        recorded["pip"] = list(environment.frozen)
        calls.append(("tasks.set_requirements", {"requirements": recorded}))
    if code.commit and not script.get("version_num"):
        calls.append(("tasks.edit", {"force": True, "script": {"version_num": code.commit}}))
    return calls


def describe(task: Mapping[str, Any], script: Mapping[str, Any], say: Say) -> None:
    """What is going to run, for whoever reads the console."""
    from clearml_agent.vcs.addresses import without_secrets

    container = (task.get("container") or {}).get("image") or ""
    fields = {
        "repository": without_secrets(str(script.get("repository") or "")),
        "branch": script.get("branch") or "",
        "version_num": script.get("version_num") or "",
        "tag": script.get("tag") or "",
        "docker_cmd": container,
        "entry_point": script.get("entry_point") or "",
        "working_dir": script.get("working_dir") or ".",
    }
    say(f"Executing task id [{task['id']}]:\n" + "\n".join(f"{name} = {value}" for name, value in fields.items()))


def write_private(path: Path, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
