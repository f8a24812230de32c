"""The client of the API server.

`SessionCore` does no I/O: it builds requests, reads envelopes and decides retries, so that every transport (the
blocking one here, the agent's asynchronous one) behaves alike. `Session` is the blocking client.
"""

from __future__ import annotations

import base64
import json
import os
import random
import time

from clearml_sdk._version import __version__
from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.errors import ApiError, BadAnswer, NotFound, ServerUnreachable, Unauthorized
from clearml_sdk.fork_lock import ForkLock
from clearml_sdk.notices import warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from clearml_sdk.config import Config
    from clearml_sdk.outage import Outage
    from clearml_sdk.transport import Transport

JSON = "application/json"
JSON_LINES = "application/json-lines"
RETRIED_STATUSES = frozenset({429, 502, 503, 504})
MAX_DELAY_S = 120.0
DOWN_S = 1.5
PATIENT_TRIES = 4
"""After so many tries (about two seconds) it is said that, and for what, this process waits."""

CALL_NAME = "X-ClearML-Request-Id"
"""Names a call: sent again under the same name after a lost answer, it is done once and answered as the first time."""

NOT_FOUND_SUBCODES = frozenset({101, 201, 202, 301, 401, 701, 1001})
"""Subcodes of 400 that mean "no such task / model / project / queue / user" (contract: wire.md 5)."""


class HttpRequest:
    """One request to send: `method`, `url`, `headers`, `body`."""

    __slots__ = ("body", "headers", "method", "url")

    def __init__(self, method: str, url: str, headers: dict[str, str], body: bytes) -> None:
        self.method, self.url, self.headers, self.body = method, url, headers, body


class SessionCore:
    """Requests, answers, tokens and retries, without I/O.

    Args:
        clock: seconds since the epoch; tokens expire by it.
    """

    def __init__(
        self, settings: ApiSettings, *, client: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.settings = settings
        self.client = client or f"clearml-lean-{__version__}"
        self._clock = clock
        self.token: str | None = None
        self.token_period_s: int | None = None
        """How long a token is asked to live; None: as long as the server gives."""
        self.claims: dict[str, Any] = {}
        if settings.token:
            self.accept_token(settings.token)

    @property
    def must_log_in(self) -> bool:
        """Whether `login()` is due: there is no token, or it is about to expire."""
        if self.token is None:
            return True
        expires_at = self.claims.get("exp")
        return isinstance(expires_at, int | float) and expires_at - self._clock() <= self.settings.token_threshold_s

    def login(self) -> HttpRequest:
        """The request that obtains a token; give its answer to `read_login`."""
        settings = self.settings
        if settings.access_key and settings.secret_key and not settings.token:
            pair = f"{settings.access_key}:{settings.secret_key}".encode()
            authorization = f"Basic {base64.b64encode(pair).decode()}"
        else:
            authorization = f"Bearer {self.token or settings.token or ''}"
        body = encode({"expiration_sec": self.token_period_s} if self.token_period_s else {})
        return HttpRequest("POST", f"{settings.api_server}/auth.login", self._headers(authorization, JSON, {}), body)

    def read_login(self, status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Take the token out of the answer to `login()`, and return the token's claims. Raises as `read`."""
        data = self.read(status, headers, body, endpoint="auth.login")
        token = data.get("token")
        if not isinstance(token, str) or token.count(".") != 2:
            raise BadAnswer(f"{self.settings.api_server}/auth.login", status, body[:200].decode("utf-8", "replace"))
        self.accept_token(token)
        return self.claims

    def accept_token(self, token: str) -> None:
        """Use `token` from now on."""
        self.token, self.claims = token, read_claims(token)

    def request(
        self,
        endpoint: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> HttpRequest:
        """The request for one call; `body` as bytes is sent as it is (NDJSON with `content_type=JSON_LINES`)."""
        raw = body if isinstance(body, bytes) else encode(body or {})
        url = f"{self.settings.api_server}/{endpoint}"
        return HttpRequest("POST", url, self._headers(f"Bearer {self.token}", content_type, headers or {}), raw)

    def read(self, status: int, headers: Mapping[str, str], body: bytes, *, endpoint: str = "") -> dict[str, Any]:
        """The `data` of an answer.

        Raises Unauthorized for 401, NotFound or ApiError for any other refusal, BadAnswer for what is no envelope.
        """
        try:
            answer = json.loads(body)
            meta = answer["meta"]
            code, subcode = int(meta["result_code"]), int(meta.get("result_subcode") or 0)
        except (ValueError, TypeError, KeyError):
            text = body[:200].decode("utf-8", "replace")
            if status == 401:
                raise Unauthorized(401, 0, text or "unauthorized", endpoint) from None
            raise BadAnswer(f"{self.settings.api_server}/{endpoint}", status, text) from None
        if code == 200:
            data = answer.get("data")
            return data if isinstance(data, dict) else {}
        message = str(meta.get("result_msg") or "no reason given")
        name = endpoint or str((meta.get("endpoint") or {}).get("name", ""))
        refusal: type[ApiError] = NotFound if code == 400 and subcode in NOT_FOUND_SUBCODES else ApiError
        kind = Unauthorized if code == 401 else refusal
        raise kind(code, subcode, message, name, str(meta.get("error_stack") or ""))

    def retry_delay_s(self, attempt: int, cause: int | BaseException) -> float | None:
        """How long to wait before sending the same request again; None when that would not help.

        Args:
            attempt: how many times it was sent, from 1.
            cause: the HTTP status of the answer, or what went wrong on the way.

        Full jitter over a doubling window: 0.2 s, 0.4 s ... 120 s. The caller knows for how long it goes on.
        """
        if isinstance(cause, int) and cause not in RETRIED_STATUSES:
            return None
        if isinstance(cause, BaseException) and not isinstance(cause, OSError | TimeoutError | EOFError):
            return None
        window = min(0.2 * float(2 ** (min(attempt, 30) - 1)), MAX_DELAY_S)
        return window * random.uniform(0.5, 1.0)

    def _headers(self, authorization: str, content_type: str, extra: Mapping[str, str]) -> dict[str, str]:
        return {
            "Authorization": authorization,
            "Content-Type": content_type,
            "X-ClearML-Client": self.client,
            "X-ClearML-Worker": self.settings.worker,
            **extra,
        }


class Session:
    """The blocking client; safe to use from many threads and after a fork.

    One process normally has one: `Session.default()`.
    """

    is_offline = False
    """Whether calls are answered out of a folder: see `clearml_sdk.offline`."""

    outage: Outage | None = None
    """Of the run of this process: takes the calls about its task while the server is away."""

    lacks_wait = False
    """Whether the server has turned out not to have `tasks.wait`: see `clearml_sdk.status_watch`."""

    def __init__(self, settings: ApiSettings, *, client: str | None = None, transport: Transport | None = None) -> None:
        if transport is None:
            from clearml_sdk.transport import HttpTransport

            transport = HttpTransport(verify=settings.verify)
        self.core = SessionCore(settings, client=client)
        self.settings = settings
        self.config: Config | None = None
        self.transport = transport
        self._login_lock = ForkLock()
        self._refused_at: float | None = None
        """When the first of the last calls in a row found nobody who listens; None: the last one found somebody."""

    @classmethod
    def from_config(cls, config: Config | None = None) -> Session:
        """A session by configuration. Raises NotConfigured or ConfigurationError."""
        from clearml_sdk.config import load_settings

        config = config or load_settings()
        session = cls(ApiSettings.from_config(config))
        session.config = config
        return session

    @classmethod
    def default(cls) -> Session:
        """This process's session, made at the first call. Raises NotConfigured or ConfigurationError."""
        global _default
        if _default is None:
            _default = cls._offline() or cls.from_config()
        return _default

    @classmethod
    def _offline(cls) -> Session | None:
        """The session of a process that records offline; None where it does not."""
        from clearml_sdk.config import environment, load_settings

        if not environment.read_flag("OFFLINE_MODE", False):
            return None
        from clearml_sdk.offline.session import OfflineSession

        return OfflineSession(load_settings())

    def storage_of(self, task_id: str) -> str | None:
        """The folder where everything that a task stores goes, whatever its destination; None: to its destination."""
        return None

    def call(
        self,
        endpoint: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        give_up_s: float | None = None,
    ) -> dict[str, Any]:
        """Call one endpoint and return the `data` of its answer.

        Args:
            timeout_s: limit of each attempt's wait for the answer; None: as the settings say.
            give_up_s: how long to try again while the server cannot be reached; None: as the settings say, and what
                `outage` takes is left to it; 0: once.

        Waits. Raises ApiError (NotFound, Unauthorized), BadAnswer, or ServerUnreachable after `give_up_s`.
        """
        if self.outage is not None and give_up_s is None and self.outage.takes(body, endpoint):
            return self.outage.call(endpoint, body, headers)
        limit_s = self.settings.give_up_s if give_up_s is None else give_up_s
        deadline = time.monotonic() + limit_s
        if self.core.must_log_in:
            self.log_in(deadline=deadline)
        used = self.core.token
        named = {CALL_NAME: new_call_name(), **(headers or {})}

        def build() -> HttpRequest:
            return self.core.request(endpoint, body, content_type=content_type, headers=named)

        try:
            return self.core.read(*self._send(build(), timeout_s, deadline), endpoint=endpoint)
        except Unauthorized:
            if self.core.token == used:  # else another thread has logged in again meanwhile
                self.log_in(deadline=deadline, rejected=used)
            return self.core.read(*self._send(build(), timeout_s, deadline), endpoint=endpoint)

    def send(self, req_obj: Any, async_enable: bool = False, headers: Mapping[str, str] | None = None) -> Any:
        """Make the call that a request of `backend_api.services` describes; a refusal is a result too (`ok()`).

        Raises ServerUnreachable, BadAnswer.
        """
        from clearml_sdk.backend_api.session.callresult import CallResult

        fields = req_obj.to_dict()
        lines = fields.get("requests")
        try:
            if isinstance(lines, list):  # a batch: an object a line
                body = b"\n".join(encode(line) for line in lines)
                answer = self.call(req_obj.endpoint, body, content_type=JSON_LINES, headers=headers)
            else:
                answer = self.call(req_obj.endpoint, fields, headers=headers)
            return CallResult.answered(req_obj, answer)
        except ApiError as error:
            return CallResult.refused(req_obj, error)

    def log_in(self, *, deadline: float | None = None, rejected: str | None = None) -> dict[str, Any]:
        """Obtain a token and return its claims. Raises Unauthorized when the credentials are not accepted."""
        if deadline is None:
            deadline = time.monotonic() + self.settings.give_up_s
        with self._login_lock:
            if not self.core.must_log_in and self.core.token != rejected:
                return self.core.claims  # another thread was faster
            claims = self.core.read_login(*self._send(self.core.login(), None, deadline))
            if self.settings.token and self.core.token:
                os.environ["CLEARML_AUTH_TOKEN"] = self.core.token  # for the processes that this one starts
            return claims

    @property
    def is_down(self) -> bool:
        """Whether nobody listens where the server should be, and has not for longer than a restart takes."""
        refused_at = self._refused_at
        return refused_at is not None and time.monotonic() - refused_at >= DOWN_S

    def close(self) -> None:
        """Close the idle connections; the session can still be used."""
        self.transport.close()

    def _send(
        self, request: HttpRequest, timeout_s: float | None, deadline: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send, again and again while that may help and the deadline is not reached."""
        attempt = 0
        while True:
            attempt += 1
            cause: int | BaseException
            try:
                status, headers, body = self.transport.send(
                    request,
                    connect_timeout_s=self.settings.connect_timeout_s,
                    read_timeout_s=timeout_s or self.settings.read_timeout_s,
                )
                self._refused_at = None
                delay_s = self.core.retry_delay_s(attempt, status)
                if delay_s is None:
                    return status, headers, body
                cause = status
            except (OSError, EOFError) as error:
                is_refused = isinstance(error, ConnectionRefusedError)
                self._refused_at = (self._refused_at or time.monotonic()) if is_refused else None
                cause, delay_s = error, self.core.retry_delay_s(attempt, error)
                status, headers, body = 0, {}, b""
            if delay_s is None or time.monotonic() + delay_s > deadline:
                if isinstance(cause, int):
                    return status, headers, body
                raise ServerUnreachable(self.settings.api_server, describe(cause)) from cause
            if attempt == PATIENT_TRIES:
                why = f"status {cause}" if isinstance(cause, int) else describe(cause)
                warn_once(f"waiting {self.settings.api_server}", f"waiting for {self.settings.api_server}: {why}")
            time.sleep(delay_s)


_default: Session | None = None


def current_default() -> Session | None:
    """The session that this process uses; None while it has not needed one."""
    return _default


def set_default(session: Session | None) -> None:
    """Make `session` the one that this process uses."""
    global _default
    _default = session


def new_call_name() -> str:
    """A name that no other call has."""
    return os.urandom(16).hex()


def encode(body: Any) -> bytes:
    """A JSON body; numbers that JSON does not have (NaN, infinities) become null, unknown objects their text."""
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, default=str, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(body), ensure_ascii=False, default=str, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def read_claims(token: str) -> dict[str, Any]:
    """The claims inside a JWT, unverified (the server verifies); {} for any other text."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def describe(error: BaseException) -> str:
    """One line about what went wrong on the way to the server."""
    if isinstance(error, TimeoutError):
        return "timed out"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
