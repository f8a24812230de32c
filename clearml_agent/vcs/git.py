"""Run git without prompts, with credentials it can ask for, and tell its failures apart."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shlex
import tempfile
from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from clearml_agent.errors import CheckoutFailed
from clearml_agent.process import Finished, HelperTimeout, Log, run_process, scratch
from clearml_agent.vcs.addresses import Address, without_secrets

FOLDER = "clearml-git-"
LOCAL_S = 600.0
"""Longest time for a command that touches only this machine's disk."""

_INHERITED = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")

_SETTINGS = {
    "safe.directory": "*",
    "core.hooksPath": os.devnull,
    "advice.detachedHead": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    # Give up on a transfer that stands still.
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
}


class Failure(StrEnum):
    """Why git failed, from its error text (in the C locale)."""

    ACCESS = "access"
    """The host refused us, or asked for credentials that we do not have."""
    HOST_KEY = "host key"
    """ssh does not know the host, and may not ask."""
    MISSING = "missing"
    """There is no such repository, or this user may not see it."""
    REFUSED = "refused"
    """git's own rules forbid this kind of address."""
    NETWORK = "network"
    """The host was not reached."""
    DISK = "disk"
    """This machine's disk is full or read-only."""
    OTHER = "other"
    """Anything else; for a local repository, damage."""


_PATTERNS: tuple[tuple[Failure, str], ...] = (
    (Failure.DISK, r"no space left|disk quota|read-only file system|input/output error"),
    (Failure.HOST_KEY, r"host key verification failed"),
    (
        Failure.REFUSED,
        r"transport '\w+' not allowed|is not allowed to be used|unable to find remote helper|is unsupported"
        r"|is not a git command",
    ),
    (
        Failure.ACCESS,
        r"authentication failed|could not read (username|password)|permission denied|returned error: 40[13]"
        r"|access denied|invalid credentials|terminal prompts disabled",
    ),
    (
        Failure.MISSING,
        r"repository .*not found|returned error: 404|does not appear to be a git repository|no such file or directory"
        r"|repository .*does not exist|couldn't find remote ref",
    ),
    (
        Failure.NETWORK,
        r"could not resolve|connection (refused|reset|timed out|closed)|failed to connect|couldn't connect"
        r"|network is unreachable|no route to host|operation (timed out|too slow)|returned error: 5\d\d|early eof"
        r"|ssl|certificate|the remote end hung up|unexpected disconnect|unable to access",
    ),
)


class GitError(Exception):
    """git ended with an error. `kind` says which sort, `text` is what it printed, without secrets."""

    def __init__(self, command: str, code: int, text: str) -> None:
        super().__init__(f"git {command} failed with exit code {code}: {text}")
        self.command, self.code, self.text = command, code, text

    @property
    def kind(self) -> Failure:
        lowered = self.text.lower()
        return next((kind for kind, pattern in _PATTERNS if re.search(pattern, lowered)), Failure.OTHER)


class Git:
    """The git command with a fixed environment; see `opened`."""

    def __init__(self, environment: Mapping[str, str], log: Log) -> None:
        self.environment, self.log = environment, log

    async def __call__(
        self, *arguments: str, cwd: Path, stdin: bytes = b"", timeout_s: float = LOCAL_S, quiet: bool = True
    ) -> bytes:
        """Run `git <arguments>` in `cwd` and return its output; raises GitError."""
        log = None if quiet else self._say
        environment = {**self.environment, "GIT_CEILING_DIRECTORIES": str(cwd.parent)}  # never a repository above
        try:
            done: Finished = await run_process(
                ["git", *arguments], cwd=cwd, env=environment, stdin=stdin, timeout_s=timeout_s, log=log
            )
        except HelperTimeout as error:
            raise GitError(arguments[0], -1, f"operation timed out: {error}") from None
        except FileNotFoundError:
            if not cwd.is_dir():
                raise GitError(arguments[0], -1, f"{cwd} is gone") from None
            raise CheckoutFailed(
                "git was not found on this machine: install git (for example `apt install git`)"
            ) from None
        if done.code != 0:
            raise GitError(arguments[0], done.code, without_secrets(done.errors.strip()[-4000:]))
        return done.output

    def _say(self, line: str) -> None:
        self.log(without_secrets(line))


@contextlib.asynccontextmanager
async def opened(address: Address, environ: Mapping[str, str], log: Log) -> AsyncIterator[Git]:
    """A git that can answer the host of `address`, and no other, from `address.credential`.

    The password lies in a file of a private directory for this time, that of the run where there is one; it is on no
    command line, in no log and in nobody's environment.
    """
    with tempfile.TemporaryDirectory(prefix=FOLDER, dir=scratch()) as folder:
        environment = base_environment(environ)
        answer = Path(folder) / "ask"
        settings = dict(_SETTINGS)
        credential = address.credential if address.is_http else None
        if credential is not None and credential.header:
            included = Path(folder) / "config"
            _write_private(included, _header_config(address, credential.header, credential.password))
            settings["include.path"] = str(included)
        if credential is not None and not credential.header:
            for name, value in (("user", credential.user or "oauth2"), ("password", credential.password)):
                _write_private(Path(folder) / name, value + "\n")
            answer.write_text(_answering_script(address, Path(folder)))
        else:
            answer.write_text("#!/bin/sh\nexit 1\n")
        answer.chmod(0o700)
        environment["GIT_ASKPASS"] = str(answer)
        _add_settings(environment, settings)
        yield Git(environment, log)


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` for a git that speaks English, asks nobody, and works on the repository it is told.

    ssh needs no option for that (which would hide the user's core.sshCommand): it has neither a terminal nor ask-pass.
    """
    environment = {name: value for name, value in environ.items() if name not in _INHERITED}
    environment.pop("SSH_ASKPASS", None)
    environment.pop("DISPLAY", None)
    environment |= {
        "LC_ALL": "C",
        "LANGUAGE": "",
        "GIT_TERMINAL_PROMPT": "0",
        "GCM_INTERACTIVE": "never",
        "SSH_ASKPASS_REQUIRE": "never",
        "GIT_OPTIONAL_LOCKS": "0",
    }
    return environment


def explain(error: GitError, url: str) -> CheckoutFailed:
    """The failure to reach the repository at `url`, in the user's words, with what to do about it."""
    shown, host = without_secrets(url), urlsplit(url).hostname or "the host"
    advice = {
        Failure.ACCESS: "the host refused access. Set agent.git_user and agent.git_pass (or CLEARML_AGENT_GIT_USER and "
        "CLEARML_AGENT_GIT_PASS) to a user and token that may read it, or add the ssh key of the user that runs the "
        "agent",
        Failure.HOST_KEY: "ssh does not know the host. Run `ssh-keyscan HOST >> ~/.ssh/known_hosts` as the user that "
        "runs the agent",
        Failure.MISSING: "there is no such repository, or the agent's credentials may not see it. Correct the task's "
        "repository, or set agent.git_user and agent.git_pass",
        Failure.REFUSED: "git's rules forbid this kind of address. Use https or ssh, or allow it in the git "
        "configuration of the user that runs the agent (protocol.<name>.allow)",
        Failure.NETWORK: f"{host} cannot be reached from this machine. Check the address, the network and the proxy",
        Failure.DISK: "this machine's disk is full or cannot be written. Make room and enqueue the task again",
        Failure.OTHER: "git failed. Its output is below",
    }[error.kind]
    return CheckoutFailed(f"cannot get the repository {shown}: {advice}.\n{_last_lines(error.text)}")


def _last_lines(text: str, count: int = 12) -> str:
    return "\n".join(text.splitlines()[-count:])


def _answering_script(address: Address, folder: Path) -> str:
    """An ask-pass program that answers questions about the host of `address` only (git may be sent elsewhere)."""
    parts = urlsplit(address.url)
    host = parts.netloc
    where = shlex.quote(str(folder))
    return (
        "#!/bin/sh\n"
        'case "$1" in\n'
        f'*"://{host}\'"*|*"://{host}/"*|*"@{host}\'"*|*"@{host}/"*) ;;\n'
        "*) exit 1 ;;\n"
        "esac\n"
        'case "$1" in\n'
        f"Username*) cat {where}/user ;;\n"
        f"Password*) cat {where}/password ;;\n"
        "*) exit 1 ;;\n"
        "esac\n"
    )


def _header_config(address: Address, kind: str, secret: str) -> str:
    """A git configuration that sends `secret` as a header to the host of `address`, and no other."""
    parts = urlsplit(address.url)
    value = f"Bearer {secret}" if kind == "entra" else "Basic " + base64.b64encode(f":{secret}".encode()).decode()
    return f'[http "{parts.scheme}://{parts.netloc}/"]\n\textraHeader = "Authorization: {value}"\n'


def _add_settings(environment: dict[str, str], settings: Mapping[str, str]) -> None:
    """Settings above every configuration file, after those that the agent's own environment has."""
    count = int(environment.get("GIT_CONFIG_COUNT") or 0)
    for number, (name, value) in enumerate(settings.items(), start=count):
        environment[f"GIT_CONFIG_KEY_{number}"] = name
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    environment["GIT_CONFIG_COUNT"] = str(count + len(settings))


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
