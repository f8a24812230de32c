"""Environments that a project's own tool installs: uv (`uv.lock`), poetry (`poetry.lock`), and `pylock.toml`.

What other packages' indexes give is installed once and shared; the project itself and its local packages, whose files
are the task's checkout, go into the task's own environment.
"""

from __future__ import annotations

import asyncio
import tomllib
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clearml_agent.environments import thin, tools
from clearml_agent.environments.cache import Cache
from clearml_agent.environments.harvest import harvest
from clearml_agent.environments.installer import Failed, Installer, Place
from clearml_agent.environments.interpreters import Interpreter, uv_program
from clearml_agent.environments.modes import Mode
from clearml_agent.environments.recipes import SITE, Recipe, content_of, file_digest, index_facts, interpreter_facts
from clearml_agent.environments.requirements import SDK_NAMES, Plan
from clearml_agent.errors import EnvironmentFailed

FILES = ("pyproject.toml", "uv.lock", "poetry.lock", "pylock.toml", "poetry.toml", "uv.toml")
LOCAL = ("editable", "directory", "path", "virtual")


class Project(Recipe):
    """The dependencies of the project in `mode.folder`.

    added: requirement lines that are installed on top, such as our SDK.
    """

    def __init__(self, mode: Mode, interpreter: Interpreter, installer: Installer, added: Sequence[str] = ()) -> None:
        if mode.folder is None or mode.file is None:
            raise ValueError("a project has a folder and a file")
        self.folder, self.file = mode.folder, mode.file
        self.interpreter, self.installer, self.settings = interpreter, installer, installer.settings
        self.lock = read_toml(mode.file) if mode.file.name != "pyproject.toml" else {}
        self.is_pinned = bool(self.lock)
        names = {str(package.get("name")) for package in packages_of(self.lock)}
        self.added = () if names & SDK_NAMES else tuple(added)

    @property
    def facts(self) -> dict[str, Any]:
        files = [name for name in FILES if (self.folder / name).is_file()]
        return {
            "interpreter": interpreter_facts(self.interpreter),
            "files": {name: file_digest(self.folder / name) for name in files},
            "packages": [content_of(line) for line in self.added],
            "indexes": index_facts(self.settings),
            "installer": self.tool,
            "flags": list(self.arguments),
        }

    @property
    def requirements(self) -> list[str]:
        return [self.file.name]

    @property
    @abstractmethod
    def tool(self) -> str:
        """The tool with the version asked for."""

    @property
    def arguments(self) -> Sequence[str]:
        """What the configuration adds to the tool's command line."""
        return ()

    @property
    def is_shareable(self) -> bool:
        """Whether a part can be kept in the cache."""
        return True

    @property
    def has_own(self) -> bool:
        """Whether something belongs into the task's own environment: the project, or packages in its folder."""
        local = any(is_local(package) for package in packages_of(self.lock))
        return local or not self.lock

    async def fill(self, entry: Path) -> None:
        venv = entry / "venv"
        python = thin.make_bare(venv, self.interpreter, [])
        await self.sync(venv, python, own=False)
        await asyncio.to_thread(harvest, venv, self.interpreter, entry / SITE)
        if self.added:
            place = Place(Path(self.interpreter.executable), entry / SITE)
            await self.installer.install(self.added, place, plan=Plan(), folder=entry, scratch=entry)

    @abstractmethod
    async def sync(self, venv: Path, python: Path, *, own: bool) -> None:
        """Install into the virtual environment `venv`: what can be shared, or the rest on top of it."""


class UvProject(Project):
    """`uv sync`, which must find the lock file fitting, where there is one."""

    tool = Installer.identity()

    def __init__(self, *given: Any, program: Callable[[], Awaitable[str]] | None = None, **named: Any) -> None:
        super().__init__(*given, **named)
        self.program = program

    @property
    def arguments(self) -> Sequence[str]:
        return (*self.settings.uv.arguments, *([self.settings.uv.version] if self.settings.uv.version else []))

    @property
    def has_own(self) -> bool:
        return any(is_local(package) and "virtual" not in source(package) for package in packages_of(self.lock)) or (
            not self.lock
        )

    async def sync(self, venv: Path, python: Path, *, own: bool) -> None:
        uv = await self.program() if self.program else uv_program()
        argv = [uv, "sync", "--no-progress", "--color", "never", "--python", str(python), *self.settings.uv.arguments]
        argv += ["--locked"] if self.lock and self.settings.uv.is_locked else []
        argv += ["--inexact"] if own else ["--no-install-project", "--no-install-workspace", "--no-install-local"]
        environment = {**tools.bare(self.installer.environment), "UV_PROJECT_ENVIRONMENT": str(venv)}
        try:
            await self.installer.command(argv, self.folder, environment)
        except Failed as failed:
            if "lockfile" not in failed.output and "uv.lock" not in failed.output:
                raise
            raise EnvironmentFailed(
                "uv.lock does not fit pyproject.toml, or cannot be read. Run `uv lock`, commit the file and enqueue "
                f"the task again.\n{failed.message.partition(chr(10))[2]}"
            ) from None


class Pylock(Project):
    """`uv pip install -r pylock.toml`."""

    tool = Installer.identity()

    async def sync(self, venv: Path, python: Path, *, own: bool) -> None:
        argv = [uv_program(), "pip", "install", "--no-progress", "--color", "never", "--python", str(python)]
        environment = tools.bare(self.installer.environment)
        await self.installer.command([*argv, "--requirements", str(self.file)], self.folder, environment)

    async def fill(self, entry: Path) -> None:
        if self.has_own:
            raise EnvironmentFailed(
                "pylock.toml names local directories, which is not supported: use uv.lock, or a requirements.txt"
            )
        await super().fill(entry)


class PoetryProject(Project):
    """`poetry install`. Poetry cannot leave out packages in local directories: with such, nothing is shared."""

    def __init__(
        self, mode: Mode, interpreter: Interpreter, cache: Cache, directory: Path, added: Sequence[str] = ()
    ) -> None:
        super().__init__(mode, interpreter, cache.installer, added)
        self.cache, self.directory = cache, directory

    @property
    def tool(self) -> str:
        return "poetry" + _specifier(self.settings.poetry.version)

    @property
    def arguments(self) -> Sequence[str]:
        return self.settings.poetry.arguments

    @property
    def is_shareable(self) -> bool:
        return not any(is_local(package) for package in packages_of(self.lock))

    @property
    def has_own(self) -> bool:
        project = read_toml(self.folder / "pyproject.toml").get("tool", {}).get("poetry", {})
        return project.get("package-mode", True) is not False and "--no-root" not in self.arguments

    async def sync(self, venv: Path, python: Path, *, own: bool) -> None:
        if self.settings.is_offline and not own:
            raise EnvironmentFailed(
                "the agent runs in standalone mode, and poetry installs nothing without a network: start the task once "
                "without --standalone-mode, and its packages are kept"
            )
        program, site = await tools.obtain(self.cache, [self.tool], self.directory, self.interpreter)
        environment = tools.bare(self.installer.environment) | {
            "VIRTUAL_ENV": str(venv),
            "POETRY_VIRTUALENVS_IN_PROJECT": "false",
            "POETRY_NO_INTERACTION": "1",
            "POETRY_KEYRING_ENABLED": "false",
            "PATH": f"{python.parent}:{self.installer.environment.get('PATH', '')}",
        }
        which = ["--only-root"] if own else ["--no-root"]
        argv = ["install", "-n", "--no-ansi", *which, *self.arguments]
        try:
            await self.installer.command(tools.module_command(program, site, "poetry", *argv), self.folder, environment)
        except Failed as failed:
            text = failed.message.partition("\n")[2]
            if own:
                self.installer.log(f"WARNING: the project itself is not installed; its files are on the path.\n{text}")
                return
            raise EnvironmentFailed(
                f"poetry cannot install what {self.file.name} asks for. Run `poetry lock`, commit the file and enqueue "
                f"the task again.\n{text}"
            ) from None


def project(mode: Mode, interpreter: Interpreter, cache: Cache, directory: Path, added: Sequence[str] = ()) -> Project:
    """The project that decides in `mode`."""
    if mode.kind == "poetry":
        return PoetryProject(mode, interpreter, cache, directory, added)
    if mode.kind == "pylock":
        return Pylock(mode, interpreter, cache.installer, added)

    async def chosen_uv() -> str:
        _, site = await tools.obtain(cache, ["uv" + _specifier(cache.settings.uv.version)], directory, interpreter)
        return str(site / "bin" / "uv")

    program = chosen_uv if cache.settings.uv.version else None
    return UvProject(mode, interpreter, cache.installer, added, program=program)


def read_toml(path: Path) -> dict[str, Any]:
    """Raises EnvironmentFailed."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise EnvironmentFailed(
            f"{path.name} of the code cannot be read: {error}. Write it anew and commit it"
        ) from None


def packages_of(lock: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The entries of any of the lock files. Pure."""
    found = lock.get("package") or lock.get("packages") or []
    return [package for package in found if isinstance(package, Mapping)]


def source(package: Mapping[str, Any]) -> Mapping[str, Any]:
    found = package.get("source")
    return found if isinstance(found, Mapping) else {}


def is_local(package: Mapping[str, Any]) -> bool:
    """Whether a locked package's files are in the project's folder. Pure."""
    where = source(package)
    return any(name in where for name in LOCAL) or where.get("type") in ("directory", "file") or "directory" in package


def _specifier(version: str) -> str:
    version = version.strip()
    return f"=={version}" if version[:1].isdigit() else version
