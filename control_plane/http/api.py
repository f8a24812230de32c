"""The API port: decodes a request, calls the one handler it names, and encodes the answer."""

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web
from multidict import istr

from control_plane.http import answers, authentication, download, openapi, sse
from control_plane.http.arrivals import Arrivals, is_forwarded
from control_plane.http.envelope import Envelopes, failure
from control_plane.http.limits import Limits
from control_plane.http.metrics import CONTENT_TYPE, Metrics, of_store
from control_plane.http.protocol import Server, new_request_id
from control_plane.http.routing import NEWEST, OLDEST, Decoder, find, parse_version
from control_plane.http.simple_index import PREFIX, SimpleIndex
from control_plane.logs import exception_facts
from control_plane.services import fencing, listing, repeats
from control_plane.services.access import Access
from control_plane.services.context import Connection, Context, Identity
from control_plane.services.errors import ApiError, Subcode
from control_plane.services.pressure import Pressure
from control_plane.services.registry import Answer, Download, Endpoint, Stream, Table
from control_plane.services.setup import administrator_id
from control_plane.settings import Settings
from control_plane.store.errors import ClaimOver, GuardFailed, InvalidQuery, StoreError, StoreUnavailable
from control_plane.store.notes import Note

if TYPE_CHECKING:
    from control_plane.store import Store

log = logging.getLogger(__name__)

SLOW_S = 1.0
STORE_FACTS_S = 1.0
"""What `/metrics` waits for the store."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT"})
_TRANSACTION = re.compile(r"[\w.-]{1,64}", re.ASCII)
# Names of headers that every call is asked for: ready for a look-up that knows no case.
_ENCODING, _WORKER, _OLD_WORKER = istr("Content-Encoding"), istr("X-ClearML-Worker"), istr("X-Trains-Worker")
_REQUEST_ID, _BATCH, _TRX = istr("X-ClearML-Request-Id"), istr("X-ClearML-Batch"), istr("X-Clearml-Trx")
LONG_CALLS = frozenset({"agents.wait"})
"""Endpoints whose answer hands something out: they are told when the caller hangs up."""


@dataclass
class Api:
    """What the API port needs; `handle` serves it, below any prefix that the web port cuts off."""

    table: Table
    store: "Store"
    settings: Settings
    access: Access
    origins: Collection[str]
    metrics: Metrics
    index: SimpleIndex
    counters: Counter[str] = field(default_factory=Counter)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        self._decoder = Decoder(self.table)
        self.limits = Limits(self.settings)
        self._envelopes = Envelopes()
        self._openapi = b""
        self._unhurried = LONG_CALLS | {row.name for row in self.table.values() if row.is_stream}
        self._since = {row.name: parse_version(row.min_version) for row in self.table.values()}
        self.arrivals = Arrivals(self.store, has_replicas=bool(self.settings.redis_url))
        self.pressure = Pressure(self.store, self.settings, self.metrics.gauges, self.counters)

    def system_context(self) -> Context:
        """A context of the server itself, for what it does unasked."""
        user = administrator_id(self.settings.company)
        identity = Identity(user=user, company=self.settings.company, role="system", user_name="server")
        return Context(
            store=self.store,
            settings=self.settings,
            identity=identity,
            access=self.access,
            counters=self.counters,
            clock=self.clock,
        )

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; every failure is an envelope."""
        path, _, query = request.raw_path.partition("?")
        return await self.answer(request, path, query)

    async def answer(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        """Answer the call that `path` names."""
        if request.method == "OPTIONS":
            return web.Response(status=200)
        request_id = new_request_id()
        trx = transaction_name(request.headers)
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            return await self.index.answer(request, path)
        if path in ("/metrics", "/openapi.json"):
            return await self._facts(request, path, request_id)
        started = time.perf_counter()
        name, version, actual, code, wait_s = "", NEWEST, "0", 200, 1
        self.metrics.running += 1
        try:
            row, version = find(self.table, path)
            name, actual = row.name, self._actual(row, version)
            if request.method not in METHODS:
                raise ApiError(405, Subcode.MALFORMED, f"Use GET, POST or PUT, not {request.method}")
            with self.pressure.admitted(name, request.content_length or 0):
                body, response = await self._call(request, row, version, query, request_id)
            if response is not None:
                return response
        except asyncio.CancelledError:
            code = 499  # the caller or the stop of the server ended it; nobody reads an answer
            raise
        except ApiError as error:
            code, wait_s = error.code, int(error.data.get("retry_after_s") or 1)
            body = failure(request_id, name, version, actual, error, trx)
        except ConnectionResetError:
            code = 499  # the caller of a long call hung up: agents do when a slot becomes free
            return web.Response(status=code)
        except Exception as error:  # noqa: BLE001 - the user's border: it becomes an envelope and a log line
            translated = self._translate(error, name, request_id)
            code = translated.code
            body = failure(request_id, name, version, actual, translated, trx)
        finally:
            seconds = time.perf_counter() - started
            self.metrics.running -= 1
            self.metrics.observe(name, code, seconds)
            if seconds > SLOW_S and name not in self._unhurried:
                facts = {"request_id": request_id, "endpoint": name, "code": code, "seconds": round(seconds, 3)}
                log.warning("slow call", extra=facts)
        return await answers.answer(request, body, request_id, status=code, wait_s=wait_s)

    async def _call(
        self, request: web.BaseRequest, row: Endpoint[Any], version: tuple[int, int], query: str, request_id: str
    ) -> tuple[bytes, web.StreamResponse | None]:
        headers = request.headers
        if headers.get(_ENCODING, "identity") != "identity":
            raise ApiError(415, Subcode.MALFORMED, "Compressed requests are not read; send the body as it is")
        address = self.limits.address(request)
        identity = await authentication.admit(self.store, self.access, request, row, self.origins, address)
        self.limits.admit(identity, request, address)
        body = await self.limits.body(request, row.name)
        worker = authentication.header_text(headers.get(_WORKER) or headers.get(_OLD_WORKER) or "")
        note = None
        if repeats.leaves_note(row.name):
            closes = not request.keep_alive and not is_forwarded(headers)
            call = repeats.Call(worker, query, body, safe_name(headers.get(_REQUEST_ID, "")), closes)
            note = repeats.note_of(row.name, identity, call, by=self.arrivals.id)
        note = await self._heard(request, row, repeats.login_of(identity), note)
        fence = await fencing.of(self.store, identity, row.name) if identity.claim is not None else None
        ctx = Context(
            store=self.store.for_call(note, fence) if note or fence else self.store,
            settings=self.settings,
            identity=identity,
            access=self.access,
            request_id=request_id,
            endpoint=row.name,
            version=version,
            worker=worker,
            address=address,
            batch_id=authentication.header_text(headers.get(_BATCH, "")),
            note=note,
            counters=self.counters,
            clock=self.clock,
        )
        decoded = self._decoder.decode(row, body, query)
        if row.is_stream:
            sse.go_on(decoded, headers)
        if row.name in LONG_CALLS:
            return b"", await self._long_call(request, row, ctx, decoded)
        if note is None:
            async with self.pressure.turn(row.name, len(body)):
                data = await row.handler(ctx, decoded)
        else:
            data = await self._once(request, row, ctx, decoded, note)
        if isinstance(data, Download):
            return b"", await download.send(request, data)
        if isinstance(data, Stream):
            return b"", await sse.send(request, data, ctx.connection, self.metrics.gauges)
        actual = self._actual(row, version)
        answer = self._envelopes.success(request_id, row.name, version, actual, data, transaction_name(headers))
        if row.name in ("auth.login", "auth.logout", "login.logout"):
            return b"", self._with_cookie(request, answer, data, request_id)
        return answer, None

    async def _heard(self, request: web.BaseRequest, row: Endpoint[Any], login: str, note: Note | None) -> Note | None:
        """The call's note, ended where the answer to the same call made before has arrived: then this one is meant."""
        if note is None:
            self.arrivals.heard(request.protocol, login, None)
            return None
        takes = repeats.takes(row.name)
        if self.arrivals.heard(request.protocol, login, note, takes=takes):
            return await self.arrivals.end(note, takes=takes)
        await self.arrivals.other_word(note)
        return note

    async def _once(
        self, request: web.BaseRequest, row: Endpoint[Any], ctx: Context, decoded: Any, note: Note
    ) -> Answer:
        """Do a call that leaves a note, or answer it as its first try was answered."""
        login = repeats.login_of(ctx.identity)
        try:
            data = await repeats.run(ctx, row, decoded, note, self.arrivals.was_active(login, note.digest))
        except BaseException:
            if note.is_over:
                self.arrivals.still_over(note)
            raise
        if data or not repeats.takes(row.name):  # of an empty queue nothing was taken, and nothing noted
            self.arrivals.sent(request.protocol, note, login, is_forwarded=is_forwarded(request.headers))
        return data

    def _actual(self, row: Endpoint[Any], version: tuple[int, int]) -> str:
        """The version of the implementation that answers: there is one, and older callers are told of the first."""
        return row.min_version if version >= self._since[row.name] else OLDEST

    async def _long_call(
        self, request: web.BaseRequest, row: Endpoint[Any], ctx: Context, decoded: Any
    ) -> web.StreamResponse:
        """Run a call that hands something out, and take it back when the answer cannot be written."""
        protocol = request.protocol
        server = protocol._manager
        connection: Connection = ctx.connection
        if isinstance(server, Server):
            server.watch(protocol, connection)
        answered = False
        self.metrics.gauges["waiting_calls"] = self.metrics.gauges.get("waiting_calls", 0) + 1
        try:
            data = await row.handler(ctx, decoded)
            body = self._envelopes.success(ctx.request_id, row.name, ctx.version, self._actual(row, ctx.version), data)
            response = await answers.answer(request, body, ctx.request_id)
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError("the caller hung up")
            await response.prepare(request)
            await response.write_eof()
            answered = request.transport is not None and not request.transport.is_closing()
            return response
        finally:
            self.metrics.gauges["waiting_calls"] -= 1
            if isinstance(server, Server):
                server.unwatch(protocol)
            if not answered:
                await asyncio.shield(connection.compensate())

    def _with_cookie(self, request: web.BaseRequest, body: bytes, data: Any, request_id: str) -> web.Response:
        """A login's answer also carries the token as a cookie for the page; scripts cannot read it."""
        response = web.Response(body=body, headers={**answers.HEADERS, "X-Request-Id": request_id})
        token = data.get("token") if isinstance(data, dict) else None
        if token:
            secure = request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
            response.set_cookie(
                authentication.COOKIE,
                token,
                httponly=True,
                samesite="Lax",
                secure=secure,
                path="/",
                max_age=self.settings.token_lifetime_s,
            )
        else:
            response.del_cookie(authentication.COOKIE, path="/", httponly=True, samesite="Lax")
        return response

    async def _facts(self, request: web.BaseRequest, path: str, request_id: str) -> web.StreamResponse:
        """`/metrics` and `/openapi.json`: they name nobody, and need a token off this machine."""
        if not authentication.is_local(request.remote, request.headers):
            try:
                await authentication.identify(
                    self.access,
                    method="GET",
                    headers=request.headers,
                    request=None,
                    origins=self.origins,
                    address=self.limits.address(request),
                )
            except ApiError as error:
                body = failure(request_id, path[1:], NEWEST, "0", error)
                return await answers.answer(request, body, request_id, status=error.code)
        if path == "/openapi.json":
            self._openapi = self._openapi or openapi.document(self.table)
            return await answers.answer(request, self._openapi, request_id)
        try:
            async with asyncio.timeout(STORE_FACTS_S):
                counters, gauges = await of_store(self.store)
        except (StoreError, TimeoutError):  # the page says what it can: it is most wanted when something is wrong
            counters, gauges = {}, {}
        text = self.metrics.text({**self.counters, **counters}, gauges)
        return web.Response(text=text, headers={"Content-Type": CONTENT_TYPE, "X-Request-Id": request_id})

    def _translate(self, error: Exception, name: str, request_id: str) -> ApiError:
        """What a caller is told about a failure that no service has named."""
        facts = {"request_id": request_id, "endpoint": name}
        if isinstance(error, StoreUnavailable):
            log.warning("store unavailable", extra=facts)
            return ApiError(
                429, Subcode.STORE_BUSY, "The store cannot be reached at the moment", "ask again in a second"
            )
        if isinstance(error, ClaimOver):
            self.counters["fenced_writes"] += 1
            return fencing.explained(error)
        if isinstance(error, InvalidQuery):  # a search that gave up while it ran
            return listing.explained(error)
        if isinstance(error, GuardFailed):
            log.info("a guard failed that no service expected", extra=facts)
            return ApiError(400, Subcode.STATUS_RACE, "Another call changed this first", "read it again and retry")
        if isinstance(error, web.HTTPRequestEntityTooLarge):
            limit = self.settings.max_body_bytes
            return ApiError(413, Subcode.MALFORMED, "The body is too large", limit_bytes=limit)
        kind = "store failure" if isinstance(error, StoreError) else "unexpected failure"
        log.error(kind, extra={**facts, **exception_facts(error)})
        return ApiError(
            500, Subcode.MALFORMED, "Internal server error", f"the server's log has it under request id {request_id}"
        )


def transaction_name(headers: Mapping[str, str]) -> str:
    """The caller's own name for the call, which is echoed; empty unless it is fit to be."""
    return safe_name(headers.get(_TRX, ""))


def safe_name(name: str) -> str:
    """A name that a caller made up; empty unless it is fit to be used."""
    return name if name and _TRANSACTION.fullmatch(name) else ""
