"""`Task`: what only servers with more than the open feature set offer, and says so."""

from __future__ import annotations

from clearml_sdk.facade.base import TaskBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


class TaskEndpoints(TaskBase):
    """Endpoints of a task that the server makes reachable from outside, and dataviews."""

    def request_external_endpoint(
        self,
        port: int,
        protocol: str = "http",
        wait: bool = False,
        wait_interval_seconds: float = 3.0,
        wait_timeout_seconds: float = 90.0,
        static_route: str | None = None,
        endpoint_name: str | None = None,
    ) -> dict[str, Any] | None:
        """Have the server route to a port of this task. Raises ValueError: open servers have no such routes."""
        self._needs_advanced("request_external_endpoint")

    def wait_for_external_endpoint(
        self,
        wait_interval_seconds: float = 3.0,
        wait_timeout_seconds: float = 90.0,
        protocol: str | None = "http",
        endpoint_name: str | None = None,
    ) -> dict[str, Any] | list[dict[str, Any] | None] | None:
        """Wait for a route that was requested. Raises ValueError: open servers have no such routes."""
        self._needs_advanced("wait_for_external_endpoint")

    def list_external_endpoints(self, protocol: str | None = None) -> list[dict[str, Any]]:
        """The routes of this task. Raises ValueError: open servers have no such routes."""
        self._needs_advanced("list_external_endpoints")

    def get_http_router(self) -> Any:
        """The proxy of this task's web services, the same each time; it needs the extra `router`."""
        from clearml_sdk.router.router import HttpRouter

        found: HttpRouter | None = self.__dict__.get("_router")
        if found is None:
            found = self.__dict__["_router"] = HttpRouter(self)
        return found

    def get_dataviews(self) -> dict[str, Any]:
        """The task's dataviews by name: none, on a server without hyper-datasets."""
        return {}

    def set_dataview(self, dataview: Any) -> None:
        """Give the task a dataview; without effect on a server without hyper-datasets, as with the official SDK."""

    def _needs_advanced(self, name: str) -> NoReturn:
        session = self._record.session
        has = "offline" if session.is_offline else session.core.claims.get("feature_set") or "basic"
        raise ValueError(
            f"{name} needs a server with the feature set 'advanced'; this one has {has!r}, and routes to no tasks"
        )
