"""Everything that one run's container is made of, brought together from the task, the configuration and the machine."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from clearml_agent.api import Api
from clearml_agent.config import AgentConfig
from clearml_agent.docker import choosing, creation, loopback, merging, mounts, naming, script, shown
from clearml_agent.docker.engine import Engine, Image
from clearml_agent.docker.options import Option
from clearml_agent.docker.ports import host_address, mapping, with_free_ports
from clearml_agent.docker.settings import DockerSettings
from clearml_agent.docker.templates import Templates
from clearml_agent.environments.interpreters import uv_program
from clearml_agent.environments.settings import PackageSettings
from clearml_agent.errors import RunFailed, UsageError
from clearml_agent.gpus import visible
from clearml_agent.gpus.devices import Reader
from clearml_agent.process import Log
from clearml_agent.runs import Record, RunDirectory
from clearml_sdk._version import __version__
from clearml_sdk.config.environment import read
from clearml_sdk.errors import ApiError, BadAnswer

SHOWN_VARIABLES = ("NVIDIA_", "CUDA_")
"""Variables that the engine itself reads; all others are kept out of `docker inspect`."""
ROOT = ("0", "root")
HOST_IP, PORTS = "CLEARML_AGENT_HOST_IP", "_external_host_tcp_port_mapping"
AGENTS = "agent"
"""The role of credentials that may do no more than run tasks: where there are such, people have roles."""


class Design(msgspec.Struct, frozen=True):
    """name: of the container. body: what the engine's API is asked for. script: what it starts with.

    content: names all that decides which packages it has before the task: image and setup.
    is_shared: another user than the agent's writes into the run's directory.
    properties: for the task's runtime properties.
    loopback: what it reaches on this machine's, which is not its own.
    """

    name: str
    image: Image
    body: dict[str, Any]
    script: str
    content: str
    is_shared: bool
    write_back: list[tuple[str, dict[str, Any]]]
    variables: dict[str, str]
    system_site_packages: bool
    properties: dict[str, Any] = {}
    loopback: loopback.Targets = loopback.Targets()

    def packages(self, settings: PackageSettings) -> PackageSettings:
        """What the image has counts, and no interpreter of this machine does."""
        return msgspec.structs.replace(
            settings, system_site_packages=settings.system_site_packages or self.system_site_packages
        )


class Designer:
    """Designs the containers of one agent.

    Args:
        api: the agent's own identity, to ask for projects and for its role.
    """

    def __init__(self, config: AgentConfig, api: Api) -> None:
        self.config, self._api = config, api
        self.docker = DockerSettings.from_config(config.config, tuple(config.docker or ()), config.environ)
        self._is_restricted: bool | None = None

    async def design(self, task: Mapping[str, Any], engine: Engine, directory: RunDirectory, say: Log) -> Design:
        """Decide everything, and have the image there. Raises RunFailed."""
        docker = self.docker
        try:
            choice = choosing.choose(task, await self._project(task), docker.defaults)
            templates = self._templates(task, directory.record)
            merged = merging.merge(docker.extra, choice.arguments, await self._rules(), self.config.environ, templates)
            name = naming.container_name(directory.record, docker.name_format, docker.name_fields)
            options = with_free_ports(merged.options, docker.ports)
            for line in merged.said:
                say(f"WARNING: container argument {line}")
            image = await engine.image(choice.image, force_pull=docker.force_pull, say=say)
            options = [*await self._address(options), *options]
            inner = await self._loopback(options, engine)
            return self._body(task, choice, options, image, name, engine, directory, inner, say)
        except UsageError as error:
            raise RunFailed(f"{error}. Correct the arguments of the task's container, or the agent's own") from None

    def _templates(self, task: Mapping[str, Any], record: Record) -> Templates:
        facts = {"TASK_ID": record.task, "WORKER_ID": record.shown_worker, "QUEUE_ID": record.queue}
        return Templates(facts, task, self.config.config.tree)

    async def _address(self, options: Sequence[Option]) -> list[Option]:
        """The variable that tells a task whose ports are published where others reach it."""
        if not any(option.name.startswith("publish") for option in options):
            return []
        own = read("AGENT_FORCE_HOST_MACHINE_IP", self.config.environ)
        own = own or await asyncio.to_thread(host_address, self._api.settings.api_server)
        return [Option("env", f"{HOST_IP}={own}", "-e")] if own else []

    def _body(
        self,
        task: Mapping[str, Any],
        choice: choosing.Choice,
        options: Sequence[Option],
        image: Image,
        name: str,
        engine: Engine,
        directory: RunDirectory,
        inner: loopback.Targets,
        say: Log,
    ) -> Design:
        docker, record, run = self.docker, directory.record, directory.path
        user = next((option.value for option in options if option.name == "user"), image.user)
        options, becomes = self._users(options, engine)
        options = [*options, *(Option("add-host", f"{host}:{address}") for host, address in inner.hosts.items())]
        lines = script.setup(docker.scripts, choice.setup, _requirements_text(task))
        gpus, gpu_variables = self._gpus(record.gpus)
        body = creation.creation(
            image.digest,
            [option for option in options if option.name != "env" or option.value.startswith(SHOWN_VARIABLES)],
            command=[*script.COMMAND, f"{run}/start.sh"],
            mounts=self._mounts(run, options, has_setup=bool(lines), say=say),
            labels=naming.labels(record, str(self.config.home), docker.labels),
            gpus=gpus,
            environ=gpu_variables,
        )
        asked = [Option("gpus", _shown_request(gpus))] if gpus else []
        say(f"Container {name} of image {choice.image} ({image.digest}), chosen by {choice.reason}, on {engine.name}")
        say("$ " + shown.command(choice.image, [*asked, *options], hides=docker.hides, hidden=docker.hidden))
        say(f"The runner of clearml-agent {__version__} watches over it; nothing of the agent is installed in it")
        write_back: list[tuple[str, dict[str, Any]]] = []
        if choice.update_back and not docker.defaults.ignores_task:
            write_back = [("tasks.edit", {"force": True, "container": _recorded(task, choice)})]
        own = {"WORKER_ID": record.shown_worker, "TASK_ID": record.task, "DOCKER_IMAGE": choice.image}
        private = {**_private(options), **{f"CLEARML_{key}": text for key, text in own.items()}}
        return Design(
            name=name,
            image=image,
            body=body,
            script=script.start_script(str(run), lines, environ=private, user=becomes, home=str(run / "home")),
            content=content(image.digest, lines, [option for option in options if option.name == "volume"]),
            is_shared=os.geteuid() == 0 and user.partition(":")[0] not in ("", *ROOT),
            write_back=write_back,
            variables={**unexportable(private), **(visible.budget(record.gpus) if record.gpus is not None else {})},
            system_site_packages=docker.system_site_packages,
            properties={PORTS: published} if (published := mapping(options)) else {},
            loopback=inner,
        )

    def _users(self, options: Sequence[Option], engine: Engine) -> tuple[list[Option], str]:
        """The options with the user that the container starts as, and whom it becomes before the task.

        An agent that is not root gets files that are its own: the container begins as root, for its setup script, and
        goes on as the agent's user. In a rootless engine the container's root is that user.
        """
        refuse_mapped(options, engine)
        me = os.geteuid()
        if me == 0 and not engine.is_rootless:
            return list(options), ""
        own = ROOT if engine.is_rootless else (str(me),)
        asked = next((option.value for option in options if option.name == "user"), "")
        if asked and asked.partition(":")[0] not in own:
            raise RunFailed(
                f"the container is to run as user {asked}, and the agent, which is user {me}, could not read what it "
                f"writes: leave --user out (the task's files then belong to {me}), or start the agent as root, with an "
                "engine of root"
            )
        others = [option for option in options if option.name != "user"]
        return [*others, Option("user", "0:0")], "" if engine.is_rootless else f"{me}:{os.getegid()}"

    async def _loopback(self, options: Sequence[Option], engine: Engine) -> loopback.Targets:
        """What the container, in a network of its own, has to be brought to: the server, package indexes, proxies."""
        network = next((option.value for option in options if option.name == "network"), "")
        if network == "host" and engine.has_hosts_network:
            return loopback.Targets()
        api, config = self._api.settings, self.config
        servers = [api.api_server, api.web_server, api.files_server]
        servers.append(str(config.config.get("sdk.development.default_output_uri", None) or ""))
        indexes = PackageSettings.from_config(config.config.get, config.environ).indexes
        found = await loopback.targets(loopback.addresses_of(servers, indexes, config.environ))
        is_anothers = network == "host" or network.startswith("container:")  # such have their own names of hosts
        return msgspec.structs.replace(found, hosts={}) if is_anothers else found

    def _mounts(self, run: Path, options: Sequence[Option], *, has_setup: bool, say: Log) -> list[creation.Mount]:
        found, lost = mounts.of_host(self._own_mounts(run, has_setup=has_setup), self.docker.host_mount)
        mounts.check_run(found, run, self.docker.host_mount)
        for source in lost:
            say(f"WARNING: {source} is not under the folder of CLEARML_AGENT_K8S_HOST_MOUNT: the container lacks it")
        taken = creation.targets(options)
        return [mount for mount in found if mount.target not in taken]  # what somebody asks for counts

    def _own_mounts(self, run: Path, *, has_setup: bool) -> list[creation.Mount]:
        config, docker = self.config, self.docker
        packages = PackageSettings.from_config(config.config.get, config.environ)
        needed = [config.environments, config.repositories, self.uv_cache, Path(docker.sdk_cache)]
        needed += [run / loopback.FOLDER]
        needed += [Path(docker.pip_cache), *([Path(docker.apt_cache)] if has_setup else [])]
        needed += [Path(packages.download_cache).expanduser()] if packages.download_cache else []
        for folder in needed:
            folder.mkdir(parents=True, exist_ok=True)
        return mounts.mounts(
            run=run,
            environments=config.environments,
            repositories=config.repositories,
            uv=self.uv(),
            uv_cache=self.uv_cache,
            docker=docker,
            packages=packages,
            environ=config.environ,
            has_setup=has_setup,
        )

    def uv(self) -> Path:
        """uv's program; a copy among what the host can mount, when the agent itself is in a container."""
        program = Path(uv_program())
        if not self._is_out_of_reach(program):
            return program
        copied = self.config.home / "uv"
        if not copied.exists() or copied.stat().st_size != program.stat().st_size:
            new = copied.with_name(f".uv.{os.getpid()}")
            shutil.copy(program, new)
            new.rename(copied)
        return copied

    def _is_out_of_reach(self, path: Path) -> bool:
        inner = self.docker.host_mount[1]
        return bool(inner) and not path.is_relative_to(inner)

    @property
    def uv_cache(self) -> Path:
        """Where uv keeps what it downloaded, for this machine and for containers."""
        found = self._usual_uv_cache
        return self.config.home / "uv-cache" if self._is_out_of_reach(found) else found

    @property
    def _usual_uv_cache(self) -> Path:
        environ = self.config.environ
        if chosen := environ.get("UV_CACHE_DIR"):
            return Path(chosen).expanduser().absolute()
        caches = environ.get("XDG_CACHE_HOME") or f"{environ.get('HOME') or Path.home()}/.cache"
        return Path(caches) / "uv"

    def helpers_user(self, engine: Engine) -> str:
        """As whom packages are installed: what they leave in the caches is the agent's."""
        return "0:0" if engine.is_rootless else f"{os.geteuid()}:{os.getegid()}"

    def helpers_environ(self, run: Path) -> dict[str, str]:
        """For uv in a container; its cache is another mount than the environments, so that nothing can be linked."""
        return {"UV_CACHE_DIR": str(self.uv_cache), "UV_LINK_MODE": "copy", "HOME": str(run / "home")}

    def configuration(self, tree: Mapping[str, Any]) -> Mapping[str, Any]:
        """The configuration with the SDK's cache where the container has it."""
        found = copy.deepcopy(dict(tree))
        storage = found.setdefault("sdk", {}).setdefault("storage", {}).setdefault("cache", {})
        storage["default_base_dir"] = self.docker.inner["sdk_cache"]
        return found

    def _gpus(self, allocation: Any) -> tuple[dict[str, Any] | None, dict[str, str]]:
        """The device request, and the variables that tell the engine the same."""
        gpus = self.config.gpus
        if allocation is not None:
            ids = list(allocation.uuids)
        elif gpus == "none":
            return None, {"NVIDIA_VISIBLE_DEVICES": "none"}
        elif (named := visible.names(gpus)) is not None:
            ids = uuids(named)
        elif gpus == "all" or has_gpus():
            ids = []
        else:
            return None, {}
        if self.docker.skip_gpus_flag:
            return None, {"NVIDIA_VISIBLE_DEVICES": ",".join(ids) or "all"}
        request = {"Driver": "", "Capabilities": [["gpu"]]}
        return {**request, **({"DeviceIDs": ids} if ids else {"Count": -1})}, {}

    async def _project(self, task: Mapping[str, Any]) -> str:
        """The name of the task's project, where a rule may ask for it."""
        project = str(task.get("project") or "")
        if not project or not any((rule.get("match") or {}).get("project") for rule in self.docker.defaults.rules):
            return ""
        try:
            return str((await self._api.call("projects.get_by_id", {"project": project}))["project"]["name"])
        except (ApiError, BadAnswer, KeyError) as error:
            raise RunFailed(f"agent.default_docker.match_rules ask for the task's project: {error}") from None

    async def _rules(self) -> merging.Rules:
        """What a task may ask for: everything, unless the configuration or the agent's role says otherwise."""
        allowed = self.docker.host_access
        if allowed is None:
            if self._is_restricted is None:
                try:
                    user = (await self._api.call("users.get_current_user", {})).get("user") or {}
                    self._is_restricted = user.get("role") == AGENTS
                except (ApiError, BadAnswer) as error:
                    raise RunFailed(
                        f"{merging.ALLOWED_KEY} is not set, and the server does not say what this agent's role is: "
                        f"{error}"
                    ) from None
            allowed = not self._is_restricted
        return msgspec.structs.replace(self.docker.rules, host_access=allowed)


def content(digest: str, lines: Sequence[str], volumes: Sequence[Option]) -> str:
    """Names what a container has before its task. Pure."""
    if not lines and not volumes:
        return digest
    text = "\0".join([*lines, *(option.value for option in volumes)])
    return f"{digest}+{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def uuids(named: Sequence[str]) -> list[str]:
    """The UUIDs of GPUs named by index, as far as the driver tells: indexes may mean others to the engine."""
    reader = Reader(None)
    if not reader.open():
        return list(named)
    try:
        known = {gpu.name: gpu.uuid for gpu in reader.read()}
    finally:
        reader.close()
    return [known.get(name, name) for name in named]


def has_gpus() -> bool:
    """Whether this machine has GPUs of NVIDIA."""
    reader = Reader(None)
    try:
        return reader.open() and bool(reader.read())
    finally:
        reader.close()


def _private(options: Sequence[Option]) -> dict[str, str]:
    """The variables among the options that `docker inspect` is not to show."""
    pairs = (option.value.partition("=") for option in options if option.name == "env" and "=" in option.value)
    return {name: text for name, _, text in pairs if not name.startswith(SHOWN_VARIABLES)}


def refuse_mapped(options: Sequence[Option], engine: Engine) -> None:
    """Raises RunFailed where a container's root is a user who may not read the run's directory. Pure."""
    if engine.maps_users and all(option.name != "userns" for option in options):
        raise RunFailed(
            "the engine gives containers other users than this machine's (userns-remap), who read neither the run's "
            "folder nor the caches: add --userns=host to agent.extra_docker_arguments, or use a rootless engine"
        )


def unexportable(variables: Mapping[str, str]) -> dict[str, str]:
    """Those whose names no shell can set (`my.name`): the task gets them from its runner. Pure."""
    return {name: text for name, text in variables.items() if not script.EXPORTABLE.fullmatch(name)}


def _requirements_text(task: Mapping[str, Any]) -> str:
    pip = ((task.get("script") or {}).get("requirements") or {}).get("pip") or ""
    return pip if isinstance(pip, str) else "\n".join(map(str, pip))


def _recorded(task: Mapping[str, Any], choice: choosing.Choice) -> dict[str, Any]:
    """The task's container with what was chosen for it."""
    known = dict(task.get("container") or {})
    return {**known, "image": choice.image, "arguments": known.get("arguments") or " ".join(choice.arguments)}


def _shown_request(request: Mapping[str, Any]) -> str:
    return f"device={','.join(request['DeviceIDs'])}" if request.get("DeviceIDs") else "all"
