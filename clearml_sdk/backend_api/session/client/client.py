"""`APIClient`: every endpoint of the server as a method, answers as objects.

client = APIClient()
client.tasks.get_all(project=[project_id])[0].name
client.queues.get_by_id(queue_id).rename(...)      an entity's own actions need not name it again
"""

from __future__ import annotations

import functools
from functools import cached_property

from clearml_sdk.backend_api.services._classes import plain, unfolded
from clearml_sdk.backend_api.services._contract import check, contracts
from clearml_sdk.backend_api.session.callresult import CallResult, Meta
from clearml_sdk.backend_api.session.client.actions import ACTIONS
from clearml_sdk.backend_api.session.client.answers import Response, TableResponse
from clearml_sdk.backend_api.session.client.entities import ENTITIES, Entity, Version, entity_class
from clearml_sdk.backend_api.session.client.errors import APIError, api_error
from clearml_sdk.documents import Document
from clearml_sdk.errors import ApiError
from clearml_sdk.session import JSON_LINES, Session, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["APIClient", "APIError", "Entity", "Response", "Service", "TableResponse", "Version"]

CURVES = frozenset(
    {"scalar_metrics_iter_histogram", "multi_task_scalar_metrics_iter_histogram", "vector_metrics_iter_histogram"}
)
"""Answers whose fields are the names of the task's metrics: they are under `metrics`."""


class Service:
    """One service of the API: `client.tasks`."""

    _api = ""

    def __init__(self, session: Session) -> None:
        self.session = session

    @property
    def name(self) -> str:
        """Its name as a class: `Tasks`."""
        return type(self).__name__

    def call(self, action: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The plain answer. Raises APIError, ServerUnreachable."""
        endpoint = f"{self._api}.{action}"
        given = unfolded(endpoint, {name: value for name, value in fields.items() if value is not None})
        try:
            if endpoint == "events.add_batch":  # an object a line
                lines = b"\n".join(encode(line) for line in given["requests"])
                return self.session.call(endpoint, lines, content_type=JSON_LINES)
            return self.session.call(endpoint, given)
        except ApiError as error:
            raise api_error(error) from None

    def act(self, action: str, fields: Mapping[str, Any]) -> Any:
        """The answer as what it is: one entity, a table of them, or fields. Raises TypeError, ValueError, APIError."""
        fields = {name: value for name, value in fields.items() if value is not None}
        check(self._api, action, fields)
        kind = ENTITIES.get(self._api)
        answer = self.call(action, {name: plain(value) for name, value in fields.items()})
        if action in CURVES:
            answer = {"metrics": answer}
        result = CallResult(Meta(f"{self._api}.{action}"), response_data=answer, session=self.session)
        if action.startswith("get_all") and isinstance(answer.get(self._api), list):
            made = entity_class(self._api) if kind else _document
            return TableResponse(self, made, fields.get("only_fields"), result, dest=self._api)
        if action == "get_by_id" and kind and isinstance(answer.get(kind), dict):
            return entity_class(self._api)(self, answer[kind])
        if action == "create" and kind:
            return entity_class(self._api)(self, answer)
        return Response(result)

    def __getattr__(self, action: str) -> Callable[..., Any]:
        if action not in ACTIONS.get(self._api, ()):
            raise AttributeError(f"the service {self._api!r} has no action {action!r}")

        def act(*arguments: Any, **fields: Any) -> Any:
            return self.act(action, {**self._by_position(action, arguments, fields), **fields})

        act.__name__ = action
        return act

    def _by_position(self, action: str, arguments: tuple[Any, ...], fields: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters that were given without their names: first what identifies a document."""
        if not arguments:
            return {}
        contract = contracts()[self._api]
        names = [field.name for field in contract.actions.get(action, ()) if field.is_required]
        names += [field.name for field in contract.actions.get(action, ()) if not field.is_required]
        if (kind := ENTITIES.get(self._api)) in names and kind is not None:
            names = [kind, *(name for name in names if name != kind)]
        if len(arguments) > len(names):
            raise TypeError(f"{self._api}.{action} takes {len(names)} parameters, not {len(arguments)}")
        given = dict(zip(names, arguments, strict=False))
        if twice := sorted(set(given) & set(fields)):
            raise TypeError(f"{self._api}.{action} got {', '.join(twice)} twice")
        return given

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *ACTIONS.get(self._api, ())})


def _document(service: Service, row: Any) -> Document:
    return row if isinstance(row, Document) else Document(row)


@functools.cache
def service_class(name: str) -> type[Service]:
    """The class of one service."""
    return type(name.capitalize(), (Service,), {"_api": name, "__module__": __name__})


class APIClient:
    """Every endpoint of the server: `APIClient().<service>.<action>(**fields)`. Calls raise `APIError` when refused.

    session: None: that of this process, by configuration. api_version: accepted for compatibility; the newest is used.
    """

    def __init__(self, session: Any = None, api_version: str | None = None, **kwargs: Any) -> None:
        self.session: Session = session or Session.default()

    @cached_property
    def auth(self) -> Service:
        return service_class("auth")(self.session)

    @cached_property
    def events(self) -> Service:
        return service_class("events")(self.session)

    @cached_property
    def models(self) -> Service:
        return service_class("models")(self.session)

    @cached_property
    def projects(self) -> Service:
        return service_class("projects")(self.session)

    @cached_property
    def queues(self) -> Service:
        return service_class("queues")(self.session)

    @cached_property
    def tasks(self) -> Service:
        return service_class("tasks")(self.session)

    @cached_property
    def workers(self) -> Service:
        return service_class("workers")(self.session)

    def __getattr__(self, name: str) -> Service:
        if name not in ACTIONS:
            raise AttributeError(f"the API has no service {name!r}: {', '.join(sorted(ACTIONS))}")
        service = self.__dict__[name] = service_class(name)(self.session)
        return service

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *ACTIONS})
