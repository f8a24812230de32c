"""How a cached environment is filled, and everything that its content depends on."""

from __future__ import annotations

import contextlib
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from clearml_agent.environments import downloads, order, pip_engine
from clearml_agent.environments.installer import Installer, Place
from clearml_agent.environments.interpreters import IDENTITY, Interpreter
from clearml_agent.environments.present import Present
from clearml_agent.environments.requirements import Plan
from clearml_agent.environments.settings import PackageSettings
from clearml_agent.packages import freeze
from clearml_agent.vcs.addresses import without_secrets

ENVIRONMENT, SEEDS, TOOL = "env", "seeds", "tool"
"""Kinds of entries: a task's packages; pip and its like, which every environment of an interpreter shares; programs
of the agent such as poetry."""

SITE, PREFIX = "site", "prefix"
"""What an entry holds: packages as `--target` leaves them; a whole conda environment."""


class Recipe(ABC):
    """Fills one entry of the cache.

    tree: the sub-directory that it fills. is_pinned: whether doing it again would give the same.
    """

    tree = SITE
    is_pinned = True

    @property
    @abstractmethod
    def facts(self) -> Mapping[str, Any]:
        """What the content depends on, by names that a person understands; no secrets."""

    @abstractmethod
    async def fill(self, entry: Path) -> None:
        """Put the packages at `entry/tree`; raises EnvironmentFailed."""

    @property
    def requirements(self) -> list[str]:
        """What was asked for, for lists of the cache."""
        return []

    def frozen(self, entry: Path) -> list[str]:
        """The installed packages as requirement lines."""
        return freeze([entry / SITE])


class Want(msgspec.Struct, frozen=True):
    """A cached environment that somebody wants. Two wants with one key are satisfied by one entry."""

    kind: str
    recipe: Recipe

    @property
    def facts(self) -> dict[str, Any]:
        """Everything the key is made of."""
        return dict(self.recipe.facts)

    @property
    def key(self) -> str:
        """The facts as a name."""
        digest = hashlib.sha256(msgspec.json.encode(self.facts, order="sorted")).hexdigest()[:24]
        return f"{self.kind}-{digest}"

    @property
    def is_pinned(self) -> bool:
        return self.kind != ENVIRONMENT or self.recipe.is_pinned


class Packages(Recipe):
    """Requirement lines, installed by uv, or by pip where uv cannot.

    any_version: whatever the installer's own cache holds will do (of pip, say); it is tried without a network first.
    seeds: pip and its like, for the installations that need them. cuda: the number that PyTorch was chosen for.
    present: what the image has already, which is not installed again.
    """

    def __init__(
        self,
        plan: Plan,
        interpreter: Interpreter,
        installer: Installer,
        *,
        any_version: bool = False,
        seeds: Callable[[], Awaitable[Path | None]] | None = None,
        cuda: str = "",
        present: Present | None = None,
    ) -> None:
        self.plan, self.interpreter, self.installer = plan, interpreter, installer
        self.settings, self.any_version, self.seeds = installer.settings, any_version, seeds
        self.is_pinned = plan.is_pinned
        self.cuda, self.present = cuda, present
        self.links: dict[str, str] = {}

    @property
    def requirements(self) -> list[str]:
        return [without_secrets(line) for line in self.plan.shared]

    @property
    def facts(self) -> dict[str, Any]:
        plan, settings = self.plan, self.settings
        found: dict[str, Any] = {
            "interpreter": interpreter_facts(self.interpreter),
            "packages": sorted(content_of(line) for line in plan.shared),
            "options": [without_secrets(line) for line in plan.options] + list(plan.arguments),
            "constraints": sorted(plan.constraints),
            "indexes": index_facts(settings),
            "flags": list(settings.flags),
            "installer": Installer.identity(),
        }
        if plan.folders:
            found["folders"] = sorted(plan.folders.values())
        if ordered := order.facts(plan.shared, settings):
            found["order"] = ordered
        if self.present is not None:
            found["image"] = self.present.image
        if settings.pip_version and not self.any_version:
            found["pip version"] = list(settings.pip_version)
        return found

    async def fill(self, entry: Path) -> None:
        site = entry / SITE
        site.mkdir(exist_ok=True)
        if not self.plan.shared:
            return
        plan = self.plan
        if self.settings.download_cache and not self.any_version:
            folder = Path(self.settings.download_cache).expanduser() / (f"cu{self.cuda}" if self.cuda else "cpu")
            shared, self.links = await downloads.local_copies(
                plan.shared, folder, self.installer.log, is_offline=self.settings.is_offline
            )
            plan = msgspec.structs.replace(plan, shared=tuple(shared))
        with self.present.shown(site) if self.present is not None else contextlib.nullcontext():
            await self._install(plan, entry, site)

    def frozen(self, entry: Path) -> list[str]:
        found = super().frozen(entry)
        for file, link in self.links.items():
            found = [line.replace(file, link) for line in found]
        return found

    async def _install(self, plan: Plan, entry: Path, site: Path) -> None:
        if not self.any_version and (reason := pip_engine.why_not_uv(plan, self.settings)):
            self.installer.log(f"pip installs the packages: {reason}")
            await pip_engine.install(self.installer, plan, self.interpreter, entry, site, await self._seeds())
            return
        place = Place(Path(self.interpreter.executable), site)
        offline_first = self.any_version or (plan.is_pinned and not self.settings.force_upgrade)
        steps = order.Steps(self.installer, plan, place, entry, offline_first=offline_first)
        try:
            await steps.run()
        except order.NeedsOrder as failure:
            await steps.build_beside(failure.names, self.interpreter, await self._seeds())
        except order.NoSolution as failure:
            if not self.settings.pip_version:
                raise
            self.installer.log(
                f"uv finds no solution; pip {', '.join(self.settings.pip_version)} (agent.package_manager.pip_version)"
                f" is asked instead.\n{failure.message}"
            )
            await pip_engine.install(self.installer, plan, self.interpreter, entry, site, await self._seeds())

    async def _seeds(self) -> Path | None:
        return await self.seeds() if self.seeds is not None else None


def interpreter_facts(interpreter: Interpreter) -> dict[str, str]:
    """What an environment built for it depends on."""
    return {name: str(getattr(interpreter, name)) for name in IDENTITY}


def index_facts(settings: PackageSettings) -> dict[str, Any]:
    """Where packages come from, without passwords: new ones do not make another environment."""
    indexes = settings.indexes
    return {
        "default": without_secrets(indexes.default),
        "extra": [without_secrets(url) for url in indexes.extra],
        "links": [without_secrets(url) for url in indexes.find_links],
        "none": indexes.no_index,
    }


def content_of(line: str) -> str:
    """A requirement as what it installs: of an address with a hash the hash counts, not the server's port of today."""
    name, at, url = line.partition(" @ ")
    _, _, digest = url.partition("#sha256=")
    return f"{name} @ sha256={digest}" if at and digest else without_secrets(line)


def file_digest(path: Path) -> str:
    """Of a file that an environment depends on."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:24]
