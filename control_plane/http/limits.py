"""How often one caller may call, how large a call may be, and which address a caller has.

A caller is a user with their key, or the task that a token was made for; without credentials, an address. Callers on
this machine are not counted: agents beside the server, and whoever administers it. The limits are far above what SDKs
and agents do; they are there for the script that asks in a loop. Wrong passwords: `services.guesses`.
"""

import asyncio
import time
from collections.abc import Collection
from ipaddress import ip_address

from aiohttp import web

from control_plane.http.authentication import is_local
from control_plane.services.buckets import Buckets
from control_plane.services.context import Identity
from control_plane.services.errors import bad_request, too_large, too_many
from control_plane.services.roles import LIMITED_BODY_BYTES, use_of
from control_plane.settings import Settings

BODY_S = 300.0
"""Time in which the body of a call has to arrive: a byte now and then would hold its place for ever."""


class Limits:
    """The limits of one process."""

    def __init__(self, settings: Settings) -> None:
        self._calls = Buckets(settings.calls_per_s, settings.calls_burst)
        self._body_bytes = settings.max_body_bytes
        self._proxies = frozenset(settings.trusted_proxies)

    def admit(self, identity: Identity, request: web.BaseRequest, address: str) -> None:
        """Count a call; raise 429, saying how long to wait, when the caller made too many."""
        if not self._calls.per_s:
            return
        name = caller(identity, address)
        wait_s = self._calls.take(name, time.monotonic())
        if wait_s and not is_local(request.remote, request.headers):
            raise too_many("too many calls", wait_s)

    def body_bytes(self, endpoint: str) -> int:
        """The largest body that a call of an endpoint may have."""
        return min(self._body_bytes, LIMITED_BODY_BYTES.get(use_of(endpoint), self._body_bytes))

    async def body(self, request: web.BaseRequest, endpoint: str) -> bytes:
        """The body of a call; raise 413 for one that is too large, before it is read where it says its size."""
        return await body_of(request, self.body_bytes(endpoint))

    def address(self, request: web.BaseRequest) -> str:
        """Where a call comes from: the peer, or whom a trusted proxy names."""
        peer = request.remote or ""
        if peer not in self._proxies:
            return peer
        return forwarded_for(request.headers.get("X-Forwarded-For", ""), self._proxies) or peer


async def body_of(request: web.BaseRequest, limit: int) -> bytes:
    """A body of at most so many bytes. Raises 413 for a larger one, 400 for one that does not arrive in time."""
    if not request.can_read_body:
        return b""
    if request.content.is_eof():  # it came with the head, as small ones do
        whole = request.content.read_nowait()
        if len(whole) > limit:
            raise too_large(limit)
        return whole
    if request.content_length is not None and request.content_length > limit:
        raise too_large(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > limit:
                    raise too_large(limit)
    except TimeoutError:
        raise bad_request(f"The body did not arrive within {BODY_S:g} s") from None
    return bytes(body)


def forwarded_for(header: str, proxies: Collection[str]) -> str:
    """The last address in X-Forwarded-For that is no proxy of ours: what stands before it anybody may have written."""
    for part in reversed(header.split(",")):
        text = part.strip()
        if text and text not in proxies:
            try:
                return str(ip_address(text))
            except ValueError:
                return ""
    return ""


def caller(identity: Identity, address: str) -> str:
    """By which name a caller is counted."""
    if identity.claim is not None:
        return f"task {identity.claim.task}"
    if identity.user:
        return f"user {identity.user} {identity.credential}"
    return f"address {address}"
