"""`docker run` arguments, from the words of a command line to options with their names written out. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import msgspec

from clearml_agent.errors import UsageError

SHORT = {
    "e": "env",
    "v": "volume",
    "p": "publish",
    "P": "publish-all",
    "u": "user",
    "w": "workdir",
    "h": "hostname",
    "l": "label",
    "m": "memory",
    "c": "cpu-shares",
    "t": "tty",
    "i": "interactive",
    "d": "detach",
    "a": "attach",
    "q": "quiet",
}
ALIASES = {"net": "network", "net-alias": "network-alias", "dns-opt": "dns-option"}

SWITCHES = frozenset(
    {
        "privileged", "init", "read-only", "rm", "detach", "tty", "interactive", "publish-all", "oom-kill-disable",
        "no-healthcheck", "sig-proxy", "quiet", "disable-content-trust",
    }
)  # fmt: skip
"""Options that need no value; `--name=false` switches one off."""

VALUED = frozenset(
    {
        "env", "env-file", "volume", "mount", "publish", "expose", "network", "network-alias", "ip", "mac-address",
        "ipc", "pid", "uts", "userns", "cgroupns", "shm-size", "gpus", "user", "workdir", "entrypoint", "cap-add",
        "cap-drop", "device", "device-cgroup-rule", "add-host", "dns", "dns-search", "dns-option", "memory",
        "memory-swap", "memory-reservation", "cpus", "cpu-shares", "cpu-period", "cpu-quota", "cpuset-cpus",
        "cpuset-mems", "pids-limit", "ulimit", "tmpfs", "security-opt", "group-add", "hostname", "label", "name",
        "runtime", "restart", "stop-signal", "stop-timeout", "log-driver", "log-opt", "volumes-from", "sysctl",
        "storage-opt", "oom-score-adj", "cgroup-parent", "platform", "pull", "attach", "cidfile", "detach-keys",
        "health-cmd", "health-interval", "health-retries", "health-start-interval", "health-start-period",
        "health-timeout", "domainname", "ip6", "link", "memory-swappiness", "blkio-weight", "volume-driver",
    }
)  # fmt: skip


class Option(msgspec.Struct, frozen=True):
    """One option. name: long, without dashes; value: "true" or "false" of a switch; written: as it was (`-e`)."""

    name: str
    value: str
    written: str = ""

    @property
    def words(self) -> list[str]:
        """As on a command line."""
        if self.name in SWITCHES:
            return [f"--{self.name}"] if self.value == "true" else [f"--{self.name}={self.value}"]
        return [self.written or f"--{self.name}", self.value]


def split(text: str | Sequence[str]) -> list[str]:
    """The words of an arguments text, quoted as in a shell. Raises UsageError."""
    if not isinstance(text, str):
        return [str(word) for word in text]
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"the container arguments {text!r} cannot be read: {error}") from None


def parse(words: Sequence[str]) -> list[Option]:
    """The options of `words`. Raises UsageError that names what is not understood."""
    found: list[Option] = []
    index = 0

    def value_of(option: str, rest: str | None) -> str:
        nonlocal index
        if rest is not None:
            return rest
        if index >= len(words):
            raise UsageError(f"the container argument {option} needs a value")
        index += 1
        return words[index - 1]

    while index < len(words):
        word = words[index]
        index += 1
        if word.startswith("--"):
            written, equals, rest = word.partition("=")
            name = ALIASES.get(written[2:], written[2:])
            if name in SWITCHES:
                found.append(Option(name, rest.lower() if equals else "true", written))
            elif name in VALUED:
                found.append(Option(name, value_of(written, rest if equals else None), written))
            else:
                raise UsageError(f"the container argument {written} is not supported")
        elif word.startswith("-") and len(word) > 1:
            found += _short(word, value_of)
        elif word:
            raise UsageError(f"{word!r} among the container arguments belongs to no option")
    return found


def _short(word: str, value_of: object) -> list[Option]:
    """`-it`, `-e A=1`, `-eA=1`."""
    assert callable(value_of)
    found: list[Option] = []
    for place, letter in enumerate(word[1:], start=1):
        name = SHORT.get(letter)
        if name is None:
            raise UsageError(f"the container argument -{letter} (in {word}) is not supported")
        if name in SWITCHES:
            found.append(Option(name, "true", f"-{letter}"))
            continue
        rest = word[place + 1 :].removeprefix("=")
        return [*found, Option(name, value_of(f"-{letter}", rest or None), f"-{letter}")]
    return found
