"""Which answers are known to have arrived, so that the same call made again is meant (`services.repeats`).

An answer has arrived when its connection carries another request of the same login: HTTP clients read one answer before
they ask the next. Or when the connection stays open for a second and the caller's machine has acknowledged every
byte: a client that missed an answer gives its connection up. A proxy's connections outlive its clients; there only a
different request of the same login counts.

What is known here is told to the other replicas once a second. So what another replica answered a moment ago is not
known to be lost: whoever hears the call again waits for its word.
"""

import asyncio
import logging
import os
import secrets
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from control_plane.logs import exception_facts
from control_plane.store import Store
from control_plane.store.errors import StoreError
from control_plane.store.notes import Note

log = logging.getLogger(__name__)

PERIOD_S = 1.0
WORD_MS = 2500
"""So long after a call the replica that answered it has told whether the answer arrived, if it lives."""
LOOK_AGAIN_S = 0.1
ACTIVE_KEPT_MS = 660_000
"""Longer than notes are kept."""
LOGINS_KNOWN = 10_000
PROXY_HEADERS = ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP")


@dataclass(slots=True)
class _Sent:
    digest: str
    login: str
    is_forwarded: bool
    at: float


class Arrivals:
    """The answers of one server process to calls that leave notes."""

    def __init__(
        self,
        store: Store,
        clock_ms: Callable[[], int] = lambda: int(time.time() * 1000),
        *,
        has_replicas: bool = False,
    ) -> None:
        self._store = store
        self._has_replicas = has_replicas
        self.id = secrets.token_hex(4)
        """Names this process in the notes of its calls."""
        self._clock_ms = clock_ms
        self._sent: dict[web.RequestHandler, _Sent] = {}
        self._carriers: dict[str, web.RequestHandler] = {}
        """Digest -> the connection that its answer went to last."""
        self._arrived: dict[str, None] = {}
        self._last: dict[str, tuple[int, str]] = {}
        """Login -> when it last called something, ms since the epoch, and the digest of that call's note."""
        self._untold: set[str] = set()
        """Logins that called since the other replicas were told."""
        self._before: dict[str, int] = {}
        """Login -> when it last called something other than its last call."""

    def sent(self, protocol: web.RequestHandler, note: Note, login: str, *, is_forwarded: bool) -> None:
        """An answer whose arrival matters is on its way. Whoever names its calls needs no guessing."""
        if note.is_named:
            return
        self._sent[protocol] = _Sent(note.digest, login, is_forwarded, time.monotonic())
        self._carriers[note.digest] = protocol

    def heard(self, protocol: web.RequestHandler, login: str, note: Note | None, *, takes: bool = False) -> bool:
        """A request came in. True: the answer to this very call made before has arrived, so its note is over.

        Args:
            takes: the call hands something out: an open connection is enough to believe that it got there.
        """
        digest = note.digest if note else ""
        sent = self._drop(protocol)
        if sent is not None and sent.login == login and not (sent.is_forwarded and sent.digest == digest):
            self._arrived[sent.digest] = None
        if takes and (carrier := self._carriers.get(digest)) is not None and _is_open(carrier):
            self._arrived[digest] = None
        self._remember(login, digest)
        return digest in self._arrived

    async def end(self, note: Note, *, takes: bool) -> Note:
        """The note of a call whose earlier answer has arrived, ended: here, or with the call where it takes something.

        Such a call says `still_over` if it fails.
        """
        if not takes:
            await self._tell()
            return note
        self._arrived.pop(note.digest, None)
        return replace(note, is_over=True)

    def still_over(self, note: Note) -> None:
        """The call that was to end its note has failed, and perhaps was not done."""
        self._arrived[note.digest] = None

    async def other_word(self, note: Note) -> None:
        """Wait until a replica that may have answered this very call just now has told what became of the answer."""
        if note.is_named or not self._has_replicas:
            return
        deadline = time.monotonic() + WORD_MS / 1000
        while time.monotonic() < deadline:
            stamp = await self._store.notes.stamp(note)
            if stamp is None or stamp[1] == self.id or self._clock_ms() - stamp[0] > WORD_MS:
                return
            await asyncio.sleep(LOOK_AGAIN_S)

    def was_active(self, login: str, digest: str) -> Callable[[int], Awaitable[bool]]:
        """Whether a login has called anything but this since a moment, here or at another replica."""
        newest = _newest_other(*self._last.get(login, (0, "")), self._before.get(login, 0), digest)

        async def since(since_ms: int) -> bool:
            if newest > since_ms or not self._has_replicas:
                return newest > since_ms
            deadline = time.monotonic() + WORD_MS / 1000
            while True:
                for facts in await self._store.notes.active(login):
                    at, last, before = facts.split(" ")
                    if _newest_other(int(at), last, int(before), digest) > since_ms:
                        return True
                if time.monotonic() > deadline or self._clock_ms() - since_ms > WORD_MS:
                    return False
                await asyncio.sleep(LOOK_AGAIN_S)  # another replica may still be about to tell

        return since

    async def run(self) -> None:
        """Tell the store what has arrived, until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            self._note_idle_connections()
            try:
                await self._tell()
                await self._tell_active()
            except StoreError as error:
                log.info("arrivals are told later", extra=exception_facts(error))

    def _remember(self, login: str, digest: str) -> None:
        known = self._last.get(login)
        if known is not None and known[1] != digest:
            self._before[login] = known[0]
        if len(self._last) >= LOGINS_KNOWN:
            self._last.clear()
            self._before.clear()
        self._last[login] = (self._clock_ms(), digest)
        if self._has_replicas:
            self._untold.add(login)

    def _note_idle_connections(self) -> None:
        earliest = time.monotonic() - PERIOD_S
        for protocol, sent in list(self._sent.items()):
            if protocol.transport is None or protocol.transport.is_closing():
                self._drop(protocol)  # whether it arrived will never be known
            elif sent.at < earliest and not sent.is_forwarded and _has_arrived(protocol):
                self._drop(protocol)
                self._arrived[sent.digest] = None

    def _drop(self, protocol: web.RequestHandler) -> _Sent | None:
        sent = self._sent.pop(protocol, None)
        if sent is not None and self._carriers.get(sent.digest) is protocol:
            del self._carriers[sent.digest]
        return sent

    async def _tell(self) -> None:
        arrived = [*self._arrived]
        await self._store.notes.forget(arrived)
        for digest in arrived:
            self._arrived.pop(digest, None)

    async def _tell_active(self) -> None:
        untold, self._untold = self._untold, set()
        facts = {}
        for login in untold:
            at, last = self._last.get(login, (0, ""))
            facts[login] = f"{at} {last or '-'} {self._before.get(login, 0)}"
        if facts:
            await self._store.notes.tell_active(self.id, facts, ACTIVE_KEPT_MS)


def _newest_other(at_ms: int, last: str, before_ms: int, digest: str) -> int:
    """When a call other than this was made last."""
    return at_ms if last != digest else before_ms


def is_forwarded(headers: Any) -> bool:
    """True when a proxy made this request for somebody."""
    return any(name in headers for name in PROXY_HEADERS)


def _has_arrived(protocol: web.RequestHandler) -> bool:
    """True when the connection stays open although nothing is outstanding on it."""
    transport = protocol.transport
    if transport is None or transport.is_closing() or transport.get_write_buffer_size():
        return False
    sock = transport.get_extra_info("socket")
    return sock is not None and outstanding_bytes(sock) == 0


def _is_open(protocol: web.RequestHandler) -> bool:
    """True when the caller has not hung up, also when the loop has not been told yet."""
    transport = protocol.transport
    if transport is None or transport.is_closing():
        return False
    sock = transport.get_extra_info("socket")
    if sock is None:
        return False
    try:
        with socket.socket(fileno=os.dup(sock.fileno())) as copy:
            return copy.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def outstanding_bytes(sock: Any) -> int:
    """Bytes written to a socket that its peer has not acknowledged; 0 where the system does not tell."""
    try:
        if sys.platform == "darwin":
            return int(sock.getsockopt(socket.SOL_SOCKET, 0x1024))  # SO_NWRITE
        import fcntl
        import termios

        raw = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        return int(struct.unpack("i", raw)[0])
    except OSError:
        return 0
