"""Published ports that are in use on this machine move into a range of the configuration."""

from __future__ import annotations

import socket
from collections.abc import Sequence

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


def is_free_port(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
