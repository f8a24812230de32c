"""The arguments of a container: the agent's own and the task's, filtered and merged. Pure, but for --env-file.

Source: contract/agent_behaviour.md 8, and the keys agent.*docker_arg* of config_surface.json.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from clearml_agent.docker.options import Option, parse, split
from clearml_agent.docker.templates import Templates
from clearml_agent.errors import UsageError

ALLOWED_KEY, FOLDERS_KEY = "agent.docker_allow_host_access", "agent.docker_allowed_mounts"
NO_TEMPLATES = Templates()
NAMESPACES = ("network", "ipc", "pid", "uts", "userns", "cgroupns")
REPEATED = frozenset(
    {
        "env", "env-file", "volume", "mount", "publish", "expose", "network-alias", "cap-add", "cap-drop", "device",
        "device-cgroup-rule", "add-host", "dns", "dns-search", "dns-option", "ulimit", "tmpfs", "security-opt",
        "group-add", "label", "log-opt", "volumes-from", "sysctl", "storage-opt", "link", "attach",
    }
)  # fmt: skip
"""Options that may be given more than once; of the others the last counts."""


class Rules(msgspec.Struct, frozen=True):
    """What the configuration says about arguments.

    filters: of a task's arguments those remain whose switch (`--env`, `-e`) one of these patterns finds; None: all.
    forbidden: names that count from nobody. protected: names that, given by both, count as the agent says.
    extra_first: the agent's own arguments stand before the task's.
    host_access: whether a task may ask for privileges, devices, host namespaces and mounts outside of `folders`.
    """

    filters: tuple[str, ...] | None = None
    forbidden: tuple[str, ...] = ("entrypoint",)
    protected: tuple[str, ...] = ("privileged", "security-opt", "network", "ipc")
    extra_first: bool = True
    host_access: bool = True
    folders: tuple[str, ...] = ()
    allow_host_environ: bool = False


class Merged(msgspec.Struct, frozen=True):
    """The options, and what was left out and why, a line each."""

    options: list[Option]
    said: list[str]


def merge(
    extra: str | Sequence[str],
    own: str | Sequence[str],
    rules: Rules,
    environ: Mapping[str, str],
    templates: Templates = NO_TEMPLATES,
) -> Merged:
    """The agent's `extra` arguments with those of the task or of the default image.

    Args:
        environ: of the agent, for `-e NAME=$VALUE`.

    Raises UsageError for arguments that are not understood.
    """
    said: list[str] = []
    agents = [expanded(templates.fill(option, is_agents=True), environ) for option in parse(split(extra))]
    tasks = [templates.fill(option, is_agents=False) for option in parse(split(own))]
    if rules.allow_host_environ:
        tasks = [expanded(option, environ) for option in tasks]
    if rules.filters is not None:
        tasks, out = _parted(tasks, lambda option: passes(option, rules.filters or ()))
        said += [f"{shown(option)} is left out: agent.docker_args_filters does not allow it" for option in out]
    if not rules.host_access:
        refused = [(option, why_refused(option, rules.folders)) for option in tasks]
        tasks = [option for option, why in refused if not why]
        said += [
            f"{shown(option)} is left out: a task may not {why} (set {ALLOWED_KEY}"
            f"{f' or list the folder in {FOLDERS_KEY}' if option.name in ('volume', 'mount') else ''} to allow it)"
            for option, why in refused
            if why
        ]
    agents_names = {option.name for option in agents}
    tasks = [option for option in tasks if not (option.name in rules.protected and option.name in agents_names)]
    found = [*agents, *tasks] if rules.extra_first else [*tasks, *agents]
    found, out = _parted(found, lambda option: option.name not in rules.forbidden)
    said += [f"{shown(option)} is left out: agent.forbidden_docker_args names it" for option in out]
    return Merged(with_env_files(once(found)), said)


def expanded(option: Option, environ: Mapping[str, str]) -> Option:
    """`-e NAME=$VALUE` with the value that it has on this machine; `-e NAME` likewise."""
    if option.name != "env":
        return option
    name, equals, value = option.value.partition("=")
    if not equals:
        return msgspec.structs.replace(option, value=f"{name}={environ[name]}") if name in environ else option
    value = re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda match: environ.get(match[1] or match[2], match[0]), value)
    return msgspec.structs.replace(option, value=f"{name}={value}")


def with_env_files(options: Sequence[Option]) -> list[Option]:
    """`--env-file` as the variables in it. Raises UsageError for a file that cannot be read."""
    found: list[Option] = []
    for option in options:
        if option.name != "env-file":
            found.append(option)
            continue
        try:
            lines = Path(option.value).read_text().splitlines()
        except OSError as error:
            raise UsageError(f"--env-file {option.value}: {error.strerror}") from None
        found += [Option("env", line.strip(), "-e") for line in lines if line.strip() and not line.startswith("#")]
    return found


def passes(option: Option, patterns: Sequence[str]) -> bool:
    """Whether a pattern finds the switch, as it was written or with its name written out."""
    return any(re.search(pattern, text) for pattern in patterns for text in (option.written, f"--{option.name}"))


def why_refused(option: Option, folders: Sequence[str]) -> str:
    """What an option would give a task of this machine; "" when nothing but its own container."""
    name, value = option.name, option.value
    if name == "privileged" and value == "true":
        return "be privileged"
    if name in NAMESPACES and (value == "host" or value.startswith("container:")):
        return f"use the {name} namespace of the host or of another container"
    if name in ("device", "device-cgroup-rule"):
        return "use devices of the host"
    if name in (
        "cap-add",
        "security-opt",
        "runtime",
        "cgroup-parent",
        "sysctl",
        "env-file",
        "volumes-from",
        "volume-driver",
    ):
        return f"set {name}"
    if name in ("volume", "mount") and (source := mount_source(option)) and not _is_below(source, folders):
        return f"mount {source}"
    return ""


def mount_source(option: Option) -> str:
    """The host's folder that `-v` or `--mount` names; "" for a volume of the engine's own."""
    if option.name == "volume":
        source, colon, _ = option.value.partition(":")
        return source if colon and source.startswith(("/", ".", "~")) else ""
    fields = dict(field.partition("=")[::2] for field in option.value.split(","))
    is_bind = fields.get("type", "volume") == "bind"
    has_driver = any("volume-" in name for name in fields)  # `volume-opt=device=/` is a mount of the host as well
    source = str(fields.get("source") or fields.get("src") or "")
    return source if is_bind else "a volume with options" if has_driver else ""


def once(options: Sequence[Option]) -> list[Option]:
    """Each option that means one thing once, with its last value, in the order of their last appearance."""
    found: list[Option] = []
    for option in options:
        if option.name not in REPEATED:
            found = [known for known in found if known.name != option.name]
        found.append(option)
    return found


def shown(option: Option) -> str:
    """An option for a log: without the value of a variable, which may be a secret."""
    if option.name == "env":
        return f"{option.written or '--env'} {option.value.partition('=')[0]}"
    return " ".join(option.words)


def _is_below(path: str, folders: Sequence[str]) -> bool:
    inner = PurePosixPath(path)
    return ".." not in inner.parts and any(inner.is_relative_to(folder) for folder in folders)


def _parted(options: Sequence[Option], keeps: Any) -> tuple[list[Option], list[Option]]:
    kept = [option for option in options if keeps(option)]
    return kept, [option for option in options if not keeps(option)]
