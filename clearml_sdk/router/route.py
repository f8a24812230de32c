"""`Route`: where the proxy sends a path, and what it calls on the way."""

from __future__ import annotations

import inspect

from clearml_sdk.router.endpoint_telemetry import EndpointTelemetry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Route:
    """A target with callbacks, which may be coroutines.

    Args:
        request_callback: (request, persistent_state) -> the request to send; None: as it came.
        response_callback: (response, request, persistent_state) -> the response to give; None: as it came.
        session: accepted for compatibility: the server of this process is told of the endpoint.
        error_callback: (request, error, persistent_state), when there is no response.

    persistent_state: a dictionary that is the same for all calls of this route.
    """

    def __init__(
        self,
        target_url: str,
        request_callback: Callable[..., Any] | None = None,
        response_callback: Callable[..., Any] | None = None,
        session: Any = None,
        error_callback: Callable[..., Any] | None = None,
    ) -> None:
        self.target_url = target_url.rstrip("/")
        self.request_callback, self.response_callback = request_callback, response_callback
        self.error_callback, self.session = error_callback, session
        self.persistent_state: dict[str, Any] = {}
        self._telemetry_arguments: dict[str, Any] | None = None
        self._telemetry: EndpointTelemetry | None = None

    async def on_request(self, request: Any) -> Any:
        """The request to send."""
        if self._telemetry is not None:
            self._telemetry.on_request()
        return await _called(self.request_callback, request, self.persistent_state) or request

    async def on_response(self, response: Any, request: Any) -> Any:
        """The response to give."""
        if self._telemetry is not None:
            self._telemetry.on_response()
        return await _called(self.response_callback, response, request, self.persistent_state) or response

    async def on_error(self, request: Any, error: BaseException) -> Any:
        """What the callback says to a failure; None: nothing."""
        if self._telemetry is not None:
            self._telemetry.on_response()
        return await _called(self.error_callback, request, error, self.persistent_state)

    def set_endpoint_telemetry_args(
        self,
        endpoint_name: str = "endpoint",
        model_name: str = "model",
        model: Any = None,
        model_url: Any = None,
        model_source: Any = None,
        model_version: Any = None,
        app_id: Any = None,
        app_instance: Any = None,
        tags: Any = None,
        system_tags: Any = None,
        container_id: Any = None,
        input_size: Any = None,
        input_type: str = "str",
        report_statistics: bool = True,
        endpoint_url: Any = None,
        preprocess_artifact: Any = None,
        force_register: bool = False,
    ) -> None:
        """What the server is told of the endpoint, see `EndpointTelemetry`."""
        given = dict(locals())
        given.pop("self")
        self._telemetry_arguments = given

    def start_endpoint_telemetry(self) -> None:
        """Tell the server of the endpoint from now on; without `set_endpoint_telemetry_args` there is nothing to."""
        if self._telemetry is None and self._telemetry_arguments is not None:
            self._telemetry = EndpointTelemetry(**self._telemetry_arguments)

    def stop_endpoint_telemetry(self) -> None:
        """Tell the server that the endpoint is gone."""
        telemetry, self._telemetry = self._telemetry, None
        if telemetry is not None:
            telemetry.stop()


async def _called(callback: Callable[..., Any] | None, *arguments: Any) -> Any:
    if callback is None:
        return None
    found = callback(*arguments)
    return await found if inspect.isawaitable(found) else found
