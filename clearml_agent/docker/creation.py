"""What the engine's API is asked to create, from options, mounts, GPUs and labels. Pure.

Source: Docker Engine API 1.40 (19.03, the first with device requests), "Create a container".
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from clearml_agent.docker.options import Option
from clearml_agent.errors import UsageError

N = TypeVar("N", int, float)
UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
IGNORED = frozenset(
    {
        "rm", "detach", "tty", "interactive", "name", "restart", "pull", "platform", "log-driver", "log-opt", "attach",
        "cidfile", "detach-keys", "sig-proxy", "quiet", "disable-content-trust", "health-cmd", "health-interval",
        "health-retries", "health-start-interval", "health-start-period", "health-timeout", "no-healthcheck",
    }
)  # fmt: skip
"""The agent decides these itself: it looks after the container, its log, its name and its end."""

HOST_FIELDS = {
    "ipc": "IpcMode",
    "pid": "PidMode",
    "uts": "UTSMode",
    "userns": "UsernsMode",
    "cgroupns": "CgroupnsMode",
    "runtime": "Runtime",
    "network": "NetworkMode",
    "cpuset-cpus": "CpusetCpus",
    "cpuset-mems": "CpusetMems",
    "cgroup-parent": "CgroupParent",
    "volume-driver": "VolumeDriver",
}
HOST_NUMBERS = {
    "cpu-shares": "CpuShares",
    "cpu-period": "CpuPeriod",
    "cpu-quota": "CpuQuota",
    "pids-limit": "PidsLimit",
    "oom-score-adj": "OomScoreAdj",
    "memory-swappiness": "MemorySwappiness",
    "blkio-weight": "BlkioWeight",
}
HOST_SIZES = {
    "memory": "Memory",
    "memory-swap": "MemorySwap",
    "memory-reservation": "MemoryReservation",
    "shm-size": "ShmSize",
}
HOST_SWITCHES = {
    "privileged": "Privileged",
    "read-only": "ReadonlyRootfs",
    "init": "Init",
    "publish-all": "PublishAllPorts",
    "oom-kill-disable": "OomKillDisable",
}
HOST_LISTS = {
    "cap-add": "CapAdd",
    "cap-drop": "CapDrop",
    "add-host": "ExtraHosts",
    "dns": "Dns",
    "dns-search": "DnsSearch",
    "dns-option": "DnsOptions",
    "security-opt": "SecurityOpt",
    "group-add": "GroupAdd",
    "device-cgroup-rule": "DeviceCgroupRules",
    "volumes-from": "VolumesFrom",
    "link": "Links",
}
HOST_PAIRS = {"sysctl": "Sysctls", "storage-opt": "StorageOpt"}
OWN_FIELDS = {
    "user": "User",
    "workdir": "WorkingDir",
    "hostname": "Hostname",
    "domainname": "Domainname",
    "mac-address": "MacAddress",
    "stop-signal": "StopSignal",
}


class Mount(msgspec.Struct, frozen=True):
    """A folder or file of this machine in the container."""

    source: str
    target: str
    read_only: bool = False


class Published(msgspec.Struct, frozen=True):
    """One `-p`: port of the container, its protocol, and the host's address and port ("" for any)."""

    inner: str
    address: str = ""
    outer: str = ""


def creation(
    image: str,
    options: Sequence[Option],
    *,
    command: Sequence[str],
    mounts: Sequence[Mount],
    labels: dict[str, str],
    gpus: dict[str, Any] | None,
    environ: dict[str, str],
) -> dict[str, Any]:
    """The body of the call that creates a container.

    Args:
        gpus: what `device_request` answers, unless the options have `--gpus`.
        environ: variables of every process in it, which `docker inspect` shows; those of the options win.

    Raises UsageError that names the argument.
    """
    host: dict[str, Any] = {"AutoRemove": False, "LogConfig": {"Type": "none", "Config": {}}}
    # What an image says of checking and stopping is about its entrypoint, which does not run.
    body: dict[str, Any] = {"Image": image, "Cmd": list(command), "Entrypoint": [], "Tty": False, "OpenStdin": False}
    body |= {"StopSignal": "SIGTERM", "Healthcheck": {"Test": ["NONE"]}}
    found = dict(environ)
    named = dict(labels)
    requests = [gpus] if gpus else []
    exposed: dict[str, Any] = {}
    bindings: dict[str, list[dict[str, str]]] = {}
    networking: dict[str, Any] = {}
    for option in options:
        name, value = option.name, option.value
        if name in IGNORED:
            continue
        if name in HOST_FIELDS:
            host[HOST_FIELDS[name]] = value
        elif name in HOST_NUMBERS:
            host[HOST_NUMBERS[name]] = _number(option)
        elif name in HOST_SIZES:
            host[HOST_SIZES[name]] = size(value, name)
        elif name in HOST_SWITCHES:
            host[HOST_SWITCHES[name]] = value == "true"
        elif name in HOST_LISTS:
            host.setdefault(HOST_LISTS[name], []).append(value)
        elif name in HOST_PAIRS:
            key, _, text = value.partition("=")
            host.setdefault(HOST_PAIRS[name], {})[key] = text
        elif name in OWN_FIELDS:
            body[OWN_FIELDS[name]] = value
        elif name == "entrypoint":
            body["Entrypoint"] = shlex.split(value)
        elif name == "env":
            key, equals, text = value.partition("=")
            if equals:  # the name alone stands for the agent's own value, and it has none
                found[key] = text
        elif name == "label":
            key, _, text = value.partition("=")
            named[key] = text
        elif name == "cpus":
            host["NanoCpus"] = round(_fraction(option) * 1e9)
        elif name == "gpus":
            requests = [device_request(value)]
        elif name == "volume":
            host.setdefault("Binds", []).append(_volume(value))
        elif name == "mount":
            host.setdefault("Mounts", []).append(_mount(value))
        elif name == "tmpfs":
            target, _, how = value.partition(":")
            host.setdefault("Tmpfs", {})[target] = how
        elif name == "device":
            host.setdefault("Devices", []).append(_device(value))
        elif name == "ulimit":
            host.setdefault("Ulimits", []).append(_ulimit(value))
        elif name == "expose":
            exposed[_with_protocol(value)] = {}
        elif name == "publish":
            for port in published(value):
                exposed[port.inner] = {}
                bindings.setdefault(port.inner, []).append({"HostIp": port.address, "HostPort": port.outer})
        elif name == "network-alias":
            networking.setdefault("Aliases", []).append(value)
        elif name in ("ip", "ip6"):
            networking.setdefault("IPAMConfig", {})["IPv4Address" if name == "ip" else "IPv6Address"] = value
        elif name == "stop-timeout":
            body["StopTimeout"] = _number(option)
        else:
            raise UsageError(f"the container argument --{name} is not supported")
    host.setdefault("Mounts", []).extend(
        {"Type": "bind", "Source": mount.source, "Target": mount.target, "ReadOnly": mount.read_only}
        for mount in mounts
    )
    if requests:
        host["DeviceRequests"] = requests
    if bindings:
        host["PortBindings"] = bindings
    if exposed:
        body["ExposedPorts"] = exposed
    if networking:
        body["NetworkingConfig"] = {"EndpointsConfig": {str(host.get("NetworkMode") or "default"): networking}}
    return {**body, "Env": [f"{key}={text}" for key, text in found.items()], "Labels": named, "HostConfig": host}


def targets(options: Sequence[Option]) -> set[str]:
    """Where in the container the mounts of the arguments are."""
    found = {_volume(option.value).split(":")[1] for option in options if option.name == "volume"}
    found |= {str(_mount(option.value)["Target"]) for option in options if option.name == "mount"}
    return {target.rstrip("/") or "/" for target in found}


def size(text: str, name: str = "size") -> int:
    """Bytes of `512m`, `1.5gb`, `8G`; -1 stands for no limit. Raises UsageError."""
    if text == "-1":
        return -1
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([bkmgt]?)i?b?\s*", text, re.IGNORECASE)
    if match is None:
        raise UsageError(f"{text!r} of the container argument --{name} is no size such as 8g")
    return int(float(match[1]) * UNITS[match[2].lower()])


def device_request(text: str) -> dict[str, Any]:
    """`all`, `2`, `device=0,1`, `"device=GPU-...",capabilities=utility` as the API has it. Raises UsageError."""
    found: dict[str, Any] = {"Driver": "", "Capabilities": [["gpu"]]}
    text = text.strip().strip("'")
    if text == "all":
        return {**found, "Count": -1}
    if text.isdigit():
        return {**found, "Count": int(text)}
    # Commas divide fields and devices alike: a field in double quotes keeps its own; otherwise a word without `=`
    # goes on with the field before it.
    fields: list[tuple[str, str]] = []
    for word in re.findall(r'"[^"]*"|[^,]+', text):
        name, equals, value = word.strip('"').partition("=")
        if equals:
            fields.append((name, value))
        elif fields:
            fields[-1] = (fields[-1][0], f"{fields[-1][1]},{name}")
        elif name == "all":
            fields.append(("count", "all"))
        else:
            raise UsageError(f"--gpus {text!r} is not understood: all, a number, or device=0,1")
    for name, value in fields:
        if name == "device":
            found["DeviceIDs"] = [one for one in value.split(",") if one]
        elif name == "count":
            found["Count"] = -1 if value == "all" else int(value)
        elif name == "capabilities":
            found["Capabilities"] = [["gpu", *[one for one in value.split(",") if one != "gpu"]]]
        elif name == "driver":
            found["Driver"] = value
        else:
            raise UsageError(f"--gpus {text!r}: there is no field {name}")
    if "DeviceIDs" not in found:
        found.setdefault("Count", 1)
    return found


def published(text: str) -> list[Published]:
    """`8080`, `80:8080`, `127.0.0.1:80:8080/udp`, `8000-8002:9000-9002`, `[::1]:80:80`. Raises UsageError."""
    match = re.fullmatch(
        r"(?:(\[[0-9a-fA-F:]+\]|[^:/\[\]]*):)??(?:([\d-]*):)?(\d+(?:-\d+)?)(?:/(tcp|udp|sctp))?", text.strip()
    )
    if match is None:
        raise UsageError(f"-p {text!r} is not understood: [address:][port:]port[/tcp]")
    address, outer, inner, protocol = match[1] or "", match[2] or "", match[3], match[4] or "tcp"
    inners, outers = _range(inner), _range(outer) if outer else []
    if outers and len(outers) != len(inners):
        raise UsageError(f"-p {text!r} has ranges of different lengths")
    return [
        Published(f"{port}/{protocol}", address.strip("[]"), str(outers[place]) if outers else "")
        for place, port in enumerate(inners)
    ]


def _range(text: str) -> list[int]:
    first, dash, last = text.partition("-")
    return list(range(int(first), int(last) + 1)) if dash else [int(first)]


def _with_protocol(port: str) -> str:
    return port if "/" in port else f"{port}/tcp"


def _volume(value: str) -> str:
    if ":" not in value:
        raise UsageError(f"-v {value} names no place for it in the container: -v {value}:/data")
    return value


def _mount(value: str) -> dict[str, Any]:
    fields = dict(field.partition("=")[::2] for field in value.split(","))
    known = {"type", "source", "src", "target", "destination", "dst", "readonly", "ro", "bind-propagation"}
    known |= {"tmpfs-size", "tmpfs-mode"}
    if unknown := set(fields) - known:
        raise UsageError(f"--mount {value}: {', '.join(sorted(unknown))} is not supported")
    target = fields.get("target") or fields.get("destination") or fields.get("dst")
    if not target:
        raise UsageError(f"--mount {value} has no target")
    found: dict[str, Any] = {
        "Type": fields.get("type", "volume"),
        "Source": fields.get("source") or fields.get("src") or "",
        "Target": target,
        "ReadOnly": any(fields.get(name) in ("", "true", "1") for name in ("readonly", "ro")),
    }
    if "bind-propagation" in fields:
        found["BindOptions"] = {"Propagation": fields["bind-propagation"]}
    if "tmpfs-size" in fields:
        found["TmpfsOptions"] = {"SizeBytes": size(fields["tmpfs-size"], "mount")}
    if "tmpfs-mode" in fields:
        found.setdefault("TmpfsOptions", {})["Mode"] = _mode(fields["tmpfs-mode"])
    return found


def _mode(text: str) -> int:
    try:
        return int(text, 8)
    except ValueError:
        raise UsageError(f"{text!r} of the container argument --mount is no mode such as 1770") from None


def _device(value: str) -> dict[str, str]:
    source, _, rest = value.partition(":")
    target, _, rights = rest.partition(":")
    if target and not target.startswith("/"):
        target, rights = "", target
    return {"PathOnHost": source, "PathInContainer": target or source, "CgroupPermissions": rights or "rwm"}


def _ulimit(value: str) -> dict[str, Any]:
    name, _, limits = value.partition("=")
    soft, _, hard = limits.partition(":")
    try:
        return {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}
    except ValueError:
        raise UsageError(f"--ulimit {value} is not understood: nofile=1024:2048") from None


def _number(option: Option) -> int:
    return _converted(option, int)


def _fraction(option: Option) -> float:
    return _converted(option, float)


def _converted(option: Option, kind: Callable[[str], N]) -> N:
    try:
        return kind(option.value)
    except ValueError:
        raise UsageError(f"{option.value!r} of the container argument --{option.name} is no number") from None
