"""Blocking HTTP with kept-alive connections, over the standard library (its import is a third of urllib3's)."""

from __future__ import annotations

import base64
import http.client
import os
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from typing import Protocol

    from clearml_sdk.session import HttpRequest

    class Transport(Protocol):
        """What a Session sends requests with."""

        def send(
            self, request: HttpRequest, *, connect_timeout_s: float, read_timeout_s: float
        ) -> tuple[int, Mapping[str, str], bytes]:
            """Send once; raises OSError or EOFError when there is no answer."""

        def close(self) -> None:
            """Close idle connections."""


IDLE_CONNECTIONS = 8


class HttpTransport:
    """Keeps idle connections per server; safe in threads (a deque's ends are atomic) and after a fork."""

    def __init__(self, *, verify: bool | str = True) -> None:
        self._verify = verify
        self._tls: ssl.SSLContext | None = None
        self._idle: dict[str, deque[http.client.HTTPConnection]] = {}
        self._pid = os.getpid()

    def send(
        self, request: HttpRequest, *, connect_timeout_s: float, read_timeout_s: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send once, on an idle connection where there is one.

        A connection that the server closed while it was idle is replaced and the request sent again: it had no chance
        to be read. Raises OSError (which a timeout is) or EOFError.
        """
        scheme, _, rest = request.url.partition("://")
        host, _, path = rest.partition("/")
        origin = f"{scheme}://{host}"
        connection, is_reused = self._take(origin, connect_timeout_s)
        try:
            try:
                answer = self._exchange(connection, request, f"/{path}", read_timeout_s)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                connection.close()
                if not is_reused:
                    raise
                connection = self.connect(origin, connect_timeout_s)
                answer = self._exchange(connection, request, f"/{path}", read_timeout_s)
            body = answer.read()
        except http.client.HTTPException as error:
            connection.close()
            raise EOFError(f"the answer broke off: {type(error).__name__}") from error
        except BaseException:
            connection.close()
            raise
        if answer.will_close:
            connection.close()
        else:
            self._give_back(origin, connection)
        return answer.status, dict(answer.headers.items()), body

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()

    def _exchange(
        self, connection: http.client.HTTPConnection, request: HttpRequest, path: str, read_timeout_s: float
    ) -> http.client.HTTPResponse:
        if connection.sock is not None:
            connection.sock.settimeout(read_timeout_s)
        connection.request(request.method, path, body=request.body, headers=request.headers)
        return connection.getresponse()

    def _take(self, origin: str, connect_timeout_s: float) -> tuple[http.client.HTTPConnection, bool]:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self.close()  # only this process's ends: the parent goes on using the sockets
        try:
            return self._idle[origin].pop(), True
        except (KeyError, IndexError):
            return self.connect(origin, connect_timeout_s), False

    def _give_back(self, origin: str, connection: http.client.HTTPConnection) -> None:
        idle = self._idle.setdefault(origin, deque())
        if len(idle) < IDLE_CONNECTIONS:
            idle.append(connection)
        else:
            connection.close()

    def connect(self, origin: str, timeout_s: float) -> http.client.HTTPConnection:
        """A new open connection to `scheme://host[:port]`, through the proxy that the environment names."""
        scheme, _, host = origin.partition("://")
        via = proxy_for(scheme, host)
        connection: http.client.HTTPConnection
        if scheme == "https":
            connection = http.client.HTTPSConnection(
                via.host if via else host, timeout=timeout_s, context=self._context()
            )
            if via:
                connection.set_tunnel(host, headers=via.headers)
        elif via:
            connection = _ProxiedConnection(via, origin, timeout_s)
        else:
            connection = http.client.HTTPConnection(host, timeout=timeout_s)
        connection.connect()
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            import ssl

            bundle = self._verify if isinstance(self._verify, str) else os.environ.get("REQUESTS_CA_BUNDLE")
            self._tls = ssl.create_default_context(cafile=bundle or None)
            if self._verify is False:
                self._tls.check_hostname = False
                self._tls.verify_mode = ssl.CERT_NONE
        return self._tls


class Proxy:
    """A proxy: `host` is `name:port`, `headers` identify us to it."""

    def __init__(self, address: str) -> None:
        account, at, self.host = address.rpartition("@")
        self.headers: dict[str, str] = {}
        if at:
            from urllib.parse import unquote

            pair = ":".join(unquote(part) for part in account.split(":", 1))
            self.headers["Proxy-Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"


class _ProxiedConnection(http.client.HTTPConnection):
    """A connection to a proxy for plain HTTP: requests carry the whole URL."""

    def __init__(self, proxy: Proxy, origin: str, timeout_s: float) -> None:
        super().__init__(proxy.host, timeout=timeout_s)
        self._proxy, self._origin = proxy, origin

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        super().putrequest(method, f"{self._origin}{url}", skip_host, skip_accept_encoding)
        for name, value in self._proxy.headers.items():
            self.putheader(name, value)


def proxy_for(scheme: str, host: str) -> Proxy | None:
    """The proxy that the environment names for this server; None for none, and for this machine."""
    found = os.environ.get(f"{scheme}_proxy") or os.environ.get(f"{scheme}_proxy".upper())
    if not found or host.startswith(("127.", "localhost", "[::1]")):
        return None
    from urllib.request import proxy_bypass

    if proxy_bypass(host):
        return None
    return Proxy((found.partition("://")[2] or found).strip("/"))
