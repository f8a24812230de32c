"""The server as a whole: store, table and three ports, brought up in order and taken down in stages."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from control_plane.http.api import Api
from control_plane.http.assets import load_page
from control_plane.http.files import Files
from control_plane.http.metrics import Metrics
from control_plane.http.protocol import Handler, Server
from control_plane.http.simple_index import SimpleIndex
from control_plane.http.web import Web
from control_plane.services import persistence, sealing, setup, watchdog
from control_plane.services.access import Access
from control_plane.services.table import handler_table
from control_plane.settings import Settings
from control_plane.store import Store, store_url
from control_plane.store.embedded import Durability

log = logging.getLogger(__name__)

KEEPALIVE_S = 75.0
CUT_OFF_S = 1.0
"""What a call that outlived the grace gets to notice that it is cancelled."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers: what a client needs to use it."""

    api_server: str
    web_server: str
    files_server: str
    key: setup.KeyPair
    api: Api


def _now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    """Bring the server up, and take it down at the end: no new calls, grace for those that run, then the store.

    Raises OSError when a port is taken and StoreError when the store cannot be used.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.files_dir.mkdir(exist_ok=True, mode=0o700)
    async with AsyncExitStack() as stack:
        # Taken before the store starts: a port in use is told at once, and nothing has to be undone.
        sockets = [_bind(settings.host, port) for port in (settings.api_port, settings.web_port, settings.files_port)]
        for sock in sockets:
            stack.callback(sock.close)
        api_url, web_url, files_url = (_url(settings.host, sock) for sock in sockets)

        store = await _open_store(settings, stack)
        key = await setup.shared_signing_key(store) if settings.redis_url else setup.local_signing_key(settings)
        access = Access(store, key, settings, _now)
        user = await setup.ensure_administrator(store, settings, _now())
        pair = await setup.ensure_administrator_key(store, settings, user, _now())
        await setup.ensure_default_queue(store, settings, user, _now())

        port = sockets[1].getsockname()[1]
        api = Api(
            table=handler_table(),
            store=store,
            settings=settings,
            access=access,
            origins=frozenset((*web_origins(settings.host, port), *settings.web_origins)),
            metrics=Metrics(),
            index=SimpleIndex(settings.data_dir / "wheel"),
        )
        _tell_persistence(api)
        files = Files(settings.files_dir.resolve(), access, store, api.counters, api.limits)
        addresses = {"api": api_url, "web": web_url, "files": files_url, "files-urls": " ".join(settings.files_urls)}
        page = Web(api, files, load_page(), addresses)
        handlers = (api.handle, page.handle, files.handle)
        await stack.enter_async_context(_ports(list(zip(sockets, handlers, strict=True)), settings))
        # A watchdog that dies takes the server down: a server that no longer watches is not a server.
        async with asyncio.TaskGroup() as group:
            jobs = [
                group.create_task(watchdog.run(api), name="watchdog"),
                group.create_task(sealing.run(api), name="sealing"),
                group.create_task(api.arrivals.run(), name="arrivals"),
                group.create_task(api.pressure.run(), name="store's memory"),
                group.create_task(access.uses.run(), name="last use of keys"),
                group.create_task(api.metrics.watch_loop(), name="event loop lag"),
            ]
            try:
                yield Running(api_url, web_url, files_url, pair, api)
            finally:
                log.info("stopping")
                for job in jobs:
                    job.cancel()


def _tell_persistence(api: Api) -> None:
    """Say in the log and in `/metrics` what the store may lose."""
    found = persistence.judge(api.store.persistence)
    level = logging.INFO if found.survives_power_cut else logging.WARNING
    if api.settings.redis_url:  # of the embedded store the administrator chose it with --durability
        log.log(level, "what the store may lose", extra={"text": found.text})
    for name, value in (("crash", found.survives_crash), ("power_cut", found.survives_power_cut)):
        if value is not None:
            api.metrics.gauges[f"store_survives_{name}"] = float(value)


async def _open_store(settings: Settings, stack: AsyncExitStack) -> Store:
    """The given Redis, or the embedded store under this server's supervision."""
    durability: Durability = "process" if settings.durability == "process" else "always"
    url, _ = await stack.enter_async_context(
        store_url(settings.data_dir / "store", settings.redis_url or None, durability)
    )
    store = await Store.open(url)
    stack.push_async_callback(store.close)
    await store.open_segments(settings.segments_url)
    store.warm()
    return store


@asynccontextmanager
async def _ports(served: Sequence[tuple[socket.socket, Handler]], settings: Settings) -> AsyncIterator[None]:
    """Serve the ports. At the end: take nothing new, end what only waits, let the rest finish within the grace."""
    servers = [
        Server(handler, max_body_bytes=settings.max_body_bytes, keepalive_timeout=KEEPALIVE_S) for _, handler in served
    ]
    runners = [web.ServerRunner(server, shutdown_timeout=CUT_OFF_S) for server in servers]
    sites: list[web.SockSite] = []
    try:
        for runner, (sock, _) in zip(runners, served, strict=True):
            await runner.setup()
            site = web.SockSite(runner, sock, backlog=1024)
            await site.start()
            sites.append(site)
        yield
    finally:
        for site in sites:
            await site.stop()
        async with asyncio.TaskGroup() as group:
            for server, runner in zip(servers, runners, strict=True):
                group.create_task(_close(server, runner, settings.stop_grace_s), name="stop a port")


async def _close(server: Server, runner: web.ServerRunner, grace_s: float) -> None:
    await server.drain(grace_s)
    await runner.cleanup()


def _bind(host: str, port: int) -> socket.socket:
    """A listening address, taken; raise OSError saying which one is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}") from None
    return sock


def _url(host: str, sock: socket.socket) -> str:
    """How clients on this machine reach a port."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{sock.getsockname()[1]}"


def web_origins(host: str, port: int) -> list[str]:
    """The origins of this server's own page: the loopback names, and the names and addresses it is bound on."""
    names = ["127.0.0.1", "localhost", "[::1]"]
    if host in ("0.0.0.0", "::"):
        names += [socket.gethostname(), *own_addresses()]
    else:
        names.append(f"[{host}]" if ":" in host else host)
    return [f"http://{name}:{port}" for name in dict.fromkeys(names)]


def own_addresses() -> list[str]:
    """The addresses of this machine's interfaces, as an URL has them: link-local ones of IPv6 cannot stand there."""
    import psutil  # for cost: a server on loopback does without

    found = [one for interface in psutil.net_if_addrs().values() for one in interface]
    four = [one.address for one in found if one.family == socket.AF_INET]
    return four + [f"[{one.address}]" for one in found if one.family == socket.AF_INET6 and "%" not in one.address]


@contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and Ctrl-C set; a second one of either ends the process at once."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
