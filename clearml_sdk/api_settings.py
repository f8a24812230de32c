"""Where the server is and how a client identifies itself: the settings of a session."""

from __future__ import annotations

import os
import socket

from clearml_sdk.config import environment
from clearml_sdk.errors import ConfigurationError, NotConfigured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from clearml_sdk.config import Config

NOT_CONFIGURED = """\
no ClearML server is configured. One of these will do:
  clearml-server         start a server on this machine; programs of the same user find it by themselves
  clearml-init           write ~/clearml.conf with the address and the credentials of a server
  CLEARML_API_HOST, CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY in the environment"""


class ApiSettings:
    """What a session needs to know; immutable by convention.

    api_server, web_server, files_server: base URLs without a trailing slash.
    access_key, secret_key: credentials; may be None where `token` is set.
    token: a ready-made token (`CLEARML_AUTH_TOKEN`), used in place of the credentials.
    verify: whether TLS certificates are checked, or the path of a CA bundle to check them with.
    connect_timeout_s, read_timeout_s: limits of one attempt.
    give_up_s: how long one call is retried while the server cannot be reached.
    token_threshold_s: a token with less than this left is renewed before it is used.
    max_request_bytes: larger bodies are cut by those who build them.
    worker: name of this machine, sent with each call.
    """

    def __init__(
        self,
        api_server: str,
        *,
        web_server: str = "",
        files_server: str = "",
        access_key: str | None = None,
        secret_key: str | None = None,
        token: str | None = None,
        verify: bool | str = True,
        connect_timeout_s: float = 10.0,
        read_timeout_s: float = 300.0,
        give_up_s: float = 60.0,
        token_threshold_s: float = 360.0,
        max_request_bytes: int = 15 * 1024 * 1024,
        worker: str | None = None,
    ) -> None:
        self.api_server = api_server.rstrip("/")
        self.web_server = (web_server or derive_host(self.api_server, "web")).rstrip("/")
        self.files_server = (files_server or derive_host(self.api_server, "files")).rstrip("/")
        self.access_key, self.secret_key, self.token = access_key, secret_key, token
        self.verify = verify
        self.connect_timeout_s, self.read_timeout_s, self.give_up_s = connect_timeout_s, read_timeout_s, give_up_s
        self.token_threshold_s = token_threshold_s
        self.max_request_bytes = max_request_bytes
        self.worker = worker or socket.gethostname()

    @classmethod
    def from_config(cls, config: Config, environ: Mapping[str, str] | None = None) -> ApiSettings:
        """Settings of this process. Raises NotConfigured (saying what to run) or ConfigurationError."""
        environ = os.environ if environ is None else environ
        api_server = config.get("api.api_server") or config.get("api.host")
        token = environment.read("AUTH_TOKEN", environ)
        key, secret = config.get("api.credentials.access_key"), config.get("api.credentials.secret_key")
        if not api_server and not token and not key:
            raise NotConfigured(NOT_CONFIGURED)
        where = f" in {config.file}" if config.file else ""
        if not api_server:
            raise NotConfigured(f"credentials are set but not the server's address: api.api_server{where}")
        if not str(api_server).startswith(("http://", "https://")):
            raise ConfigurationError(f"api.api_server{where} is {api_server!r}: it must start with http:// or https://")
        if not token and not (key and secret):
            raise NotConfigured(f"no credentials for {api_server}: set api.credentials{where}, or run clearml-init")
        verify = config.get("api.verify_certificate", True)
        return cls(
            str(api_server),
            web_server=str(config.get("api.web_server") or ""),
            files_server=str(config.get("api.files_server") or ""),
            access_key=key and str(key),
            secret_key=secret and str(secret),
            token=token,
            verify=verify if isinstance(verify, str) and os.path.exists(verify) else environment.as_flag(verify, True),
            token_threshold_s=config.number("api.auth.token_expiration_threshold_sec", 360),
            max_request_bytes=int(config.number("api.http.max_req_size", 15 * 1024 * 1024)),
        )


def derive_host(api_server: str, kind: str) -> str:
    """The usual address of the `web` or `files` server beside an API server; "" when there is no usual one.

    Source: contract/wire.md 12.
    """
    scheme, _, rest = api_server.partition("://")
    host, slash, path = rest.partition("/")
    if host.endswith(":8008"):
        return f"{scheme}://{host[:-5]}:{ {'web': 8080, 'files': 8081}[kind] }{slash}{path}"
    if host.startswith("api."):
        return f"{scheme}://{ {'web': 'app', 'files': 'files'}[kind] }.{host[4:]}{slash}{path}"
    return ""
