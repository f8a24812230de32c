"""What the engine's API is asked to create."""

from __future__ import annotations

from typing import Any

import pytest

from clearml_agent.docker.creation import Mount, creation, device_request, published, size
from clearml_agent.docker.options import VALUED, parse, split
from clearml_agent.errors import UsageError


def created(text: str, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"command": ["sh"], "mounts": [], "labels": {}, "gpus": None, "environ": {}}
    return creation("image", parse(split(text)), **{**given, **more})


def device(outer: str, inner: str, rights: str) -> dict[str, str]:
    return {"PathOnHost": outer, "PathInContainer": inner, "CgroupPermissions": rights}


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("--shm-size 8g", "ShmSize", 8 << 30),
        ("-m 512m --memory-swap -1", "MemorySwap", -1),
        ("-m 1.5gb", "Memory", 3 << 29),
        ("--cpus 1.5", "NanoCpus", 1_500_000_000),
        ("--ipc=host", "IpcMode", "host"),
        ("--network none", "NetworkMode", "none"),
        ("--privileged", "Privileged", True),
        ("--init=false", "Init", False),
        ("--cap-add A --cap-add B", "CapAdd", ["A", "B"]),
        ("--add-host a:1.2.3.4", "ExtraHosts", ["a:1.2.3.4"]),
        ("--device /dev/x", "Devices", [device("/dev/x", "/dev/x", "rwm")]),
        ("--device /dev/x:/dev/y:r", "Devices", [device("/dev/x", "/dev/y", "r")]),
        ("--device /dev/x:rw", "Devices", [device("/dev/x", "/dev/x", "rw")]),
        ("--ulimit nofile=1:2", "Ulimits", [{"Name": "nofile", "Soft": 1, "Hard": 2}]),
        ("--ulimit core=0", "Ulimits", [{"Name": "core", "Soft": 0, "Hard": 0}]),
        ("--tmpfs /t:size=1m", "Tmpfs", {"/t": "size=1m"}),
        ("--sysctl net.x=1", "Sysctls", {"net.x": "1"}),
        ("-v /a:/b:ro -v named:/c", "Binds", ["/a:/b:ro", "named:/c"]),
        ("--gpus 2", "DeviceRequests", [{"Driver": "", "Capabilities": [["gpu"]], "Count": 2}]),
        ("--pids-limit 10", "PidsLimit", 10),
    ],
)  # fmt: skip
def test_options_of_the_host(text: str, field: str, expected: object) -> None:
    assert created(text)["HostConfig"][field] == expected


def test_options_of_the_container() -> None:
    body = created("-u 1:2 -w /work -h name -e A=1 -e A=2 -l x=y --entrypoint '' -p 80:8080 --stop-timeout 5")
    assert (body["User"], body["WorkingDir"], body["Hostname"], body["Env"]) == ("1:2", "/work", "name", ["A=2"])
    assert (body["Labels"], body["Entrypoint"], body["StopTimeout"]) == ({"x": "y"}, [], 5)
    assert body["ExposedPorts"] == {"8080/tcp": {}}
    assert body["HostConfig"]["PortBindings"] == {"8080/tcp": [{"HostIp": "", "HostPort": "80"}]}


def test_agent_decides_name_log_and_end() -> None:
    host = created("--rm -d -it --name x --restart always --log-driver syslog")["HostConfig"]
    assert (host["AutoRemove"], host["LogConfig"]["Type"], "RestartPolicy" in host) == (False, "none", False)


def test_mounts_and_gpus_of_the_agent_come_beside_those_of_the_arguments() -> None:
    request = {"Driver": "", "Capabilities": [["gpu"]], "Count": -1}
    body = created("--mount type=bind,src=/x,dst=/y,readonly", mounts=[Mount("/a", "/b", True)], gpus=request)
    assert [(m["Source"], m["Target"], m["ReadOnly"]) for m in body["HostConfig"]["Mounts"]] == [
        ("/x", "/y", True),
        ("/a", "/b", True),
    ]
    assert body["HostConfig"]["DeviceRequests"] == [request]
    assert created("--gpus 1", gpus=request)["HostConfig"]["DeviceRequests"][0]["Count"] == 1


def test_memory_as_a_disk_has_its_size() -> None:
    (mount,) = created("--mount type=tmpfs,dst=/x,tmpfs-size=2m,tmpfs-mode=1770")["HostConfig"]["Mounts"]
    assert (mount["Type"], mount["TmpfsOptions"]) == ("tmpfs", {"SizeBytes": 2 << 20, "Mode": 0o1770})


def test_what_an_image_says_of_its_entrypoint_does_not_count() -> None:
    body = created("--health-cmd 'curl localhost' --no-healthcheck")
    assert (body["Healthcheck"], body["StopSignal"]) == ({"Test": ["NONE"]}, "SIGTERM")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", {"Count": -1}),
        ("device=0,1", {"DeviceIDs": ["0", "1"]}),
        ('"device=0,1"', {"DeviceIDs": ["0", "1"]}),
        ("'\"device=GPU-a,GPU-b\"'", {"DeviceIDs": ["GPU-a", "GPU-b"]}),
        ('"device=0,1",capabilities=utility', {"DeviceIDs": ["0", "1"], "Capabilities": [["gpu", "utility"]]}),
        ("count=2", {"Count": 2}),
        ("capabilities=utility", {"Count": 1, "Capabilities": [["gpu", "utility"]]}),
    ],
)
def test_gpus_in_every_form(text: str, expected: dict[str, Any]) -> None:
    assert device_request(text) == {"Driver": "", "Capabilities": [["gpu"]], **expected}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8080", [("8080/tcp", "", "")]),
        ("80:8080/udp", [("8080/udp", "", "80")]),
        ("127.0.0.1:80:8080", [("8080/tcp", "127.0.0.1", "80")]),
        ("127.0.0.1::8080", [("8080/tcp", "127.0.0.1", "")]),
        ("[::1]:80:8080", [("8080/tcp", "::1", "80")]),
        ("80-81:90-91", [("90/tcp", "", "80"), ("91/tcp", "", "81")]),
    ],
)
def test_published_ports_in_every_form(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert [(port.inner, port.address, port.outer) for port in published(text)] == expected


@pytest.mark.parametrize(
    "text",
    ["--memory much", "--cpus many", "-v /x", "-p x:y", "-p 80-82:90-91", "--mount type=bind,src=/x", "--ulimit x",
     "--gpus 'nonsense'", "--gpus x=1", "--mount type=bind,dst=/x,consistency=cached",
     "--mount type=tmpfs,dst=/x,tmpfs-mode=rwx"],
)  # fmt: skip
def test_mistakes_are_named(text: str) -> None:
    with pytest.raises(UsageError):
        created(text)


def test_every_option_that_is_read_is_understood() -> None:
    """None is accepted by the one module and unknown to the other."""
    numbers = {"cpus", "cpu-shares", "cpu-period", "cpu-quota", "pids-limit", "oom-score-adj", "stop-timeout"}
    numbers |= {"memory-swappiness", "blkio-weight"}
    examples = {"mount": "dst=/x", "volume": "a:/x", "publish": "80", "ulimit": "core=1", "gpus": "all", "expose": "80"}
    sizes = {"memory", "memory-swap", "memory-reservation", "shm-size"}
    for name in sorted(VALUED - {"env-file"}):
        value = examples.get(name) or ("1" if name in numbers | sizes else "x=1")
        created(f"--{name} {value}")


def test_sizes() -> None:
    assert [size(text) for text in ("1", "1b", "1k", "2M", "1gb", "-1", "1GiB")] == [
        1, 1, 1024, 2 << 20, 1 << 30, -1, 1 << 30,
    ]  # fmt: skip
