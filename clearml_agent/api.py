"""The agent's client of the API: the SDK's session core over aiohttp, one connection pool, one identity a claim."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any

import aiohttp

from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.errors import ApiError, BadAnswer, ServerUnreachable, Unauthorized
from clearml_sdk.session import CALL_NAME, JSON, HttpRequest, SessionCore, describe, new_call_name

log = logging.getLogger("clearml_agent")

MAX_DELAY_S = 3.0
"""The longest pause between two attempts: a server that comes back is noticed within this time."""


REFUSED_S = 5.0
"""How long a loop waits after a refusal."""
BROKEN_LIMIT = 6
"""How often one call is made while the answer is a server's own fault (5xx)."""


class Connection:
    """The connection pool, and whether the server answers; shared by every identity of this agent."""

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings
        self._http: aiohttp.ClientSession | None = None
        self._silent_since: float | None = None

    async def __aenter__(self) -> Connection:
        connector = aiohttp.TCPConnector(limit=0, ssl=tls(self.settings.verify), keepalive_timeout=30)
        self._http = aiohttp.ClientSession(connector=connector, auto_decompress=True, trust_env=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def send(self, request: HttpRequest, timeout_s: float) -> tuple[int, Mapping[str, str], bytes]:
        """One attempt. Raises OSError or TimeoutError when there is no answer."""
        if self._http is None:
            raise RuntimeError("the connection is closed")
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=self.settings.connect_timeout_s)
        try:
            async with self._http.request(
                request.method,
                request.url,
                data=request.body,
                headers=request.headers,
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                body = await answer.read()
        except TimeoutError:
            raise
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error) or type(error).__name__) from error
        self._answered()
        return answer.status, answer.headers, body

    def api(self) -> Api:
        """Calls as the agent itself."""
        return Api(self, self.settings)

    def failed(self, cause: str) -> None:
        """Say once that the server is silent."""
        if self._silent_since is None:
            self._silent_since = time.monotonic()
            log.warning("no answer from %s: %s; trying again until there is one", self.settings.api_server, cause)

    def _answered(self) -> None:
        if self._silent_since is not None:
            log.info("%s answers again after %.1f s", self.settings.api_server, time.monotonic() - self._silent_since)
            self._silent_since = None


class Api:
    """Calls as one identity: the agent's own, or that of one claim (`for_claim`).

    Args:
        on_token: called with every token that replaces the first one.
        new_token: obtains one in the place of one that is good for nothing any more, as after an outage of weeks.
    """

    def __init__(
        self,
        connection: Connection,
        settings: ApiSettings,
        *,
        on_token: Callable[[str], None] | None = None,
        new_token: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        self.connection = connection
        self.core = SessionCore(settings)
        self._on_token, self._new_token = on_token, new_token
        self._login = asyncio.Lock()

    def for_claim(
        self,
        token: str,
        *,
        on_token: Callable[[str], None] | None = None,
        new_token: Callable[[], Awaitable[str]] | None = None,
    ) -> Api:
        """The same connection, with the rights of `token` alone."""
        own = self.core.settings
        settings = ApiSettings(
            own.api_server,
            web_server=own.web_server,
            files_server=own.files_server,
            token=token,
            verify=own.verify,
            connect_timeout_s=own.connect_timeout_s,
            read_timeout_s=own.read_timeout_s,
            token_threshold_s=own.token_threshold_s,
            worker=own.worker,
        )
        return Api(self.connection, settings, on_token=on_token, new_token=new_token)

    @property
    def settings(self) -> ApiSettings:
        return self.core.settings

    async def call(
        self,
        endpoint: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
        give_up_s: float | None = None,
    ) -> dict[str, Any]:
        """Call one endpoint and return the `data` of its answer.

        Args:
            timeout_s: limit of each attempt.
            give_up_s: how long to go on while the server does not answer; None: for ever (the agent outlives outages,
                and whoever must not wait so long says so here), 0: one attempt.

        Raises ApiError (NotFound, Unauthorized), BadAnswer, or ServerUnreachable after `give_up_s`.
        """
        deadline = None if give_up_s is None else time.monotonic() + give_up_s
        rejected: str | None = None
        broken = 0
        named = {CALL_NAME: new_call_name(), **(headers or {})}
        while True:
            if self.core.must_log_in or rejected is not None:
                await self.log_in(deadline=deadline, rejected=rejected)
            used = self.core.token

            def build() -> HttpRequest:
                return self.core.request(endpoint, body, content_type=content_type, headers=named)

            try:
                return self.core.read(*await self._send(build, timeout_s, deadline), endpoint=endpoint)
            except Unauthorized:
                if rejected is not None:
                    raise
                rejected = used
            except (ApiError, BadAnswer) as error:
                broken += 1  # a proxy without its server, or a server with a fault: it may pass
                code = error.code if isinstance(error, ApiError) else error.status
                if code < 500 or broken >= BROKEN_LIMIT or deadline is not None:
                    raise
                log.warning("%s", error)
                await asyncio.sleep(min(0.2 * 2**broken, MAX_DELAY_S))

    async def log_in(self, *, deadline: float | None = None, rejected: str | None = None) -> dict[str, Any]:
        """Obtain a token and return its claims. Raises Unauthorized when the credentials are not accepted."""
        async with self._login:
            if not self.core.must_log_in and self.core.token != rejected:
                return self.core.claims
            try:
                claims = self.core.read_login(*await self._send(self.core.login, 30.0, deadline))
            except Unauthorized:
                if self._new_token is None:
                    raise
                self.core.accept_token(await self._new_token())
                claims = self.core.claims
            if self._on_token is not None and self.core.token is not None:
                self._on_token(self.core.token)
            return claims

    async def _send(
        self, build: Callable[[], HttpRequest], timeout_s: float, deadline: float | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        attempt = 0
        while True:
            attempt += 1
            try:
                status, headers, body = await self.connection.send(build(), timeout_s)
                delay_s = self.core.retry_delay_s(attempt, status)
                if delay_s is None:
                    return status, headers, body
                cause, answer = f"HTTP {status}", (status, headers, body)
            except OSError as error:
                delay_s, cause, answer = self.core.retry_delay_s(attempt, error), describe(error), None
            delay_s = min(delay_s or MAX_DELAY_S, MAX_DELAY_S)
            if deadline is not None and time.monotonic() + delay_s > deadline:
                if answer is not None:
                    return answer
                raise ServerUnreachable(self.settings.api_server, cause)
            self.connection.failed(cause)
            await asyncio.sleep(delay_s)


async def call_quietly(api: Api, endpoint: str, body: Mapping[str, Any], *, timeout_s: float = 30.0) -> dict[str, Any]:
    """A call of a loop that goes on whatever the server says; a refusal is logged and waited out, the answer empty."""
    try:
        return await api.call(endpoint, body, timeout_s=timeout_s)
    except (ApiError, BadAnswer) as error:
        log.error("%s", error)
        await asyncio.sleep(REFUSED_S)
        return {}


def connected(settings: ApiSettings, redis_url: str, environ: Mapping[str, str]) -> Connection:
    """The way to the server, or to the store that it keeps its data in; enter it before use."""
    if not redis_url:
        return Connection(settings)
    from clearml_agent.redis_api import RedisConnection  # with all of the server's services: for those who ask for it

    return RedisConnection(settings, redis_url, environ)


def tls(verify: bool | str) -> ssl.SSLContext | bool:
    """How certificates are checked: True (the system's), False (not at all), or a CA bundle's path."""
    if isinstance(verify, str):
        return ssl.create_default_context(cafile=verify)
    return verify
