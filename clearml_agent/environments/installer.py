"""Install requirements with uv: its command line, its environment, and its failures in the user's words."""

from __future__ import annotations

import copy
import importlib.metadata
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from clearml_agent.environments.interpreters import uv_program
from clearml_agent.environments.requirements import Plan
from clearml_agent.environments.settings import UV_INDEX_VARIABLES, PackageSettings
from clearml_agent.errors import EnvironmentFailed
from clearml_agent.process import ERRORS_KEPT_BYTES, HelperTimeout, Log, run_process
from clearml_agent.vcs.addresses import without_secrets
from clearml_agent.vcs.packages import Repositories
from clearml_agent.vcs.packages import variables as git_variables

_NOISE = re.compile(r"^(Using (CPython|PyPy|Python)|Resolved |Prepared |Installed |Audited |Building |Built )")
_DROPPED = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT", "UV_COMPILE_BYTECODE")
PIPS_OWN_FLAGS = frozenset(
    {
        "--use-deprecated",
        "--use-feature",
        "--global-option",
        "--install-option",
        "--build-option",
        "--ignore-requires-python",
        "--prefer-binary",
        "--no-clean",
        "--use-pep517",
        "--no-use-pep517",
        "--process-dependency-links",
        "--egg",
    }
)
"""Options of `pip install` that uv refuses."""

WITH_VALUE = ("--use-deprecated", "--use-feature", "--global-option", "--install-option", "--build-option")

KILLED, KILLED_CODES = "the installer was killed", (-9, 137)

BEST_MATCH = ["--index-strategy", "unsafe-best-match"]
"""As pip does: the best version of all indexes."""


class Place(NamedTuple):
    """Where packages go: a directory of its own (`target`), or else the virtual environment that `python` is of."""

    python: Path
    target: Path | None = None


class Failed(EnvironmentFailed):
    """uv failed; output is what it said."""

    output = ""


class Installer:
    """uv with the settings of one agent."""

    def __init__(self, settings: PackageSettings, environ: Mapping[str, str], log: Log) -> None:
        self.settings, self.log = settings, log
        self.environment = _environment(settings, environ)

    async def with_repositories(self, repositories: Repositories | None, lines: Sequence[str]) -> Installer:
        """An installer that gets at the git requirements among the lines. Raises EnvironmentFailed."""
        if repositories is None:
            return self
        found = copy.copy(self)
        copies = await repositories.copies(lines)
        found.environment = {**self.environment, **git_variables(copies, self.environment)}
        return found

    @staticmethod
    def identity() -> str:
        """What an environment depends on of the installer."""
        try:
            return "uv " + importlib.metadata.version("uv")
        except importlib.metadata.PackageNotFoundError:
            return "uv"

    async def install(
        self,
        lines: Sequence[str],
        place: Place,
        *,
        plan: Plan,
        folder: Path,
        scratch: Path,
        offline_first: bool = False,
        flags: Sequence[str] = (),
    ) -> None:
        """Install requirement lines, with the options and constraints of `plan`.

        Args:
            folder: what relative paths in the lines are relative to. scratch: a directory that may be written to.
            offline_first: try with what uv has in its cache alone, and ask the indexes only when that does not do.
                Measured with numpy and requests in the cache: 48 ms, against 270 ms.
            flags: more arguments for this one installation.

        Raises Failed.
        """
        lines = [*plan.lines_of_options, *lines]
        argv = [uv_program(), "pip", "install", "--no-progress", "--color", "never", "--python", str(place.python)]
        if place.target is not None:
            argv += ["--target", str(place.target)]
        argv += ["--requirements", "-", *self.arguments(), *plan.arguments, *flags]
        if plan.constraints:
            # uv reads one file from its standard input; constraints have no secrets and may lie on the disk.
            constraints = scratch / "constraints.txt"
            constraints.write_text("\n".join(plan.constraints) + "\n")
            argv += ["--constraints", str(constraints)]
        if any(line.startswith("--extra-index-url") for line in plan.options) and BEST_MATCH[0] not in argv:
            argv += BEST_MATCH
        text = "".join(f"{line}\n" for line in lines).encode()
        tries_offline = offline_first and not self.settings.is_offline  # which is offline in any case
        if tries_offline and await self._run([*argv, "--offline"], text, folder, quiet=True) is None:
            return
        self._raise(await self._run(argv, text, folder))

    async def forget(self, names: Sequence[str]) -> None:
        """Remove packages from uv's cache: their unpacked files were changed through a link."""
        await self._run([uv_program(), "cache", "clean", "--quiet", *names], b"", Path("/"))

    async def command(self, argv: list[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
        """Run another command of uv or of its like in `folder`; raises Failed."""
        self._raise(await self._run(argv, b"", folder, environment=environment))

    async def _run(
        self,
        argv: list[str],
        stdin: bytes,
        folder: Path,
        *,
        quiet: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> str | None:
        """The error output when it failed, else None."""
        said: list[str] = []
        say = said.append if quiet else self.say
        try:
            done = await run_process(
                argv,
                cwd=folder,
                env=self.environment if environment is None else environment,
                stdin=stdin,
                timeout_s=self.settings.install_s,
                log=say,
            )
        except HelperTimeout as error:
            raise EnvironmentFailed(
                f"installing the packages took longer than {error.timeout_s:.0f} s and was stopped. Look at the last "
                "lines of the console for the package that is built or downloaded"
            ) from None
        if done.code == 0:
            for line in said:
                self.say(line)
            return None
        if done.code in KILLED_CODES:
            return f"{KILLED} (SIGKILL)"  # it could not say so itself
        printed = done.output[-ERRORS_KEPT_BYTES:].decode("utf-8", "replace")
        return without_secrets(done.errors if done.errors.strip() else printed)  # poetry says all on its output

    def _raise(self, failure: str | None) -> None:
        if failure is not None:
            failed = Failed(alone(failure) if self.settings.is_offline else explain(failure))
            failed.output = failure
            raise failed

    def say(self, line: str) -> None:
        """One line of an installer for the console, without passwords."""
        if line.strip() and not line.startswith("Using "):
            self.log(without_secrets(line))

    def arguments(self) -> list[str]:
        """What the settings add to every installation."""
        arguments = for_uv(self.settings.flags)
        if self.settings.force_upgrade:
            arguments.append("--upgrade")
        if self.settings.indexes.no_index:
            arguments.append("--no-index")
        elif self.settings.indexes.extra:
            arguments += BEST_MATCH
        for host in self.settings.indexes.trusted_hosts:
            arguments += ["--allow-insecure-host", host]
        return arguments


def for_uv(flags: Sequence[str]) -> list[str]:
    """The flags without those that only pip has, and their values. Pure."""
    found: list[str] = []
    is_value = False
    for word in flags:
        if is_value:
            is_value = False
        elif word.split("=")[0] in PIPS_OWN_FLAGS:
            is_value = word in WITH_VALUE
        else:
            found.append(word)
    return found


def alone(output: str) -> str:
    """The failure of an installer that had to do without a network."""
    return (
        "the agent runs in standalone mode and asks no index, and the caches of this machine do not hold these "
        f"packages: start the task once without --standalone-mode.\n{_last(output)}"
    )


def _last(output: str) -> str:
    return "\n".join([line for line in output.splitlines() if line.strip() and not _NOISE.match(line)][-25:])


def explain(output: str) -> str:
    """uv's failure with what to do about it."""
    text = _last(output)
    lowered = output.lower()
    if text.startswith(KILLED):
        advice = (
            "the packages could not be installed for want of memory, or somebody killed the installer: give the worker "
            "or the task's container (--memory) more of it"
        )
    elif "no space left" in lowered or "disk quota" in lowered:
        advice = "this machine's disk is full. Make room and enqueue the task again"
    elif "missing `distutils`" in lowered:
        advice = (
            "this Python is not whole: install the system's package python3-distutils (or python3-venv), for tasks in "
            "containers in the image or by the container's setup script"
        )
    elif "git executable not found" in lowered:
        advice = (
            "a package comes from git, which is not there: install git on the agent's machine, and for tasks in "
            "containers in the image"
        )
    elif re.search(r"could not read (username|password)|permission denied \(publickey|host key verification", lowered):
        advice = (
            "a package comes from a git repository that may not be read: set agent.git_user and agent.git_pass (or "
            "CLEARML_AGENT_GIT_USER and CLEARML_AGENT_GIT_PASS), or add an ssh key to the user that runs the agent"
        )
    elif "no solution found" in lowered or "was not found in the package registry" in lowered:
        advice = (
            "the packages cannot be installed together, or one of them does not exist. Correct the task's packages "
            "(Execution > Python packages), or name the index that has them in agent.package_manager.extra_index_url"
        )
    elif re.search(r"failed to build|build backend|setup\.py", lowered):
        advice = (
            "a package could not be built from source. Install what its build needs on the agent's machine, or choose "
            "a version that has a wheel for this Python"
        )
    elif re.search(r"failed to (fetch|download)|connect|dns|timed out|certificate|401|403", lowered):
        advice = "the package index could not be reached. Check the network, the proxy and the index addresses"
    else:
        advice = "the packages cannot be installed. Correct the task's packages (Execution > Python packages)"
    return f"{advice}.\n{text}"


def _environment(settings: PackageSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """uv's environment; index addresses go here and not into arguments, because they may hold passwords."""
    found = {name: value for name, value in environ.items() if name not in (*_DROPPED, *UV_INDEX_VARIABLES)}
    indexes = settings.indexes
    if indexes.default:
        found["UV_DEFAULT_INDEX"] = indexes.default
    if indexes.extra:
        found["UV_INDEX"] = " ".join(indexes.extra)
    if indexes.find_links:
        found["UV_FIND_LINKS"] = ",".join(indexes.find_links)
    if indexes.certificates and not found.get("SSL_CERT_FILE"):
        found["SSL_CERT_FILE"] = indexes.certificates
    found["UV_PYTHON_DOWNLOADS"] = "never"
    if settings.is_offline:
        found["UV_OFFLINE"] = "1"
    found["GIT_TERMINAL_PROMPT"] = "0"
    return found
