"""This machine's loopback for a container with a network of its own: the sockets that its relay asks (relay.py).

The agent opens the connections and hands them over; what goes through them does not pass it. The folder of the sockets
is mounted read only: which addresses a container reaches is decided here.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from clearml_agent.docker import relay
from clearml_agent.environments.settings import Indexes
from clearml_agent.errors import RunFailed

log = logging.getLogger("clearml_agent")

FOLDER, PROGRAM = "loopback", "relay.py"
"""Of a run's directory."""
ANY = "0.0.0.0"
PORTS = {"http": 80, "https": 443}
PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
CONNECT_S, AGAIN_S, BACKLOG = 10.0, 0.2, 4096
REFUSED = b"-"


class Targets(msgspec.Struct, frozen=True):
    """What a container reaches on this machine's loopback.

    names: `localhost:8008`, as the relay has them. hosts: names that mean a loopback address here -> that address.
    """

    names: tuple[str, ...] = ()
    hosts: dict[str, str] = {}


def addresses_of(servers: Iterable[str], indexes: Indexes, environ: Mapping[str, str]) -> list[str]:
    """Everything that a task or its installation may be told to talk to. Pure."""
    proxies = [text for name, text in environ.items() if name.lower() in PROXIES and text]
    found = [*servers, indexes.default, *indexes.extra, *indexes.find_links]
    return [*found, *(text if "://" in text else f"http://{text}" for text in proxies)]


async def targets(urls: Iterable[str]) -> Targets:
    """Those of the addresses that are on the loopback here, also under a name of this machine's own (/etc/hosts)."""
    names: dict[str, None] = {}
    hosts: dict[str, str] = {}
    for url in urls:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
        if not host or not port:
            continue
        if host == ANY:
            names[f"127.0.0.1:{port}"] = None  # what is sent to it goes there
        elif host == "localhost" or is_loopback(host):
            names[f"{host}:{port}"] = None
        elif not is_address(host) and (address := await _meaning(host)):
            names[f"{address}:{port}"] = None
            hosts[host] = address
    return Targets(tuple(names), hosts)


async def _meaning(host: str) -> str:
    """The loopback address of a name, "" when it leads elsewhere."""
    try:
        async with asyncio.timeout(CONNECT_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError):
        return ""
    known = [str(address[0]) for *_, address in found]
    return known[0] if known and all(map(is_loopback, known)) else ""


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    return is_address(host) and ipaddress.ip_address(host).is_loopback


class Gate:
    """The sockets of one run, while this agent looks after it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listeners: list[socket.socket] = []
        self._jobs: set[asyncio.Task[None]] = set()

    def open(self, names: Sequence[str]) -> None:
        """Serve these addresses. Raises RunFailed."""
        self.folder.mkdir(mode=0o755, exist_ok=True)
        place = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=place)
                listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self._listeners.append(listener)
                listener.setblocking(False)
                listener.bind(f"/proc/self/fd/{place}/{name}")  # the path of a socket has to be short
                os.chmod(name, 0o666, dir_fd=place)  # for the container's user; the folders above are the agent's alone
                listener.listen(BACKLOG)
                asyncio.get_running_loop().add_reader(listener, self._accept, listener, name)
        except OSError as error:
            raise RunFailed(
                f"the container cannot be connected to this machine's loopback ({', '.join(names)}): no socket in "
                f"{self.folder}: {error.strerror}. Set CLEARML_AGENT_HOME to a folder on a disk of this machine, or "
                "add --network host to agent.extra_docker_arguments"
            ) from None
        finally:
            os.close(place)

    def open_again(self) -> None:
        """Serve what an agent that has ended served here."""
        if self.folder.is_dir():
            self.open(sorted(os.listdir(self.folder)))

    def close(self) -> None:
        for listener in self._listeners:
            asyncio.get_running_loop().remove_reader(listener)
            listener.close()
        self._listeners.clear()
        for job in list(self._jobs):
            job.cancel()

    def _resume(self, listener: socket.socket, name: str) -> None:
        if listener in self._listeners:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener, name)

    def _accept(self, listener: socket.socket, name: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            asked, _ = listener.accept()
        except OSError as error:
            log.warning("connections of a container wait: %s", error)  # too many open files
            loop.remove_reader(listener)
            loop.call_later(AGAIN_S, self._resume, listener, name)
            return
        asked.setblocking(False)
        job = loop.create_task(_grant(asked, name), name=f"connection to {name}")
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)


async def _grant(asked: socket.socket, name: str) -> None:
    """Answer with a connection to the address, or that there is none."""
    with asked:
        found = await _connected(name)
        try:
            if found is None:
                asked.send(REFUSED)
                return
            with found:
                socket.send_fds(asked, [relay.GRANTED], [found.fileno()])
        except OSError as error:
            log.debug("connection of a container to %s: %s", name, error)  # the container has ended


async def _connected(name: str) -> socket.socket | None:
    for family, host, port in relay.addresses(name):
        found = socket.socket(family, socket.SOCK_STREAM)
        try:
            found.setblocking(False)
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(CONNECT_S):
                await asyncio.get_running_loop().sock_connect(found, (host, port))
        except (OSError, TimeoutError) as error:
            log.debug("connection of a container to %s: %s", name, error)
            found.close()
        except BaseException:
            found.close()
            raise
        else:
            return found
    return None
