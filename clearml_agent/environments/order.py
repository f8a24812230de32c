"""Packages that are installed before the others, or after them, and those whose failure does not count.

The order matters to packages that are built from source beside what is installed already. All others are resolved
together, which is quicker and finds versions that fit each other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from clearml_agent.environments import thin
from clearml_agent.environments.installer import Failed, Installer, Place
from clearml_agent.environments.interpreters import Interpreter
from clearml_agent.environments.requirements import Plan, requirement_name
from clearml_agent.environments.settings import PackageSettings
from clearml_agent.errors import EnvironmentFailed

FIRST = ("cython", "numpy", "setuptools", "pip", "uv")
"""Installed first by default, which shows only where something is built."""

LAST = ("horovod",)
FAILED_BUILDS = re.compile(r"Failed to build `([A-Za-z0-9][\w.-]*?)(?: @|==|`)")


class NeedsOrder(EnvironmentFailed):
    """Packages could not be built in isolation; they may be, beside the others."""

    names: tuple[str, ...] = ()


class NoSolution(EnvironmentFailed):
    """The requirements contradict each other for a strict resolver."""


class Groups(NamedTuple):
    """Requirement lines by the time of their installation."""

    optional_first: list[str]
    first: list[str]
    main: list[str]
    last: list[str]
    optional_last: list[str]


def groups(lines: Sequence[str], settings: PackageSettings) -> Groups:
    """Sort lines by the names in the configuration. Pure."""
    found = Groups([], [], [], [], [])
    first = settings.priority or ()
    last = LAST if settings.post is None else settings.post
    for line in lines:
        name = requirement_name(line)
        if name in settings.priority_optional:
            found.optional_first.append(line)
        elif name in settings.post_optional:
            found.optional_last.append(line)
        elif name in last:
            found.last.append(line)
        elif name in first:
            found.first.append(line)
        else:
            found.main.append(line)
    return found


def facts(lines: Sequence[str], settings: PackageSettings) -> dict[str, list[str]]:
    """The order as far as it differs from all at once. Pure."""
    found = groups(lines, settings)._asdict()
    return {name.replace("_", " "): sorted(value) for name, value in found.items() if value and name != "main"}


class Steps:
    """The installations of one plan, in their order."""

    def __init__(
        self, installer: Installer, plan: Plan, place: Place, scratch: Path, *, offline_first: bool = False
    ) -> None:
        self.installer, self.plan, self.place, self.scratch = installer, plan, place, scratch
        self.offline_first, self.log = offline_first, installer.log
        self.groups = groups(plan.shared, installer.settings)

    async def run(self) -> None:
        """Install everything. Raises NeedsOrder or NoSolution where another way may do."""
        found = self.groups
        for line in found.optional_first:
            await self._optional(line)
        if found.first:
            self.log(f"Installing first: {', '.join(found.first)}")
            await self._install(found.first)
        if found.main or found.first:
            await self._install([*found.first, *found.main])
        if found.last:
            self.log(f"Installing last: {', '.join(found.last)}")
            await self._install(found.last)
        for line in found.optional_last:
            await self._optional(line)

    async def build_beside(self, names: Sequence[str], interpreter: Interpreter, seeds: Path | None) -> None:
        """Install everything again, `names` last and without isolation: they see what they are built for."""
        self.log(f"Building {', '.join(names)} beside the installed packages")
        everything = [line for group in self.groups[1:4] for line in group]
        late = [line for line in everything if requirement_name(line) in names]
        early = [line for line in everything if requirement_name(line) not in names]
        for line in self.groups.optional_first:
            await self._optional(line)
        if early:
            await self._install(early)
        bench = self.scratch / ".bench"
        sites = [self.place.target or bench, *([seeds] if seeds else [])]
        python = thin.make_bare(bench, interpreter, sites)
        tools = msgspec.structs.replace(self.plan, options=(), constraints=())
        await self.installer.install(
            ["setuptools<81", "wheel"], Place(python), plan=tools, folder=bench, scratch=bench, offline_first=True
        )
        flags = [word for name in names for word in ("--no-build-isolation-package", name)]
        if late:
            await self.installer.install(
                late, Place(python, self.place.target), plan=self.plan, folder=self.scratch, scratch=self.scratch,
                flags=flags,
            )  # fmt: skip
        thin.remove(bench)
        for line in self.groups.optional_last:
            await self._optional(line)

    async def _install(self, lines: Sequence[str]) -> None:
        try:
            await self.installer.install(
                lines,
                self.place,
                plan=self.plan,
                folder=self.scratch,
                scratch=self.scratch,
                offline_first=self.offline_first,
            )
        except Failed as failed:
            wanted = {requirement_name(line) for line in self.plan.shared}
            names = [re.sub(r"[-_.]+", "-", name).lower() for name in FAILED_BUILDS.findall(failed.output)]
            if names := [name for name in dict.fromkeys(names) if name in wanted]:
                raised = NeedsOrder(failed.message)
                raised.names = tuple(names)
                raise raised from None
            if "no solution found" in failed.output.lower():
                raise NoSolution(failed.message) from None
            raise

    async def _optional(self, line: str) -> None:
        try:
            await self._install([line])
        except EnvironmentFailed as failed:
            self.log(f"WARNING: {line} is optional and is left out: {failed.message.splitlines()[0]}")
