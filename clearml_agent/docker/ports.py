"""Published ports that are in use on this machine move into a range of the configuration."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from clearml_agent.docker import creation
from clearml_agent.docker.options import Option


def with_free_ports(options: Sequence[Option], ports: Sequence[int]) -> list[Option]:
    """The options with published ports that are in use here moved into the range `ports` (first, last)."""
    if len(ports) != 2:
        return list(options)
    free = iter(port for port in range(ports[0], ports[1] + 1) if is_free_port(port))
    found: list[Option] = []
    for option in options:
        if option.name == "publish":
            for port in creation.published(option.value):
                outer = port.outer
                if outer and not is_free_port(int(outer)):
                    outer = str(next(free, outer))
                address = f"{port.address}:" if port.address else ""
                found.append(Option("publish", f"{address}{outer}:{port.inner}" if outer else f"{address}{port.inner}"))
        else:
            found.append(option)
    return found


def mapping(options: Sequence[Option]) -> dict[str, int]:
    """Port of the container -> port of this machine, for those of TCP that are published under a known one. Pure.

    On the host's network the engine publishes nothing: there is none.
    """
    found: dict[str, int] = {}
    if any(option.name == "network" and option.value == "host" for option in options):
        return found
    for option in options:
        for port in creation.published(option.value) if option.name == "publish" else ():
            inner, _, protocol = port.inner.partition("/")
            if port.outer and protocol == "tcp":
                found[inner] = int(port.outer)
    return found


def host_address(server: str) -> str:
    """This machine's address as others see it who can be reached like the server; "" where there is none. Blocking."""
    parts = urlsplit(server)
    try:
        family, kind, _, _, address = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(address)  # sends nothing
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def is_free_port(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
