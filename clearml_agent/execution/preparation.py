"""From a task's record to a command that can be started: the code, the environment, the variables.

Source: contract/agent_behaviour.md 4 to 6.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from clearml_agent.api import Api
from clearml_agent.building.prebuilt import prebuilt
from clearml_agent.config import AgentConfig
from clearml_agent.environments import (
    Environment,
    EnvironmentFailed,
    EnvironmentRequest,
    PackageSettings,
    build,
    custom_build,
    modes,
    recorded_lines,
)
from clearml_agent.environments.interpreters import version_in
from clearml_agent.environments.requirements import SDK_NAMES, is_own, requirement_name
from clearml_agent.execution import variables
from clearml_agent.execution.entry_points import adapted
from clearml_agent.execution.places import Contained
from clearml_agent.execution.process import Launch
from clearml_agent.execution.sdk_wheel import find_wheel, wants_our_sdk
from clearml_agent.files import remove_tree
from clearml_agent.gpus import visible
from clearml_agent.runs import RunDirectory
from clearml_agent.vcs import Checkout, GitSettings, checkout
from clearml_agent.vcs.git import FOLDER
from clearml_agent.vcs.packages import Repositories
from clearml_sdk.config.environment import read_flag

Say = Callable[[str], None]


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
    task: Mapping[str, Any],
    *,
    directory: RunDirectory,
    config: AgentConfig,
    api: Api,
    say: Say,
    contained: Contained | None = None,
) -> Prepared:
    """Make the run's directory ready for `task`; may be called again on a directory that a killed agent left half made.

    Args:
        contained: the container that it will run in.

    Raises RunFailed with what the user can do about it.
    """
    script = dict(task.get("script") or {})
    describe(task, script, say)
    for left in directory.path.glob(f"{FOLDER}*"):  # by an agent that was killed; there may be a password in it
        remove_tree(left)
    begun_at = time.monotonic()
    made = prebuilt(task, config.environ)
    code, environment = made or await code_and_environment(
        task, script, folder=directory.path, config=config, api=api, say=say, contained=contained
    )
    stages = {"preparation": time.monotonic() - begun_at}
    stages |= {f"code: {name}": seconds for name, seconds in code.stages.items()}
    stages |= {f"environment: {name}": seconds for name, seconds in environment.stages.items()}
    interpreter = [code.shell] if code.shell else [str(environment.python), "-u", *["-O"] * config.optimization]
    argv = [*interpreter, *code.entry_point_argv]
    surroundings = surroundings_of(task, directory=directory, config=config, api=api, code=code)
    tree: Mapping[str, Any] = config.config.tree
    base, own = config.environ, environment.variables
    if contained is not None:
        surroundings = replace(surroundings, gpus=None, allocation=None)  # it has no others
        tree, base = contained.configuration(tree), variables.of_clearml(base)
        places = [str(environment.python.parent)]
        places += [f"{prefix}/bin"] if (prefix := own.get("CONDA_PREFIX")) else []
        own = {**own, "PATH": os.pathsep.join(places), **contained.variables()}
    write_private(Path(surroundings.config_file), json.dumps(variables.configuration(tree, surroundings)))
    Path(surroundings.journal).mkdir(mode=0o700, exist_ok=True)
    launch = Launch(
        argv=argv,
        cwd=str(code.working_dir),
        env=variables.variables(base, surroundings, own),
        grace_s=config.grace_s,
    )
    say(f"Running task id [{task['id']}]:")
    say(f"[{script.get('working_dir') or '.'}]$ {' '.join(argv)}")
    say("Summary - installed python packages:\npip:")
    say("\n".join(f"- {line}" for line in environment.frozen) or "- none")
    say("Environment setup completed successfully")
    say("Starting Task Execution:")
    calls = [*write_back(script, code, environment), *(contained.write_back if contained is not None else ())]
    return Prepared(launch, environment, calls, stages)


async def code_and_environment(
    task: Mapping[str, Any],
    script: Mapping[str, Any],
    *,
    folder: Path,
    config: AgentConfig,
    api: Api,
    say: Say,
    contained: Contained | None = None,
) -> tuple[Checkout, Environment]:
    """The task's code and its packages, in `folder`; side by side where the packages do not need the code.

    What was begun for the recorded packages is dropped when the code turns out to bring a lock file.
    """
    requirements = script.get("requirements") or {}
    settings = PackageSettings.from_config(config.config.get, config.environ)
    settings = settings.on_image(image_of(task, config)) if contained is None else contained.packages(settings)
    lines = recorded_lines(requirements, original=settings.force_original)
    conda = recorded_lines({"pip": requirements.get("conda")} if isinstance(requirements, Mapping) else {})
    forces_init = read_flag("AGENT_FORCE_TASK_INIT", False, config.environ)
    if forces_init and not any(requirement_name(line) in SDK_NAMES for line in lines):
        lines = ["clearml", *lines] if lines else lines
    custom = config.environ.get("CLEARML_AGENT_CUSTOM_BUILD_SCRIPT") or config.config.get("agent.custom_build_script")
    if custom and contained is not None:
        say("WARNING: agent.custom_build_script is not run in containers: build an image with it instead")
        custom = None
    place = folder / "env"
    git = GitSettings.from_config(config.config.get, config.environ)

    async def get_code() -> Checkout:
        return await checkout(
            script,
            folder / "code",
            cache=config.repositories,
            settings=git,
            environ=config.environ,
            log=say,
        )

    async def get_environment(code: Checkout | None, mode: modes.Mode, lines: Sequence[str]) -> Environment:
        wheel = None
        if wants_our_sdk(requirements, str(config.config.get("agent.sdk", "") or "")):
            wheel = await find_wheel(api)
            if wheel is None:
                say(f"{api.settings.api_server} hands out no SDK: the official package is installed in its place")
        request = EnvironmentRequest(
            requirements=lines,
            conda=conda,
            mode=mode,
            python_wish=python_wish(str(script.get("binary") or ""), chosen=settings.python_binary),
            root=code.root if code else None,
            folder=folder_of(code) if code else None,
            sdk_wheel_url=wheel,
            settings=settings,
            repositories=Repositories(
                git, config.repositories, config.environ, log=say, is_contained=contained is not None
            ),
        )
        if contained is None or mode.kind == "conda":  # conda's Python needs nothing of the image but its C library
            if contained is not None:
                refuse_folder(settings)
            return await build(request, place, cache=config.environments, log=say, environ=config.environ)
        with contained.helpers():
            wish = version_in(str(script.get("binary") or ""))
            interpreter, present = await contained.python(wish, settings, say)
            request = msgspec.structs.replace(request, interpreter=interpreter, present=present)
            return await build(request, place, cache=config.environments, log=say, environ=config.environ)

    async def early_environment() -> Environment | EnvironmentFailed:
        try:
            return await get_environment(None, modes.PIP, lines)
        except EnvironmentFailed as failed:
            return failed  # counts only if the code does not decide otherwise

    async def decided(code: Checkout) -> modes.Mode:
        return await asyncio.to_thread(
            modes.choose, settings, code.root, code.working_dir, recorded=bool(lines), recorded_conda=bool(conda)
        )

    is_notebook = ".ipynb" in str(script.get("entry_point") or "")
    if custom or is_notebook or needs_code(lines) or settings.force_repository_file or settings.manager != "pip":
        code = await get_code()
        if custom and (built := await run_custom(str(custom), task, script, code, place, config, say)):
            return built
        code, more = adapted(code, forces_init=forces_init, say=say)
        return code, await get_environment(code, await decided(code), [*lines, *more])
    async with asyncio.TaskGroup() as group:
        early = group.create_task(early_environment(), name="environment")
        code = await get_code()
        mode = await decided(code)
        if mode.kind != "pip":
            early.cancel()
    code, _ = adapted(code, forces_init=forces_init, say=say)
    if mode.kind != "pip":
        return code, await get_environment(code, mode, lines)
    environment = early.result()
    if isinstance(environment, EnvironmentFailed):
        raise environment
    return code, environment


async def run_custom(
    command: str,
    task: Mapping[str, Any],
    script: Mapping[str, Any],
    code: Checkout,
    place: Path,
    config: AgentConfig,
    say: Say,
) -> tuple[Checkout, Environment] | None:
    """The code and the interpreter that a custom build script names; None when it leaves the rest to the agent."""
    built = await custom_build.run(
        command,
        task,
        root=code.root,
        entry_point=str(script.get("entry_point") or ""),
        working_dir=str(script.get("working_dir") or "."),
        directory=place,
        environ=config.environ,
        log=say,
    )
    if built is None:
        return None
    argv = [str(built.entry_point), *code.entry_point_argv[1:]]
    code = msgspec.structs.replace(code, working_dir=built.working_dir, entry_point_argv=argv, shell=None)
    path = os.pathsep.join([str(built.binary.parent), config.environ.get("PATH", os.defpath)])
    variables_of_it = {"PATH": path}
    environment = Environment(
        python=built.binary, variables=variables_of_it, reused=False, frozen=[], key="", stages={}
    )
    return code, environment


def refuse_folder(settings: PackageSettings) -> None:
    """Raises EnvironmentFailed for a conda environment that containers do not have."""
    base = settings.conda.base
    if base and Path(os.path.expandvars(base)).expanduser().is_dir():
        raise EnvironmentFailed(
            f"the conda environment {base} is a folder of the agent's machine, which its containers do not have: name "
            "an archive of it (made with conda-pack), or give the task to an agent without --docker"
        )


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
        worker=directory.record.shown_worker,
        token=directory.record.token,
        api_server=settings.api_server,
        web_server=settings.web_server,
        files_server=settings.files_server,
        config_file=str(directory.path / "clearml.conf"),
        journal=str(directory.path / "journal"),
        log_level=config.log_level,
        tags=config.tags,
        gpus=None if visible.in_kubernetes(config.environ) else config.gpus,
        allocation=directory.record.gpus,
        python_path=list(dict.fromkeys(path)),
        task_environment=variables.task_environment(task.get("hyperparams") or {}) if allowed else {},
    )


def folder_of(code: Checkout) -> Path:
    """The folder of the script, which Python itself would put on its path; for `-m module` the working directory."""
    first = code.entry_point_argv[0] if code.entry_point_argv else "-"
    return code.working_dir if first.startswith("-") else (code.working_dir / first).parent


def python_wish(binary: str, *, chosen: str = "") -> str:
    """`3.11` of a recorded binary `python3.11`; the path itself where it is one of an interpreter on this machine.

    chosen: `agent.python_binary`; where it is set, a recorded path counts by its version alone.
    """
    if binary.startswith("/") and not chosen and os.access(binary, os.X_OK):
        return binary
    return version_in(binary)


def host_property(task: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any] | None:
    """The task's runtime properties with this machine's name and `more`, for `tasks.edit`; None when they have it.

    The call replaces the whole section: it must be over before the task's own SDK begins to write there.
    """
    known = task.get("runtime") or {}
    wanted = {**known, "_exec_agent_hostname": socket.gethostname(), **more}
    return None if wanted == known else wanted


def write_back(script: Mapping[str, Any], code: Checkout, environment: Environment) -> list[tuple[str, dict[str, Any]]]:
    """The calls that record the commit and the packages that the task really has."""
    calls: list[tuple[str, dict[str, Any]]] = []
    recorded = dict(script.get("requirements") or {})
    for name, installed in (("pip", environment.frozen), ("conda", environment.frozen_conda)):
        if not (installed and environment.is_recorded):
            continue
        if original := next((recorded[key] for key in (f"org_{name}", f"orig_{name}", name) if recorded.get(key)), ""):
            text = original if isinstance(original, str) else "\n".join(map(str, original))
            for key in (f"org_{name}", f"orig_{name}"):  # agents write the one name, SDKs read the other
                recorded.setdefault(key, text)
        recorded[name] = list(installed)
    if environment.is_recorded and (environment.frozen or environment.frozen_conda):
        calls.append(("tasks.set_requirements", {"requirements": recorded}))
    if code.commit and not script.get("version_num"):
        calls.append(("tasks.edit", {"force": True, "script": {"version_num": code.commit}}))
    return calls


def image_of(task: Mapping[str, Any], config: AgentConfig) -> str:
    """The image that the task asks for, without arguments, or else the agent's default."""
    wanted = (task.get("container") or {}).get("image") or config.config.get("agent.default_docker.image", "")
    return str(wanted or "").partition(" ")[0]


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
