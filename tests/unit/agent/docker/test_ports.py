"""Published ports that are in use here move."""

from __future__ import annotations

import socket

from clearml_agent.docker.options import parse, split
from clearml_agent.docker.ports import with_free_ports


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
