"""`HttpRouter`: `task.get_http_router()`, a proxy of a task's web services. It needs fastapi, uvicorn and httpx."""

from __future__ import annotations

import atexit
import socket

from clearml_sdk.router.route import Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from clearml_sdk.router.proxy import Proxy

DEFAULT_PORT = 9000


class HttpRouter:
    """Routes of a proxy in this process, which listens once it is started."""

    def __init__(self, task: Any) -> None:
        self._task = task
        self._port = DEFAULT_PORT
        self._default_target: str | None = None
        self._log_level: str | None = None
        self._logs_access, self._streams = True, True
        self._routes: dict[str, Route] = {}
        self._proxy: Proxy | None = None

    def set_local_proxy_parameters(
        self,
        incoming_port: int | None = None,
        default_target: str | None = None,
        log_level: str | None = None,
        access_log: bool = True,
        enable_streaming: bool = True,
    ) -> None:
        """Choose how the proxy listens, before it is started.

        Args:
            incoming_port: None: 9000.
            default_target: where paths without a route go; None: they are not found.
            log_level: of uvicorn. access_log: print a line a request.
            enable_streaming: pass answers on as they come, where no callback wants them.
        """
        self._port = incoming_port or DEFAULT_PORT
        self._default_target = default_target
        self._log_level, self._logs_access, self._streams = log_level, access_log, enable_streaming

    def start_local_proxy(self) -> None:
        """Listen, in a thread, from when this returns.

        Raises UsageError without the packages that it needs, OSError for a port that is taken.
        """
        if self._proxy is not None:
            return
        from clearml_sdk.router.proxy import Proxy

        self._proxy = Proxy(
            self._routes,
            port=self._port,
            default=Route(self._default_target) if self._default_target else None,
            log_level=self._log_level,
            access_log=self._logs_access,
            streams=self._streams,
        )
        self._proxy.start()
        atexit.register(self._stop)

    def create_local_route(
        self,
        source: str,
        target: str,
        request_callback: Callable[..., Any] | None = None,
        response_callback: Callable[..., Any] | None = None,
        endpoint_telemetry: bool | dict[str, Any] = True,
        error_callback: Callable[..., Any] | None = None,
    ) -> None:
        """Send `source` and the paths below it to `target`, in place of an earlier route of that path.

        Args:
            request_callback, response_callback, error_callback: see `Route`.
            endpoint_telemetry: tell the server of the endpoint; a dictionary: with these facts, see
                `EndpointTelemetry`. Its address is this machine's, unless they say another.
        """
        self.start_local_proxy()
        self.remove_local_route(source)
        route = Route(target, request_callback, response_callback, error_callback=error_callback)
        if endpoint_telemetry:
            facts = endpoint_telemetry if isinstance(endpoint_telemetry, dict) else {}
            here = f"http://{socket.gethostname()}:{self._port}{_path(source)}"
            route.set_endpoint_telemetry_args(**{"endpoint_url": here, **facts})
            route.start_endpoint_telemetry()
        self._routes[_path(source)] = route

    def remove_local_route(self, source: str) -> None:
        """Forget a route; there may be none."""
        route = self._routes.pop(_path(source), None)
        if route is not None:
            route.stop_endpoint_telemetry()

    def deploy(
        self,
        wait: bool = False,
        wait_interval_seconds: float = 3.0,
        wait_timeout_seconds: float = 90.0,
        static_route: str | None = None,
    ) -> dict[str, Any] | None:
        """Have the server route to the proxy. Raises ValueError: open servers have no such routes."""
        self.start_local_proxy()
        found: dict[str, Any] | None = self._task.request_external_endpoint(
            port=self._port,
            wait=wait,
            wait_interval_seconds=wait_interval_seconds,
            wait_timeout_seconds=wait_timeout_seconds,
            static_route=static_route,
        )
        return found

    def wait_for_external_endpoint(
        self, wait_interval_seconds: float = 3.0, wait_timeout_seconds: float = 90.0
    ) -> dict[str, Any] | None:
        """Wait for the server's route. Raises ValueError: open servers have no such routes."""
        found: dict[str, Any] | None = self._task.wait_for_external_endpoint(
            wait_interval_seconds, wait_timeout_seconds
        )
        return found

    def list_external_endpoints(self) -> list[dict[str, Any]]:
        """The server's routes. Raises ValueError: open servers have no such routes."""
        found: list[dict[str, Any]] = self._task.list_external_endpoints()
        return found

    def _stop(self) -> None:
        for source in list(self._routes):
            self.remove_local_route(source)
        proxy, self._proxy = self._proxy, None
        if proxy is not None:
            proxy.stop()


def _path(source: str) -> str:
    return "/" + source.strip("/")
