"""`Session` as scripts make it: by the configuration, with the calls that they know; `send` and `call` are its base's.

Facts about the server (its API version, its features) are of all sessions: they are known once one has logged in.
"""

from __future__ import annotations

import json as json_module
import os
import re
import time

from clearml_sdk import session as sessions
from clearml_sdk._version import __version__
from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.backend_api.session.defs import MissingConfigError
from clearml_sdk.backend_api.session.token_manager import TokenManager, decoded_token
from clearml_sdk.config import load_settings
from clearml_sdk.errors import NotConfigured, Unauthorized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, ClassVar

__all__ = ["LoginError", "MaxRequestSizeError", "Session"]

_HOSTED = {"api": "https://api.clear.ml", "web": "https://app.clear.ml", "files": "https://files.clear.ml"}


class LoginError(Unauthorized):
    """The server does not accept the credentials."""


class MaxRequestSizeError(Exception):
    """A request is larger than the server takes."""


class HttpAnswer:
    """The answer to `Session.send_request`."""

    def __init__(self, status_code: int, headers: Mapping[str, str], content: bytes) -> None:
        self.status_code, self.headers, self.content = status_code, headers, content

    @property
    def ok(self) -> bool:
        return self.status_code < 400

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The envelope: `meta` and `data`."""
        return json_module.loads(self.content)


class Session(sessions.Session):
    """A session of a script's own; without arguments it is made by the configuration of this machine.

    Raises MissingConfigError without a server or credentials, LoginError when they are not accepted.
    """

    api_version = "2.9"
    max_api_version = "2.9"
    feature_set = "basic"
    server_version = "1.0.0"
    force_max_api_version: ClassVar[str | None] = None
    default_host, default_web, default_files = _HOSTED["api"], _HOSTED["web"], _HOSTED["files"]
    default_demo_host = "https://demoapi.demo.clear.ml"
    default_key = default_secret = ""
    legacy_file_servers: ClassVar[list[str]] = ["https://files.community.clear.ml"]
    _clients: ClassVar[list[tuple[str, str]]] = [("clearml-lean", __version__)]
    _is_known = False

    def __init__(
        self,
        worker: str | None = None,
        api_key: str | None = None,
        secret_key: str | None = None,
        host: str | None = None,
        logger: Any = None,
        verbose: bool | None = None,
        config: Any = None,
        http_retries_config: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        file = kwargs.get("config_file")
        settings = load_settings(path=os.path.expanduser(os.fspath(file)) if file else None)
        for key, value in (
            ("api_server", host),
            ("credentials.access_key", api_key),
            ("credentials.secret_key", secret_key),
        ):
            if value:
                settings.set(f"api.{key}", value)
        try:
            api = ApiSettings.from_config(settings)
        except NotConfigured as error:
            raise MissingConfigError(str(error)) from error
        if api_key and secret_key:
            api.token = None
        api.worker = worker or api.worker
        super().__init__(api, client="; ".join(f"{name}-{version}" for name, version in self._clients))
        self.config = settings
        self.core.token_period_s = kwargs.get("req_token_expiration_sec")
        try:
            self.log_in()
        except Unauthorized as error:
            raise LoginError(error.code, error.subcode, error.message, error.endpoint) from error
        self._learn()

    def _learn(self) -> None:
        claims = self.core.claims
        kind = Session
        kind.api_version = kind.max_api_version = str(claims.get("api_version") or kind.max_api_version)
        kind.server_version = str(claims.get("server_version") or kind.server_version)
        kind.feature_set = str(claims.get("feature_set") or kind.feature_set)
        kind._is_known = True

    # Whom it talks to, and as whom.

    @property
    def access_key(self) -> str | None:
        return self.settings.access_key

    @property
    def secret_key(self) -> str | None:
        return self.settings.secret_key

    @property
    def auth_token(self) -> str | None:
        return self.settings.token

    @property
    def host(self) -> str:
        return self.settings.api_server

    @property
    def worker(self) -> str:
        return self.settings.worker

    # Its token.

    @property
    def token(self) -> str:
        """A token that is valid now."""
        if self.core.must_log_in:
            self.log_in()
        return str(self.core.token)

    @property
    def raw_token(self) -> str | None:
        """The token as it is, valid or not."""
        return self.core.token

    @property
    def token_expiration_sec(self) -> int:
        """When the token expires, in seconds since the epoch."""
        return int(self.core.claims.get("exp") or 0)

    @property
    def token_expiration_threshold_sec(self) -> float:
        """A token with less than this left is renewed before it is used."""
        return self.settings.token_threshold_s

    @token_expiration_threshold_sec.setter
    def token_expiration_threshold_sec(self, seconds: float) -> None:
        self.settings.token_threshold_s = seconds

    @property
    def req_token_expiration_sec(self) -> int | None:
        """How long tokens of this session are asked to live; None: as long as the server gives."""
        return self.core.token_period_s

    @req_token_expiration_sec.setter
    def req_token_expiration_sec(self, seconds: int | None) -> None:
        self.core.token_period_s = seconds

    def get_token_valid_period_sec(self) -> float:
        """How long the token is still valid, in seconds; 0 when it is not."""
        return max(0.0, self.token_expiration_sec - self.core._clock())

    def refresh_token(self) -> None:
        """Obtain a new token."""
        self.log_in(rejected=self.core.token)

    @classmethod
    def get_decoded_token(cls, token: str) -> dict[str, Any]:
        """The claims of a token, unverified. Raises ValueError for what is no token."""
        return decoded_token(token)

    def add_auth_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """`headers`, with the authorisation added."""
        headers["Authorization"] = f"Bearer {self.token}"
        return headers

    # Calls.

    def send_request(
        self,
        service: str,
        action: str,
        version: str | None = None,
        method: str | None = None,
        headers: Mapping[str, str] | None = None,
        data: Any = None,
        json: Any = None,
        async_enable: bool = False,
        params: Mapping[str, Any] | None = None,
    ) -> HttpAnswer:
        """Call `service.action` and return the answer as it came, a refusal too.

        data: the body as it is; json: what the body is made of; params: more fields of it. version, method and
        async_enable are accepted for compatibility: the newest version is called, by POST, and the answer waited for.
        """
        body: Any = data.encode() if isinstance(data, str) else data
        if body is None:
            body = (
                {**(json or {}), **(params or {})} if isinstance(json, dict) or json is None else sessions.encode(json)
            )
        return HttpAnswer(*self._exchange(f"{service}.{action}", body, headers=headers))

    def send_request_batch(
        self,
        service: str,
        action: str,
        version: str | None = None,
        headers: Mapping[str, str] | None = None,
        data: Any = None,
        json: Sequence[Any] | None = None,
        method: str | None = None,
    ) -> HttpAnswer:
        """As `send_request`, for calls that take one JSON object a line: `json` is a list of them."""
        lines = data if data is not None else [sessions.encode(one) for one in json or ()]
        body = b"\n".join(one.encode() if isinstance(one, str) else one for one in lines)
        endpoint = f"{service}.{action}"
        return HttpAnswer(*self._exchange(endpoint, body, content_type=sessions.JSON_LINES, headers=headers))

    def _exchange(
        self, endpoint: str, body: Any, *, content_type: str = sessions.JSON, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        deadline = time.monotonic() + self.settings.give_up_s
        named = {sessions.CALL_NAME: sessions.new_call_name(), **(headers or {})}
        for _ in range(2):
            used = self.token
            answer = self._send(
                self.core.request(endpoint, body, content_type=content_type, headers=named), None, deadline
            )
            if answer[0] != 401:
                break
            self.log_in(deadline=deadline, rejected=used)
        return answer

    def send_async(self, req_obj: Any) -> Any:
        """`send`: the answer is waited for here too."""
        return self.send(req_obj)

    def validate_request(self, req_obj: Any) -> None:
        """Raise TypeError for what `send` cannot send."""
        if not hasattr(req_obj, "endpoint") or not hasattr(req_obj, "to_dict"):
            raise TypeError(f"not a request of clearml.backend_api.services: {req_obj!r}")

    # What the server is. These log in where no session has yet.

    @classmethod
    def check_min_api_version(cls, min_api_version: str, raise_error: bool = False) -> bool:
        """Whether the server's API is at least this version. raise_error: raise ValueError where it is not."""
        cls._know()
        return cls._at_least(Session.max_api_version, min_api_version, raise_error)

    @classmethod
    def check_min_api_server_version(cls, min_api_version: str, raise_error: bool = False) -> bool:
        """`check_min_api_version`."""
        return cls.check_min_api_version(min_api_version, raise_error)

    @classmethod
    def check_min_server_version(cls, min_server_version: str) -> bool:
        """Whether the server itself is at least this version."""
        cls._know()
        return cls._at_least(Session.server_version, min_server_version, False)

    @classmethod
    def verify_feature_set(cls, feature_set: str | Sequence[str]) -> None:
        """Raise ValueError where the server has none of these feature sets; `basic` has every one."""
        wanted = [feature_set] if isinstance(feature_set, str) else list(feature_set)
        cls._know()
        if Session.feature_set not in wanted and "basic" not in wanted:
            raise ValueError(f"the server has the feature set {Session.feature_set!r}, not {wanted}")

    @classmethod
    def _know(cls) -> None:
        if not Session._is_known:
            cls()

    @classmethod
    def _at_least(cls, actual: str, wanted: str, raise_error: bool) -> bool:
        if _version(actual) >= _version(wanted):
            return True
        if raise_error:
            raise ValueError(f"the server has API version {actual}, {wanted} or later is needed")
        return False

    @classmethod
    def get_api_server_host(cls, config: Any = None) -> str:
        """The address of the API server, by the configuration."""
        return cls._address("api")

    @classmethod
    def get_app_server_host(cls, config: Any = None) -> str:
        """The address of the web page."""
        return cls._address("web")

    @classmethod
    def get_files_server_host(cls, config: Any = None) -> str:
        """The address of the files server."""
        return cls._address("files")

    @classmethod
    def _address(cls, kind: str) -> str:
        current = sessions.current_default()
        try:
            settings = current.settings if current is not None else ApiSettings.from_config(load_settings())
        except NotConfigured:
            return _HOSTED[kind]
        return str(getattr(settings, f"{kind}_server"))

    @classmethod
    def get_worker_host_name(cls) -> str:
        """The name under which this machine reports."""
        from clearml_sdk.config.asked import dev_worker_name

        return dev_worker_name()

    @classmethod
    def get_clients(cls) -> list[tuple[str, str]]:
        """The programs that say who calls, with their versions."""
        return list(cls._clients)

    @classmethod
    def add_client(cls, client: str, value: str, first: bool = True) -> None:
        """Name a program that calls through this library."""
        cls._clients.insert(0 if first else len(cls._clients), (client, value))


TokenManager.register(Session)


def with_calls(session: sessions.Session) -> sessions.Session:
    """The same session, that of a task, with what scripts know of sessions; one of an offline run as it is."""
    if type(session) is sessions.Session:
        session.__class__ = Session
    return session


def _version(text: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", text.split("-")[0])]
