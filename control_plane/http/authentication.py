"""What a request carries of who is calling, and when each of the three ways counts.

    Authorization: Basic key:secret    any method
    Authorization: Bearer token        any method; the header wins over a cookie
    Cookie clearml_token_basic         an API call: POST, JSON body, Origin equal to a configured web origin;
                                       a file: GET and HEAD only

Other pages in the user's browser can send GETs and forms with the user's cookie: that is why (DESIGN 5).
"""

from collections.abc import Collection, Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from aiohttp import web

from control_plane.services import impersonation, roles, tokens
from control_plane.services.access import Access
from control_plane.services.context import ANONYMOUS, Identity
from control_plane.services.errors import ApiError, unauthorized
from control_plane.services.registry import Endpoint
from control_plane.store import Store

COOKIE = "clearml_token_basic"
GREETINGS = frozenset({"login.supported_modes", "login.logout"})
"""Endpoints that need no credentials and still want to know whose they are."""


async def admit(
    store: Store, access: Access, request: web.BaseRequest, row: Endpoint[Any], origins: Collection[str], address: str
) -> Identity:
    """The identity that a call runs under; raise 401 for nobody, 403 for somebody who may not call this."""
    headers = request.headers
    if not row.authorize:
        return await _greeted(access, request, origins, address) if row.name in GREETINGS else ANONYMOUS
    identity = await identify(
        access, method=request.method, headers=headers, request=request, origins=origins, address=address
    )
    identity = await impersonation.apply(store, access, identity, headers, row.name)
    roles.check(identity, row.name)
    return identity


async def _greeted(access: Access, request: web.BaseRequest, origins: Collection[str], address: str) -> Identity:
    """Whoever shows good credentials; nobody when they are not good any more: the page then shows how to log in."""
    try:
        return await identify(
            access, method=request.method, headers=request.headers, request=request, origins=origins, address=address
        )
    except ApiError:
        return ANONYMOUS


async def identify(
    access: Access,
    *,
    method: str,
    headers: Mapping[str, str],
    request: web.BaseRequest | None,
    origins: Collection[str],
    address: str,
) -> Identity:
    """The caller of an API call; raise 401 when nothing that counts was sent.

    Args:
        request: where its cookies are; None where a cookie does not count.
    """
    header = headers.get("Authorization")
    if header:
        return await by_header(access, header, address)
    token = request.cookies.get(COOKIE) if request is not None and "Cookie" in headers else None
    if token and cookie_counts(method, headers, origins):
        return await access.by_token(token, address)
    origin = headers.get("Origin")
    if token and origin and origin not in origins:
        raise unauthorized(
            20,
            "missing credentials; a session counts only on pages that the server knows, and it does not know the "
            "origin of this one: start it with --web-origin ORIGIN or CLEARML_SERVER_WEB_ORIGINS",
            origin=header_text(origin),
        )
    raise unauthorized(20, "missing credentials")


async def by_header(access: Access, header: str, address: str) -> Identity:
    """The identity of an Authorization header; raise 401."""
    kind, rest = tokens.split_header(header)
    return await (access.by_token(rest, address) if kind == "bearer" else access.by_basic(rest, address))


async def identify_for_file(
    access: Access, *, method: str, headers: Mapping[str, str], cookies: Mapping[str, str], address: str = ""
) -> Identity:
    """The caller of the file server; a cookie may only read."""
    header = headers.get("Authorization")
    if header:
        return await by_header(access, header, address)
    token = cookies.get(COOKIE)
    if token and method in ("GET", "HEAD"):
        return await access.by_token(token, address)
    raise unauthorized(20, "missing credentials")


def cookie_counts(method: str, headers: Mapping[str, str], origins: Collection[str]) -> bool:
    """True when a cookie may authenticate an API call."""
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return method == "POST" and kind == "application/json" and headers.get("Origin", "") in origins


def header_text(value: str) -> str:
    """A header's value as text that can be stored and answered: bytes that are no UTF-8 are replaced."""
    return value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def is_local(peer: str | None, headers: Mapping[str, str]) -> bool:
    """True for a caller on this machine who means this machine: no proxy in between, no foreign name in Host.

    A page of a site whose name was made to point at 127.0.0.1 comes from a loopback address too, but names itself
    in Host.
    """
    if peer is None or any(name in headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP")):
        return False
    return _is_loopback(peer) and _is_loopback(host_name(headers.get("Host", "")))


def host_name(host: str) -> str:
    """A Host header without its port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


@lru_cache(1024)
def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
