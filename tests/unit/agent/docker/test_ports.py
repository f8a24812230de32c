"""Published ports that are in use here move."""

from __future__ import annotations

import socket

from clearml_agent.docker.options import parse, split
from clearml_agent.docker.ports import host_address, mapping, with_free_ports


def published(text: str, ports: tuple[int, ...]) -> list[str]:
    return [option.value for option in with_free_ports(parse(split(text)), ports) if option.name == "publish"]


def test_port_in_use_moves_into_the_range() -> None:
    with socket.socket() as taken, socket.socket() as also:
        for one in (taken, also):
            one.bind(("", 0))
            one.listen()
        used, next_used = taken.getsockname()[1], also.getsockname()[1]
        (moved,) = published(f"-p {used}:80", (next_used, next_used + 20))
        outer, _, inner = moved.partition(":")
        assert inner == "80/tcp" and next_used < int(outer) <= next_used + 20
        assert published(f"-p {used}:80", ()) == [f"{used}:80"]
    assert published(f"-p 127.0.0.1:{used}:80 -p 90", (1, 2)) == [f"127.0.0.1:{used}:80/tcp", "90/tcp"]


def test_ports_that_a_task_is_told_of() -> None:
    options = parse(split("-p 8000-8001:80-81 -p 127.0.0.1:53:53/udp -p 90 -e A=1"))
    assert mapping(options) == {"80": 8000, "81": 8001}


def test_address_of_this_machine_is_that_on_the_way_to_the_server() -> None:
    assert host_address("http://127.0.0.1:8008") == "127.0.0.1"
    assert host_address("http://no-such-host.invalid") == ""
