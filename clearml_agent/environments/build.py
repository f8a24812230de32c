"""From requirement lines to an environment that a task can run in."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from clearml_agent.environments import thin
from clearml_agent.environments.cache import ENVIRONMENT, SEEDS, Cache, Want
from clearml_agent.environments.installer import Installer, Place
from clearml_agent.environments.interpreters import Interpreter, find_interpreter
from clearml_agent.environments.layout import Entry
from clearml_agent.environments.requirements import SDK_NAMES, Plan, logical_lines, read_plan, requirement_name
from clearml_agent.environments.settings import PackageSettings
from clearml_agent.environments.sources import chosen_lines
from clearml_agent.errors import EnvironmentFailed
from clearml_agent.files import remove_tree
from clearml_agent.locks import LockTimeout, file_lock
from clearml_agent.packages import LEFT_OUT, freeze
from clearml_agent.process import HelperTimeout, Log, run_process

SEED_RETRY_S = 600.0
OLDEST_FOR_SDK = (3, 11)
COMPILE_S = 1800.0
COMPILE = "import compileall, os, sys; os.nice(19); compileall.compile_dir(sys.argv[1], quiet=2)"


class EnvironmentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a task wants to run in.

    requirements: the recorded lines, a text or a list; when there are none, the requirements.txt files of the code.
    python_wish: `3.11`, "" for any. root, folder: the code, and the entry point's folder in it.
    sdk_wheel_url: our SDK's wheel (a URL with its hash as fragment), to be installed in place of `clearml`.
    """

    requirements: str | Sequence[str] = ()
    python_wish: str = ""
    root: Path | None = None
    folder: Path | None = None
    sdk_wheel_url: str | None = None
    settings: PackageSettings = PackageSettings()


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """An environment of one task; removing its directory is all the cleaning.

    python: what runs the task. variables: for the task's process, on top of the agent's own.
    reused: nothing had to be installed. frozen: the installed packages as requirement lines.
    stages: seconds for "interpreter", "packages" (the cached part), "thin", "own" (git, editable and local ones).
    shared: directories of the cached parts.
    """

    python: Path
    variables: dict[str, str]
    reused: bool
    frozen: list[str]
    key: str
    stages: dict[str, float]
    shared: tuple[Path, ...] = ()


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
    clock = _Clock()
    interpreter = await find_interpreter(request.python_wish, settings, cache=cache, environ=environ, log=log)
    clock.took("interpreter")
    await asyncio.to_thread(remove_tree, directory)
    if settings.skip_install:
        log("Packages are not installed (CLEARML_AGENT_SKIP_PYTHON_ENV_INSTALL)")
        return Environment(
            python=Path(interpreter.executable), variables={}, reused=True, frozen=[], key="", stages=clock.stages
        )
    directory.mkdir(parents=True)  # from now on the cached parts taken for it are in use
    lines = chosen_lines(
        request.requirements, request.root, request.folder, force_file=settings.force_repository_file, log=log
    )
    if settings.manager not in ("uv", "pip"):
        log(f"WARNING: packages are installed by uv: agent.package_manager.type {settings.manager!r} is not supported")
    wheel, lines = _sdk_for(interpreter, request.sdk_wheel_url, lines, log)
    plan = read_plan(lines, request.root, sdk_wheel_url=wheel, log=log)
    installer = Installer(settings, environ, log)
    want = Want(ENVIRONMENT, interpreter, plan, settings)
    entries, reused = await _obtain_all(Cache(cache, installer, settings, log), want, directory, log)
    clock.took("packages")
    python = thin.make(directory, interpreter, entries, system_site_packages=settings.system_site_packages)
    clock.took("thin")
    shared = entries[0].record.frozen if plan.shared else []
    if plan.own:
        await _install_own(installer, plan, interpreter, entries, directory, python, request.root or directory)
        clock.took("own")
    log(f"Environment {want.key}: {'reused' if reused else 'built'} in {sum(clock.stages.values()):.3f} s")
    return Environment(
        python=python,
        variables={
            "VIRTUAL_ENV": str(directory),
            "PATH": os.pathsep.join([str(python.parent), *_path_of_others(environ)]),
        },
        reused=reused and not plan.own,
        frozen=_frozen(shared, plan, directory / interpreter.site_packages, lines),
        key=want.key,
        stages=clock.stages,
        shared=tuple(entry.path for entry in entries),
    )


async def byte_compile(environment: Environment) -> None:
    """Compile what is not yet compiled of the cached parts, at the lowest priority, and close them to writing.

    Compiling numpy and requests takes 0.8 s, importing them uncompiled 0.4 s longer than compiled: it is better done
    beside the first task than before it. Does nothing where it is done, or being done by another agent.
    """
    for path in environment.shared:
        if (path / "compiled").exists():
            continue
        try:
            async with file_lock(path / "compile.lock", timeout_s=0):
                await run_process(
                    [str(environment.python), "-I", "-S", "-c", COMPILE, str(path / "site")], timeout_s=COMPILE_S
                )
                await asyncio.to_thread(_close_to_writing, path / "site")
                (path / "compiled").touch()
        except (LockTimeout, HelperTimeout, OSError):
            continue  # the modules are compiled when they are imported, then


def _sdk_for(interpreter: Interpreter, wheel: str | None, lines: list[str], log: Log) -> tuple[str | None, list[str]]:
    """Our wheel where this Python is new enough for it, else the official package in its place."""
    if wheel is None or interpreter.is_at_least(*OLDEST_FOR_SDK):
        return wheel, lines
    log(
        f"WARNING: our SDK needs Python {'.'.join(map(str, OLDEST_FOR_SDK))}: the official clearml package is installed"
    )
    has_sdk = any(requirement_name(line) in SDK_NAMES for line in lines)
    return None, lines if has_sdk else [*lines, "clearml"]


async def _obtain_all(cache: Cache, want: Want, directory: Path, log: Log) -> tuple[list[Entry], bool]:
    """The cached environment of the task's packages, and that of pip and its like, built at the same time."""
    try:
        async with asyncio.TaskGroup() as group:
            seeds = group.create_task(_obtain_seeds(cache, want, directory, log), name="seed packages")
            wanted = group.create_task(cache.obtain(want, directory), name="packages") if want.plan.shared else None
    except* EnvironmentFailed as failures:
        raise failures.exceptions[0] from None
    found = [wanted.result()[0]] if wanted else []
    seed = seeds.result()
    return found + ([seed] if seed else []), wanted.result()[1] if wanted else True


async def _obtain_seeds(cache: Cache, want: Want, directory: Path, log: Log) -> Entry | None:
    """pip, for what a task installs by itself, and setuptools where scripts take it for granted; last on the path."""
    plan = Plan(shared=("pip",) if want.interpreter.is_at_least(3, 12) else ("pip", "setuptools<81"))
    seeds = Want(SEEDS, want.interpreter, plan, want.settings)
    failed = cache.directory / f"{seeds.key}.failed"
    if failed.exists() and time.time() - failed.stat().st_mtime < SEED_RETRY_S:
        return None
    try:
        return (await cache.obtain(seeds, directory))[0]
    except EnvironmentFailed as error:
        failed.touch()
        log(f"WARNING: this environment has no pip: {error.message}")
        return None


async def _install_own(
    installer: Installer,
    plan: Plan,
    interpreter: Interpreter,
    entries: Sequence[Entry],
    directory: Path,
    python: Path,
    root: Path,
) -> None:
    """Git, editable and local requirements, whose dependencies are looked for in the cached part first."""
    site = directory / interpreter.site_packages
    shadows = thin.show_shared(site, entries[0]) if plan.shared else []
    try:
        await installer.install(plan.own, Place(python), plan=plan, folder=root, scratch=directory)
    finally:
        thin.hide_shared(shadows)


def _frozen(shared: Sequence[str], plan: Plan, site: Path, recorded: Sequence[str]) -> list[str]:
    """What is to be recorded: installed versions, but git, local and SDK lines as they were asked for.

    A path of this machine, or the address of a server's wheel, would mean nothing to the next agent.
    """
    sdk = next((line for line in logical_lines(recorded) if requirement_name(line) in SDK_NAMES), "clearml")
    found = {requirement_name(line): line for line in shared}
    if "clearml-lean" in found:
        del found["clearml-lean"]
        found["clearml"] = sdk
    if plan.own:
        for line in freeze([site]):
            name = requirement_name(line)
            if "://" in line or line.startswith("-e "):
                found.pop(name, None)  # one of the lines below
            elif name not in LEFT_OUT:
                found[name] = line
    return [found[name] for name in sorted(found)] + list(plan.own)


def _path_of_others(environ: Mapping[str, str]) -> list[str]:
    """The agent's PATH without the virtual environment that the agent itself was started from."""
    own = Path(environ["VIRTUAL_ENV"]) / "bin" if environ.get("VIRTUAL_ENV") else None
    return [part for part in environ.get("PATH", os.defpath).split(os.pathsep) if part and Path(part) != own]


def _close_to_writing(tree: Path) -> None:
    for folder, _, _ in os.walk(tree):
        os.chmod(folder, 0o555)


class _Clock:
    """Seconds of consecutive stages."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._since = time.perf_counter()

    def took(self, stage: str) -> None:
        now = time.perf_counter()
        self.stages[stage] = round(now - self._since, 6)
        self._since = now
