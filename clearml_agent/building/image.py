"""A task as a container image, layer by layer; what an earlier build made of the same things is used again.

    base image
      + the task's setup script                            where it has one
      + the agent, in an environment of its own            for an image that runs the task
      + the packages, in the interpreter of the image
      + the code, and packages that are installed from it  for an image that runs the task
      + what is started

No credentials get in: git is used on this machine, package indexes are named in files that are mounted, and the image
finds its server by the variables or the clearml.conf that it is started with.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from clearml_agent.api import Api
from clearml_agent.building import installing
from clearml_agent.building.layers import Layers
from clearml_agent.building.prebuilt import FILE, VARIABLE, Built
from clearml_agent.building.progress import Progress
from clearml_agent.config import AgentConfig
from clearml_agent.environments import PackageSettings, modes, recorded_lines
from clearml_agent.environments.build import OLDEST_FOR_SDK
from clearml_agent.environments.installer import Installer
from clearml_agent.environments.interpreters import QUESTION, uv_program, version_in
from clearml_agent.environments.recipes import content_of, index_facts
from clearml_agent.environments.requirements import SDK_NAMES, Plan, read_plan, requirement_name
from clearml_agent.environments.sources import chosen_lines
from clearml_agent.errors import EnvironmentFailed
from clearml_agent.execution.entry_points import adapted
from clearml_agent.execution.preparation import folder_of
from clearml_agent.execution.sdk_wheel import PACKAGE, find_wheel, wants_our_sdk
from clearml_agent.files import remove_tree
from clearml_agent.vcs import Checkout, GitSettings, checkout
from clearml_agent.vcs.addresses import without_secrets
from clearml_agent.vcs.packages import Repositories, configuration, is_fixed
from clearml_sdk._version import __version__
from clearml_sdk.config.environment import read_flag
from clearml_sdk.session import HttpRequest

PLACE = "/clearml"
AGENT = f"{PLACE}/agent"
NOT_NEEDED = frozenset({"uv", "aiodocker"})
"""Of what the agent needs, what it does without where everything is built."""
STOP_GRACE_S = 6
"""Less than the 10 s that `docker stop` gives a container."""
DOWNLOAD_S = 120.0
LIST = """
import importlib.metadata as m
print("\\n".join(sorted({"%s==%s" % (d.metadata["Name"], d.version) for d in m.distributions() if d.metadata["Name"]})))
"""


@dataclass(frozen=True)
class Wanted:
    """What is to be made. name: of the image. base: the image to begin with; setup: shell lines that are run in it.

    entry_point: "reuse_task", "clone_task", or None for the environment alone. python: its version, "" for any.
    """

    name: str
    base: str
    setup: str = ""
    entry_point: str | None = None
    python: str = ""


@dataclass
class Build:
    """One build; `run` answers the id of the image."""

    task: Mapping[str, Any]
    wanted: Wanted
    config: AgentConfig
    api: Api
    layers: Layers
    progress: Progress
    folder: Path
    settings: PackageSettings = field(init=False)
    config_of_base: dict[str, Any] = field(init=False, default_factory=dict)
    more_mounts: list[Path] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.settings = PackageSettings.from_config(self.config.config.get, self.config.environ)

    async def run(self, image: str) -> str:
        """Build on the image of this id. Raises RunFailed with what the user can do about it."""
        step = self.progress.step
        wanted = self.wanted
        self.config_of_base = await self.layers.config(image)
        with step("code"):
            code, more = await self.code()
        if wanted.setup.strip():
            with step("setup script"):
                image = await self.set_up(image)
        with step("interpreter"):
            python = await self.interpreter(image)
            plan = await self.plan(code, more, python)
        if wanted.entry_point:
            with step("agent"):
                image = await self.agent(image, python)
        with step(f"packages ({len(plan.shared)})"):
            image = await self.packages(image, python["executable"], plan, plan.shared)
        if wanted.entry_point:
            with step("code into the image"):
                image = await self.layers.added(
                    f"FROM {image}\nCOPY code {PLACE}/code\n", {"code": self.folder / "code"}
                )
        own = [line for line in plan.own if wanted.entry_point or "://" in line]
        for line in set(plan.own) - set(own):
            self.progress.say(f"WARNING: {line} is part of the code, which an image without an entry point has not")
        if own:
            with step("packages of the code"):
                await self.repositories(own)
                at = self.inside(code, code.root) if wanted.entry_point else "/"
                image = await self.packages(image, python["executable"], plan, own, at=at)
        with step(wanted.name):
            return await self.finished(image, code, python["executable"])

    async def code(self) -> tuple[Checkout, list[str]]:
        """The code, on this machine, and what it needs besides; without it there is no telling what some tasks need."""
        code = await checkout(
            dict(self.task.get("script") or {}),
            self.folder / "code",
            cache=self.config.repositories,
            settings=GitSettings.from_config(self.config.config.get, self.config.environ),
            environ=self.config.environ,
            log=self.progress.say,
        )
        forces_init = read_flag("AGENT_FORCE_TASK_INIT", False, self.config.environ)
        return adapted(code, forces_init=forces_init, say=self.progress.say)

    async def plan(self, code: Checkout, more: Sequence[str], python: Mapping[str, Any]) -> Plan:
        """The packages, `more` among them, for this Python."""
        requirements = (self.task.get("script") or {}).get("requirements") or {}
        lines = recorded_lines(requirements, original=self.settings.force_original)
        conda = recorded_lines({"pip": requirements.get("conda")} if isinstance(requirements, Mapping) else {})
        mode = modes.choose(
            self.settings, code.root, code.working_dir, recorded=bool(lines), recorded_conda=bool(conda)
        )
        if mode.kind != "pip":
            if not lines:
                raise EnvironmentFailed(
                    f"the task names no packages and its code leaves them to {mode.kind}, whose environment is not the "
                    "image's own: run the task once, which records its packages, and build again"
                )
            self.progress.say(f"WARNING: {mode.kind} is not used in an image: it gets the recorded packages")
        folder = folder_of(code)
        force = self.settings.force_repository_file
        lines = chosen_lines(lines, code.root, folder, force_file=force, log=self.progress.say)
        lines = [*lines, *more]
        wheel = None
        if wants_our_sdk(requirements, str(self.config.config.get("agent.sdk", "") or "")):
            if version_of(python) >= OLDEST_FOR_SDK:
                wheel = await self.fetched_wheel()
            elif not any(requirement_name(line) in SDK_NAMES for line in lines):
                lines.append("clearml")  # the official package, which older Pythons can have
        return read_plan(lines, code.root, sdk_wheel_url=wheel, log=self.progress.say)

    async def fetched_wheel(self) -> str | None:
        """The server's wheel as a file that containers see, its hash in the fragment; None where it hands out none."""
        url = await find_wheel(self.api)
        if url is None:
            return None
        place, _, fragment = url.partition("#")
        name = place.rpartition("/")[2]
        status, _, body = await self.api.connection.send(HttpRequest("GET", place, {}, b""), DOWNLOAD_S)
        if status != 200:
            raise EnvironmentFailed(f"{place} cannot be downloaded: status {status}")
        (self.folder / name).write_bytes(body)
        return f"file://{installing.FILES}/{name}#{fragment or 'sha256=' + hashlib.sha256(body).hexdigest()}"

    async def set_up(self, image: str) -> str:
        """The image after the task's own shell lines; as in docker mode one that fails stops nothing."""
        (self.folder / "setup.sh").write_text(self.wanted.setup + "\n")
        script = (
            f'. {installing.FILES}/environment\n"$(command -v bash || echo sh)" {installing.FILES}/setup.sh\nexit 0\n'
        )
        return await self._installed(image, script, "", facts=[self.wanted.setup], what="setup script", is_pinned=False)

    async def interpreter(self, image: str) -> dict[str, Any]:
        """The facts about the Python of the image that the task asks for, else its newest one."""
        wish = self.wanted.python or version_in(str((self.task.get("script") or {}).get("binary") or ""))
        names = [*([f"python{wish}"] if wish else []), "python3", "python"]
        search = f"for name in {' '.join(names)}; do command -v $name && break; done"
        code, path = await self.layers.said(image, ["/bin/sh", "-c", search])
        if code or not path.strip():
            raise EnvironmentFailed(
                f"the image {self.wanted.base} has no Python ({', '.join(names)}): choose one that has, or install it "
                "in the setup script of the task's container"
            )
        path = path.strip().splitlines()[0]
        code, text = await self.layers.said(image, [path, "-c", QUESTION])
        if code:
            raise EnvironmentFailed(f"{path} of the image {self.wanted.base} cannot be run: {text[-500:]}")
        facts: dict[str, Any] = json.loads(text.splitlines()[-1])
        if wish and not str(facts["version"]).startswith(f"{wish}."):
            self.progress.say(f"WARNING: the image has no Python {wish}: {path} is {facts['version']}")
        facts["executable"] = path
        return facts

    async def agent(self, image: str, python: Mapping[str, Any]) -> str:
        """The image with an agent, which looks after the task when a container of it runs."""
        if version_of(python) < OLDEST_FOR_SDK:
            wanted = ".".join(map(str, OLDEST_FOR_SDK))
            raise EnvironmentFailed(
                f"an image that runs its task needs Python {wanted} or newer for the agent in it, and the Python of "
                f"{self.wanted.base} is {python['version']}: choose another base image, or leave --entry-point out and "
                "run the task in the image with `clearml-agent daemon --docker`"
            )
        wheel = await self.fetched_wheel()
        lines = [f"{PACKAGE} @ {wheel}" if wheel else f"{PACKAGE}=={__version__}", *agent_requirements()]
        plan = Plan(shared=tuple(lines))
        return await self.packages(image, str(python["executable"]), plan, lines, venv=AGENT)

    async def packages(
        self, image: str, python: str, plan: Plan, lines: Sequence[str], *, at: str = "/", venv: str = ""
    ) -> str:
        """The image with these lines installed in the folder `at`."""
        if not lines:
            return image
        installer = Installer(self.settings, self.config.environ, self.progress.say)
        arguments = [*installer.arguments(), *plan.arguments]
        if plan.constraints:
            (self.folder / "constraints.txt").write_text("\n".join(plan.constraints) + "\n")
            arguments += ["--constraints", f"{installing.FILES}/constraints.txt"]
        script = installing.install_script(python, arguments, folder=at, venv=venv)
        facts = [
            *sorted(content_of(line) for line in lines),
            *map(without_secrets, plan.options),
            *plan.constraints,
            index_facts(self.settings),
        ]
        is_pinned = Plan(shared=tuple(lines)).is_pinned and all(map(is_fixed, lines))
        what = f"{len(lines)} requirements" if not venv else "the agent"
        text = installing.requirements_file(plan, lines)
        return await self._installed(image, script, text, facts=facts, what=what, is_pinned=is_pinned)

    async def repositories(self, lines: Sequence[str]) -> None:
        """Have the agent's copies of the repositories there that only it can read."""
        config = self.config
        git = GitSettings.from_config(config.config.get, config.environ)
        source = Repositories(git, config.repositories, config.environ, self.progress.say, is_contained=True)
        if copies := await source.copies(lines):
            (self.folder / installing.GIT).write_text(configuration(copies))
            self.more_mounts = sorted(set(copies.values()))

    async def _installed(
        self, image: str, script: str, requirements: str, *, facts: Sequence[Any], what: str, is_pinned: bool
    ) -> str:
        key = hashlib.sha256(json.dumps([image, script, *facts], sort_keys=True).encode()).hexdigest()[:24]
        known = await self.layers.known(key, is_pinned=is_pinned)
        if known is not None:
            self.progress.say(f"{what}: as built before")
            return known
        environ = self.config.environ
        (self.folder / "install.sh").write_text(script)
        (self.folder / "requirements.txt").write_text(requirements)
        (self.folder / "environment").write_text(installing.environment_file(self.settings, environ))
        if trusted := installing.certificates(self.settings, environ):
            shutil.copyfile(trusted, self.folder / installing.CERTIFICATES)
        mounts = [*installing.local_places(self.settings), *self.more_mounts]
        uv = Path(uv_program())
        return await self.layers.installed(image, self.folder, uv, key=key, what=what, mounts=mounts)

    async def finished(self, image: str, code: Checkout, python: str) -> str:
        """The image under its name, with what it starts."""
        labels = {"clearml.task": str(self.task["id"]), "clearml.agent": __version__}
        lines = [f"FROM {image}", *(f"LABEL {name}={value}" for name, value in labels.items())]
        entry, command = self.config_of_base.get("Entrypoint") or [], self.config_of_base.get("Cmd") or []
        files: dict[str, Path | bytes] = {}
        if self.wanted.entry_point:
            _, text = await self.layers.said(image, [python, "-c", LIST])
            built = self.built(code, python, [line for line in text.splitlines() if "==" in line])
            files["built.json"] = msgspec.json.format(msgspec.json.encode(built))
            entry, command = [f"{AGENT}/bin/clearml-agent", "execute", "--id", built.task, "--standalone-mode"], []
            entry += ["--clone"] if self.wanted.entry_point == "clone_task" else []
            lines += [
                f"COPY built.json {PLACE}/{FILE}",
                f"ENV {VARIABLE}={PLACE}/{FILE} CLEARML_AGENT_HOME=/tmp/clearml-agent",
                f"ENV CLEARML__AGENT__STOP_GRACE_SEC={STOP_GRACE_S}",
            ]
        lines += [f"ENTRYPOINT {json.dumps(entry)}", f"CMD {json.dumps(command)}"]
        if user := self.config_of_base.get("User"):
            lines.append(f"USER {user}")
        return await self.layers.added("\n".join(lines) + "\n", files, tag=self.wanted.name)

    def inside(self, code: Checkout, path: Path) -> str:
        """Where a folder of the code is in the image."""
        return f"{PLACE}/code/{path.relative_to(self.folder / 'code')}" if path != self.folder / "code" else PLACE

    def built(self, code: Checkout, python: str, installed: list[str]) -> Built:
        """What an agent in the image finds there."""
        return Built(
            task=str(self.task["id"]),
            python=python,
            root=self.inside(code, code.root),
            working_dir=self.inside(code, code.working_dir),
            argv=list(code.entry_point_argv),
            shell=code.shell,
            repository=code.repository,
            commit=code.commit,
            branch=code.branch,
            installed=installed,
        )


def version_of(python: Mapping[str, Any]) -> tuple[int, ...]:
    """(3, 11) of the facts about an interpreter."""
    return tuple(int(part) for part in str(python["version"]).split(".")[:2])


def agent_requirements() -> list[str]:
    """What the agent needs besides its own package, where nothing is to be installed any more."""
    found = []
    for line in importlib.metadata.requires(PACKAGE) or ():
        requirement, _, marker = line.partition(";")
        name = re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0].lower()
        if re.search(r"""extra\s*==\s*['"]agent['"]""", marker) and name not in NOT_NEEDED:
            found.append(requirement.strip())
    return found


async def build_image(
    task: Mapping[str, Any],
    wanted: Wanted,
    *,
    config: AgentConfig,
    api: Api,
    layers: Layers,
    base: str,
    progress: Progress,
) -> str:
    """Build on the image `base` and answer the id of the new one."""
    place = config.home / "builds"
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = Path(tempfile.mkdtemp(prefix=".image-", dir=place))
    try:
        await layers.sweep()
        return await Build(task, wanted, config, api, layers, progress, folder).run(base)
    finally:
        remove_tree(folder)
