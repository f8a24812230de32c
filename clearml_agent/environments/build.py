"""From requirement lines to an environment that a task can run in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from clearml_agent.environments import existing, modes, thin, torch
from clearml_agent.environments.cache import Cache
from clearml_agent.environments.explain import NOT_REUSED
from clearml_agent.environments.installer import Installer, Place
from clearml_agent.environments.interpreters import Interpreter, find_interpreter
from clearml_agent.environments.layout import Entry
from clearml_agent.environments.recipes import ENVIRONMENT, Packages, Want
from clearml_agent.environments.request import Clock, Environment, EnvironmentRequest
from clearml_agent.environments.requirements import SDK_NAMES, Plan, logical_lines, read_plan, requirement_name
from clearml_agent.environments.seeds import obtain_seeds
from clearml_agent.environments.sources import chosen_lines
from clearml_agent.errors import EnvironmentFailed, RunFailed
from clearml_agent.files import remove_tree
from clearml_agent.locks import LockTimeout, file_lock
from clearml_agent.packages import LEFT_OUT, freeze
from clearml_agent.process import HelperTimeout, Log, run_process
from clearml_agent.vcs.addresses import without_secrets

OLDEST_FOR_SDK = (3, 11)
COMPILE_S = 1800.0
COMPILE = "import compileall, os, sys; os.nice(19); compileall.compile_dir(sys.argv[1], quiet=2)"


async def build(
    request: EnvironmentRequest,
    directory: Path,
    *,
    cache: Path,
    log: Log,
    environ: Mapping[str, str] | None = None,
) -> Environment:
    """Make the environment of one task at `directory` (emptied first).

    Args:
        cache: directory of the cached environments, shared by every agent of this user.
        environ: of the installer; the agent's own when None.
        log: receives the installer's lines, without passwords.

    Raises EnvironmentFailed with a message that says what to do. Cancelling it kills the installer; what it had
    begun is never taken for complete.
    """
    environ = os.environ if environ is None else environ
    settings = request.settings
    clock = Clock()
    await asyncio.to_thread(remove_tree, directory)
    mode = request.mode
    if mode.kind == "conda" and not settings.skip_install:
        from clearml_agent.environments.in_conda import build_conda

        return await build_conda(request, directory, cache=cache, log=log, environ=environ, clock=clock)
    interpreter = request.interpreter or await find_interpreter(
        request.python_wish, settings, cache=cache, environ=environ, log=log
    )
    clock.took("interpreter")
    if settings.skip_install:
        log("Packages are not installed (CLEARML_AGENT_SKIP_PYTHON_ENV_INSTALL)")
        return Environment(
            python=Path(interpreter.executable), variables={}, reused=True, frozen=[], key="", stages=clock.stages
        )
    modes.say(mode, settings, log)
    work = _Work(request, directory, interpreter, Cache(cache, Installer(settings, environ, log), settings, log))
    if settings.existing:
        plan = work.plan()
        installer = await work.installer.with_repositories(request.repositories, plan.own)
        return await existing.build(installer, plan, directory, cache, environ, clock)
    directory.mkdir(parents=True)  # from now on the cached parts taken for it are in use
    if mode.kind == "pip":
        return await work.pip(await work.with_torch(environ), environ, clock)
    return await work.locked(mode, environ, clock)


async def byte_compile(environment: Environment) -> None:
    """Compile what is not yet compiled of the cached parts, at the lowest priority, and close them to writing.

    Compiling numpy and requests takes 0.8 s, importing them uncompiled 0.4 s longer than compiled: it is better done
    beside the first task than before it. Does nothing where it is done, or being done by another agent. Of large ones,
    whose files are not looked at one by one before a task, every file is looked at here.
    """
    for entry in environment.shared:
        tree = entry.tree
        try:
            async with file_lock(entry.path / "compile.lock", timeout_s=0):
                if entry.is_compiled:
                    if entry.is_large:
                        await asyncio.to_thread(entry.look_over)
                    continue
                argv = [str(environment.python), "-I", "-S", "-c", COMPILE, str(tree)]
                if (await run_process(argv, timeout_s=COMPILE_S)).code != 0:
                    continue  # its container ended with the task
                await asyncio.to_thread(_close_to_writing, tree)
                await asyncio.to_thread(entry.mark_compiled)
        except (LockTimeout, HelperTimeout, OSError, RunFailed):
            continue  # the modules are compiled when they are imported, then


class _Work:
    """One environment being made."""

    def __init__(self, request: EnvironmentRequest, directory: Path, interpreter: Interpreter, cache: Cache) -> None:
        self.request, self.directory, self.interpreter, self.cache = request, directory, interpreter, cache
        self.settings, self.installer, self.log = request.settings, cache.installer, cache.log
        self.wheel, self.lines = _sdk_for(interpreter, request.sdk_wheel_url, self._chosen(), self.log)

    def _chosen(self) -> list[str]:
        request = self.request
        if request.mode.kind != "pip":
            return logical_lines(request.requirements)
        force = request.settings.force_repository_file
        return chosen_lines(request.requirements, request.root, request.folder, force_file=force, log=self.log)

    def plan(self) -> Plan:
        """What the lines ask for."""
        return read_plan(self.lines, self.request.root, sdk_wheel_url=self.wheel, log=self.log)

    async def with_torch(self, environ: Mapping[str, str]) -> Plan:
        """The same with PyTorch for this machine."""
        return await torch.fit(self.plan(), self.settings, cache=self.cache.directory, environ=environ, log=self.log)

    async def pip(self, plan: Plan, environ: Mapping[str, str], clock: Clock) -> Environment:
        """Requirement lines: the shared ones from the cache, git, editable and local ones on top."""
        async with asyncio.TaskGroup() as group:
            seeds = group.create_task(obtain_seeds(self.cache, self.interpreter, self.directory), name="seed packages")

            async def seed_site() -> Path | None:
                found = await asyncio.shield(seeds)
                return found.site if found else None

            recipe = Packages(
                plan,
                self.interpreter,
                self.installer,
                seeds=seed_site,
                cuda=str(torch.parse_cuda(self.settings.torch.cuda) or ""),
                present=self.request.present,
            )
            want = Want(ENVIRONMENT, recipe)
            job = group.create_task(_obtain(self.cache, want, self.directory), name="packages") if plan.shared else None
        entry, reused, failed = job.result() if job else (None, True, None)
        if failed is not None:
            raise failed
        clock.took("packages")
        seed = seeds.result()
        entries = [found for found in (entry, seed) if found]
        python = self.thin(entries)
        clock.took("thin")
        if plan.own:
            names = ", ".join(without_secrets(line) for line in plan.own)
            self.log(f"{NOT_REUSED}{names}: git, editable and local requirements are installed for each task")
            await self.own(plan, entry, seed, python)
            clock.took("own")
        shared = entry.record.frozen if entry else []
        if (present := self.request.present) is not None:
            shared = [*present.lines(plan.shared), *shared]  # what was installed beside it counts
        frozen = _frozen(shared, plan, self.directory / self.interpreter.site_packages, self.lines)
        return self.made(python, environ, entries, want.key, clock, reused=reused and not plan.own, frozen=frozen)

    async def own(self, plan: Plan, shared: Entry | None, seeds: Entry | None, python: Path) -> None:
        """Git, editable and local requirements, whose dependencies are looked for in the cached part first."""
        from clearml_agent.environments import pip_engine

        root = self.request.root or self.directory
        site = self.directory / self.interpreter.site_packages
        shadows = thin.show_shared(site, shared) if shared else []
        version = pip_engine.pip_version(seeds.site if seeds else None)
        try:
            installer = await self.installer.with_repositories(self.request.repositories, plan.own)
            if version and (reason := pip_engine.why_not_uv(plan, self.settings)):
                self.log(f"pip installs {', '.join(plan.own)}: {reason}")
                await pip_engine.install_into(installer, plan, plan.own, python, self.directory, version, root)
            else:
                await installer.install(plan.own, Place(python), plan=plan, folder=root, scratch=self.directory)
        finally:
            thin.hide_shared(shadows)

    async def locked(self, mode: modes.Mode, environ: Mapping[str, str], clock: Clock) -> Environment:
        """What the project's own tool installs from its lock file."""
        from clearml_agent.environments import locked

        sdk = [line for line in self.lines if requirement_name(line) in SDK_NAMES]
        added = [f"clearml-lean @ {self.wheel}"] if self.wheel else sdk[-1:]
        project = locked.project(mode, self.interpreter, self.cache, self.directory, added)
        seeds = await obtain_seeds(self.cache, self.interpreter, self.directory)
        want = Want(ENVIRONMENT, project)
        entries, reused = [], False
        if project.is_shareable:
            entry, reused = await self.cache.obtain(want, self.directory)
            entries.append(entry)
        clock.took("packages")
        entries += [seeds] if seeds else []
        python = self.thin(entries)
        clock.took("thin")
        site = self.directory / self.interpreter.site_packages
        if project.has_own or not project.is_shareable:
            shadows = thin.show_shared(site, entries[0]) if project.is_shareable else []
            try:
                if not project.is_shareable:
                    await project.sync(self.directory, python, own=False)
                if project.has_own:
                    await project.sync(self.directory, python, own=True)
            finally:
                thin.hide_shared(shadows)
            if not project.is_shareable and project.added:
                await self.installer.install(
                    project.added, Place(python), plan=Plan(), folder=self.directory, scratch=self.directory
                )
            clock.took("own")
        parts = [entry.site for entry in entries if entry is not seeds]
        frozen = _named(freeze([site, *parts]), self.lines)
        frozen = [line for line in frozen if not line.startswith("-e ") and "file://" not in line]
        return self.made(python, environ, entries, want.key, clock, reused=reused, frozen=frozen)

    def thin(self, entries: Sequence[Entry]) -> Path:
        """The task's own environment on top of the cached parts."""
        present = self.request.present
        return thin.make(
            self.directory,
            self.interpreter,
            entries,
            system_site_packages=self.settings.system_site_packages,
            more=[Path(site) for site in present.sites] if present else (),
        )

    def made(
        self,
        python: Path,
        environ: Mapping[str, str],
        entries: Sequence[Entry],
        key: str,
        clock: Clock,
        *,
        reused: bool,
        frozen: list[str],
    ) -> Environment:
        """The answer."""
        self.log(f"Environment {key}: {'reused' if reused else 'built'} in {sum(clock.stages.values()):.3f} s")
        return Environment(
            python=python,
            variables={
                "VIRTUAL_ENV": str(self.directory),
                "PATH": os.pathsep.join([str(python.parent), *path_of_others(environ)]),
            },
            reused=reused,
            frozen=frozen,
            key=key,
            stages=clock.stages,
            shared=tuple(entries),
        )


async def _obtain(cache: Cache, want: Want, directory: Path) -> tuple[Entry | None, bool, EnvironmentFailed | None]:
    """As `Cache.obtain`, a failure answered instead of raised: what runs beside it is to end by itself."""
    try:
        entry, reused = await cache.obtain(want, directory)
    except EnvironmentFailed as failed:
        return None, False, failed
    return entry, reused, None


def _sdk_for(interpreter: Interpreter, wheel: str | None, lines: list[str], log: Log) -> tuple[str | None, list[str]]:
    """Our wheel where this Python is new enough for it, else the official package in its place."""
    if wheel is None or interpreter.is_at_least(*OLDEST_FOR_SDK):
        return wheel, lines
    log(
        f"WARNING: our SDK needs Python {'.'.join(map(str, OLDEST_FOR_SDK))}: the official clearml package is installed"
    )
    has_sdk = any(requirement_name(line) in SDK_NAMES for line in lines)
    return None, lines if has_sdk else [*lines, "clearml"]


def _frozen(shared: Sequence[str], plan: Plan, site: Path, recorded: Sequence[str]) -> list[str]:
    """What is to be recorded: installed versions, but git, local and SDK lines as they were asked for.

    A path of this machine, or the address of a server's wheel, would mean nothing to the next agent.
    """
    found = {requirement_name(line): line for line in shared}
    if plan.own:
        for line in freeze([site]):
            name = requirement_name(line)
            if "://" in line or line.startswith("-e "):
                found.pop(name, None)  # one of the lines below
            elif name not in LEFT_OUT:
                found[name] = line
    return _named([found[name] for name in sorted(found)], recorded) + list(plan.own)


def _named(frozen: Sequence[str], recorded: Sequence[str]) -> list[str]:
    """The lines with our SDK under the name that any agent knows."""
    sdk = next((line for line in logical_lines(recorded) if requirement_name(line) in SDK_NAMES), "clearml")
    found = {requirement_name(line): line for line in frozen}
    if "clearml-lean" in found:
        del found["clearml-lean"]
        found["clearml"] = sdk
    return [found[name] for name in sorted(found)]


def path_of_others(environ: Mapping[str, str]) -> list[str]:
    """The agent's PATH without the virtual environment that the agent itself was started from."""
    own = Path(environ["VIRTUAL_ENV"]) / "bin" if environ.get("VIRTUAL_ENV") else None
    return [part for part in environ.get("PATH", os.defpath).split(os.pathsep) if part and Path(part) != own]


def _close_to_writing(tree: Path) -> None:
    for folder, _, _ in os.walk(tree):
        os.chmod(folder, 0o555)
