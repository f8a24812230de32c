"""The API over Redis: the server's own handlers, run in this process on the store that the servers share.

    async with RedisConnection(settings, url, environ) as connection: api = connection.api(settings)

For agents on a trusted network. What concerns queues, claims, leases, tasks and their events goes to Redis; the rest,
and the one thing that needs the servers' signing key (the token of a claim, which a task's process gets), goes to the
server. A server that is away delays the start of a task, and nothing else of the agent's work.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from clearml_agent.api import MAX_DELAY_S, Api, Connection
from clearml_agent.errors import AgentError
from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.errors import ApiError, NotFound, ServerUnreachable
from clearml_sdk.session import JSON, NOT_FOUND_SUBCODES, encode, new_call_name, read_claims

if TYPE_CHECKING:
    from control_plane.services.context import Identity
    from control_plane.services.registry import Table
    from control_plane.settings import Settings
    from control_plane.store import Store

log = logging.getLogger("clearml_agent")

SERVICES = frozenset({"agents", "events", "queues", "tasks", "workers"})
"""Services whose calls go to Redis."""
SIGNED = "agents.token"
"""The one call of these that only a server can answer."""
RETRY_S = 3.0
"""How long the store itself waits for a Redis that is away, before it is said."""
EMPTY_S = 10.0
"""How long an agent that starts with its server waits for it to fill a new Redis."""
OPEN_PAUSE_S = 1.0
CLOCK_S = 60.0
"""How often Redis is asked for the time."""
HANDS_OUT = "agents.wait"
LOOK = "tasks.get_by_id"


class NothingThere(AgentError):
    """No server keeps its data in this Redis, or none does yet."""


class RedisConnection(Connection):
    """The server by HTTP, and its store by Redis; shared by every identity of this agent.

    Entering it waits for a Redis that is away. Raises AgentError when Redis cannot be used: wrong credentials, no
    server's data in it, another layout.
    """

    def __init__(self, settings: ApiSettings, url: str, environ: Mapping[str, str]) -> None:
        super().__init__(settings)
        self.url, self._environ = url, environ
        self.counters: Counter[str] = Counter()
        self.uses_owner_tokens = False
        self._away_since: float | None = None
        self._clock_at = -CLOCK_S
        """When Redis was asked for the time, by `_uptime_s`, and how much its time is ahead of that; s."""
        self._ahead_s = 0.0

    @property
    def shown(self) -> str:
        """Where Redis is, without its password."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    async def __aenter__(self) -> RedisConnection:
        from control_plane.services.table import handler_table
        from control_plane.settings import load

        await super().__aenter__()
        try:
            self.store: Store = await self._open()
        except BaseException:
            await super().__aexit__(None, None, None)
            raise
        self.table: Table = handler_table()
        self.server: Settings = load(self._environ, {})
        return self

    async def _open(self) -> Store:
        """The store, when it is there: an agent may well start before its Redis."""
        from control_plane.store.errors import StoreUnavailable

        empty_until: float | None = None
        while True:
            try:
                store = await open_store(self.url, self.shown)
            except StoreUnavailable as error:
                self.away(str(error))
            except NothingThere:
                empty_until = empty_until or time.monotonic() + EMPTY_S
                if time.monotonic() >= empty_until:
                    raise
            else:
                self._here()
                return store
            await asyncio.sleep(OPEN_PAUSE_S)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.store.close()
        await super().__aexit__(kind, error, trace)

    async def run(self, endpoint: str, body: bytes, identity: Identity, *, batch: str, name: str) -> dict[str, Any]:
        """One attempt at a call. Raises StoreUnavailable, StoreError, or the services' ApiError."""
        import msgspec

        from control_plane.services import fencing, repeats, roles
        from control_plane.services.context import Context

        await self._set_clock()
        row = self.table[endpoint]
        roles.check(identity, endpoint)
        note = repeats.note_of(endpoint, identity, repeats.Call("", "", body, name))
        fence = await fencing.of(self.store, identity, endpoint)
        ctx = Context(
            store=self.store.for_call(note, fence) if note or fence else self.store,
            settings=self.server,
            identity=identity,
            access=Unsigned(),  # type: ignore[arg-type]  # handlers of agents ask it for nothing but a claim's token
            request_id=name,
            endpoint=endpoint,
            batch_id=batch,
            note=note,
            counters=self.counters,
            clock=self.now,
        )
        if row.request is bytes:
            request: Any = body
        elif row.request is dict:
            request = json.loads(body)
        else:
            request = msgspec.json.decode(body, type=row.request)
        if note is None or endpoint == HANDS_OUT:
            work = row.handler(ctx, request)
        else:
            work = repeats.run(ctx, row, request, note, _never)
        data = await (_cancellable(ctx.connection, work) if endpoint == HANDS_OUT else work)
        self._here()
        return dict(msgspec.json.decode(msgspec.json.encode(data))) if data is not None else {}

    def now(self) -> datetime:
        """The time of Redis, by which leases are compared with those of other machines; this one's may be wrong."""
        return datetime.fromtimestamp(_uptime_s() + self._ahead_s, UTC)

    async def _set_clock(self) -> None:
        asked_at = _uptime_s()
        if asked_at - self._clock_at < CLOCK_S:
            return
        seconds, micros = await self.store.connection.run(lambda client: client.time())
        self._clock_at = _uptime_s()
        self._ahead_s = seconds + micros / 1e6 - (asked_at + self._clock_at) / 2

    def api(self) -> RedisApi:
        """Calls as the agent itself."""
        return RedisApi(self, self.settings)

    def away(self, cause: str) -> None:
        """Say once that Redis is silent."""
        if self._away_since is None:
            self._away_since = time.monotonic()
            log.warning("no answer from %s: %s; trying again until there is one", self.shown, cause)

    def _here(self) -> None:
        if self._away_since is not None:
            log.info("%s answers again after %.1f s", self.shown, time.monotonic() - self._away_since)
            self._away_since = None


class RedisApi(Api):
    """Calls as one identity, over Redis where they can be.

    Args:
        owner: the agent's own identity, for that of a claim.
    """

    def __init__(
        self,
        connection: RedisConnection,
        settings: ApiSettings,
        *,
        owner: RedisApi | None = None,
        on_token: Callable[[str], None] | None = None,
        new_token: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        super().__init__(connection, settings, on_token=on_token, new_token=new_token)
        self.redis, self._owner = connection, owner

    def for_claim(
        self,
        token: str,
        *,
        on_token: Callable[[str], None] | None = None,
        new_token: Callable[[], Awaitable[str]] | None = None,
    ) -> RedisApi:
        """The same connection with the rights of a claim, whose token may not be signed yet."""
        settings = super().for_claim(token).settings
        return RedisApi(self.redis, settings, owner=self._owner or self, on_token=on_token, new_token=new_token)

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
        """As `Api.call`. The first look at a claimed task waits until the server has signed its token."""
        is_direct = endpoint != SIGNED and endpoint.partition(".")[0] in SERVICES and endpoint in self.redis.table
        if endpoint == LOOK or not is_direct:
            await self._sign(give_up_s)
        if not is_direct:
            return await super().call(
                endpoint, body, content_type=content_type, headers=headers, timeout_s=timeout_s, give_up_s=give_up_s
            )
        from control_plane.store.errors import StoreUnavailable

        if endpoint == HANDS_OUT and isinstance(body, Mapping) and body.get("use_owner_token"):
            self.redis.uses_owner_tokens = True  # a server signs for the owner, with the claim's token
            body = {**body, "use_owner_token": False}
        raw = body if isinstance(body, bytes) else encode(body or {})
        deadline = None if give_up_s is None else time.monotonic() + give_up_s
        name, batch = new_call_name(), str((headers or {}).get("X-ClearML-Batch", ""))
        attempt = 0
        while True:
            attempt += 1
            try:
                async with asyncio.timeout(timeout_s if deadline is None else max(1.0, give_up_s or 0.0)):
                    identity = await self.identity()
                    with _translated(endpoint):
                        return await self.redis.run(endpoint, raw, identity, batch=batch, name=name)
            except (StoreUnavailable, TimeoutError) as error:
                cause = str(error) or "timed out"
            self.redis.away(cause)
            delay_s = min(0.1 * 2**attempt, MAX_DELAY_S)
            if deadline is not None and time.monotonic() + delay_s > deadline:
                raise ServerUnreachable(self.redis.shown, cause)
            await asyncio.sleep(delay_s)

    async def identity(self) -> Identity:
        """Who calls: the user of the agent's credentials, as the server states them; with the claim of this token."""
        from control_plane.services.context import Claim, Identity

        agent = self._owner or self
        if not agent.core.claims:
            await agent.log_in()
        claims = agent.core.claims
        who, claim = claims.get("identity") or {}, self.core.claims.get("claim")
        return Identity(
            user=str(who["user"]),
            company=str(who["company"]),
            role=str(who.get("role") or "user"),
            user_name=str(who.get("user_name") or ""),
            company_name=str(who.get("company_name") or ""),
            credential=str(claims.get("cred") or ""),
            claim=Claim(str(claim["task"]), int(claim["n"]), str(claim["worker"])) if claim else None,
        )

    async def _sign(self, give_up_s: float | None) -> None:
        """Have the server sign this claim's token; waits for a server that is away. Raises ApiError when it refuses."""
        claim = self.core.claims.get("claim")
        if self._owner is None or not claim or not is_unsigned(self.core.token or ""):
            return
        body = {"worker": claim["worker"], "task": claim["task"], "claim": claim["n"]}
        body["use_owner_token"] = self.redis.uses_owner_tokens
        answer = await self._owner.call(SIGNED, body, give_up_s=give_up_s)
        self.core.accept_token(str(answer["token"]))
        if self._on_token is not None:
            self._on_token(str(answer["token"]))


def _uptime_s() -> float:
    """A clock that nobody sets, and that goes on while the machine sleeps, where there is one."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class Unsigned:
    """Stands where a server has its signing key: the token that it writes says which claim it is of, to us alone."""

    def mint_claim(self, identity: Identity, claim: Any) -> str:
        import base64

        del identity
        words = {"claim": {"task": claim.task, "n": claim.number, "worker": claim.worker}}
        return f"unsigned.{base64.urlsafe_b64encode(json.dumps(words).encode()).decode().rstrip('=')}."


def is_unsigned(token: str) -> bool:
    return token.startswith("unsigned.") and bool(read_claims(token))


async def open_store(url: str, shown: str) -> Store:
    """The servers' store. An agent neither fills an empty one nor brings an older one up to date.

    Raises StoreUnavailable when Redis does not answer, NothingThere and other AgentErrors for what only a person mends.
    """
    from redis.exceptions import AuthenticationError, AuthorizationError

    from control_plane.store import Store, keys
    from control_plane.store.connection import Connection as StoreConnection
    from control_plane.store.errors import StoreError, StoreUnavailable

    try:
        probe = StoreConnection(url, retry_s=RETRY_S)
        try:
            found = await probe.run(lambda client: client.get(keys.schema_version()))
        finally:
            await probe.close()
        if found is None:
            raise NothingThere(f"no clearml-server keeps its data in {shown}: give the Redis that it was started with")
        if int(found) != keys.SCHEMA_VERSION:
            raise AgentError(
                f"the data in {shown} is of layout {int(found)}, this agent knows {keys.SCHEMA_VERSION}: "
                "install the server's version of this package on this machine"
            )
        return await Store.open(url, retry_s=RETRY_S, is_one_of_many=True)
    except (StoreError, ValueError) as error:
        refused = isinstance(error.__cause__, (AuthenticationError, AuthorizationError))
        if isinstance(error, StoreUnavailable) and not refused:
            raise
        raise AgentError(f"cannot use {shown}: {error}") from None


@contextlib.contextmanager
def _translated(endpoint: str) -> Any:
    """The services' refusals as those that a server's answer would be."""
    import msgspec

    from control_plane.services import errors, fencing
    from control_plane.store.errors import ClaimOver, GuardFailed, StoreError, StoreUnavailable

    try:
        yield
    except errors.ApiError as error:
        raise _refusal(error, endpoint) from None
    except ClaimOver as error:
        raise _refusal(fencing.explained(error), endpoint) from None
    except GuardFailed:
        raise ApiError(400, errors.Subcode.STATUS_RACE, "another call changed this first", endpoint) from None
    except msgspec.ValidationError as error:
        raise ApiError(400, errors.Subcode.VALIDATION, str(error), endpoint) from None
    except StoreUnavailable:
        raise
    except StoreError as error:
        raise ApiError(500, 0, str(error), endpoint) from error


def _refusal(error: Any, endpoint: str) -> ApiError:
    is_missing = error.code == 400 and error.subcode in NOT_FOUND_SUBCODES
    return (NotFound if is_missing else ApiError)(error.code, error.subcode, error.message, endpoint)


async def _cancellable(connection: Any, work: Any) -> Any:
    """A call that hands something out. Cancelled, it ends as one whose caller hung up: what it took goes back."""
    job = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        connection.lose()
        await asyncio.shield(_undone(job, connection))
        raise


async def _undone(job: asyncio.Future[Any], connection: Any) -> None:
    await asyncio.wait((job,))
    if not job.cancelled() and job.exception() is None:
        await connection.compensate()


async def _never(_since_ms: int) -> bool:
    return False
