"""`APIClient`: every endpoint of the server as a method, answers as objects.

client = APIClient()
client.tasks.get_all(project=[project_id])[0].name
client.queues.get_by_id(queue_id).rename(...)      an entity's own actions need not name it again
"""

from __future__ import annotations

from functools import cached_property

from clearml_sdk.backend_api.services._classes import plain
from clearml_sdk.backend_api.services._contract import check
from clearml_sdk.backend_api.session.client.actions import ACTIONS
from clearml_sdk.documents import Document
from clearml_sdk.errors import ApiError
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

APIError = ApiError
"""What a refused call raises: `code`, `subcode`, `message`."""

ENTITIES = {"tasks": "task", "projects": "project", "models": "model", "queues": "queue"}
"""Services whose documents have actions of their own, and what they call a document."""


class Response(Document):
    """An answer, its fields as attributes."""

    __slots__ = ()


class Entity:
    """A document of the server: its fields as attributes, the actions of its service as methods about it."""

    def __init__(self, service: Service, fields: Mapping[str, Any]) -> None:
        self._service, self._fields = service, dict(fields)

    @property
    def entity_name(self) -> str:
        """`task`, `project`, `model` or `queue`."""
        return ENTITIES[self._service.name]

    @property
    def data(self) -> Document:
        """The document."""
        return Document(self._fields)

    @property
    def session(self) -> Session:
        """The session that its calls go through."""
        return self._service.session

    def fetch(self) -> None:
        """Read the document again."""
        answer = self._service.call("get_by_id", {self.entity_name: self._fields["id"]})
        self._fields = dict(answer[self.entity_name])

    def to_dict(self) -> dict[str, Any]:
        """The document as plain data, times as `datetime`."""
        return self.data.to_dict()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._fields and name in ACTIONS[self._service.name]:
            return self._action(name)
        if name not in self._fields and not self._knows(name):
            raise AttributeError(f"{self!r} has neither a field nor an action {name!r}")
        return getattr(self.data, name)

    def _knows(self, name: str) -> bool:
        """Whether a document that was created or listed in part has the field after all."""
        if "id" in self._fields and not self.__dict__.get("_is_whole"):
            self._is_whole = True
            self.fetch()
        return name in self._fields

    def _action(self, name: str) -> Callable[..., Any]:
        def act(**fields: Any) -> Any:
            return self._service.act(name, {self.entity_name: self._fields["id"], **fields})

        act.__name__ = name
        return act

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._fields, *ACTIONS[self._service.name]})

    def __repr__(self) -> str:
        name = f', name="{self._fields["name"]}"' if "name" in self._fields else ""
        return f"<{self.entity_name.capitalize()}: id={self._fields.get('id')}{name}>"


class TableResponse:
    """The documents that a query found, as a sequence of entities."""

    def __init__(self, rows: Sequence[Any], answer: Mapping[str, Any], fields: Sequence[str] = ()) -> None:
        self._rows, self._answer, self.fields = list(rows), answer, list(fields)

    @property
    def response(self) -> Response:
        """The whole answer, `scroll_id` included."""
        return Response(dict(self._answer))

    def where(self, predicate: Callable[[Any], bool] | None = None, **fields: Any) -> TableResponse:
        """Those that satisfy `predicate` and have these values."""
        kept = [
            row
            for row in self._rows
            if (predicate is None or predicate(row))
            and all(getattr(row, name, None) == value for name, value in fields.items())
        ]
        return TableResponse(kept, self._answer, self.fields)

    def display(self, fields: Sequence[str] = ()) -> None:
        """Print them, one a line."""
        for row in self._rows:
            print({name: getattr(row, name, None) for name in fields or self.fields or ("id", "name")})

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._answer:
            raise AttributeError(f"the answer has no field {name!r}: {', '.join(self._answer)}")
        return getattr(self.response, name)

    def __repr__(self) -> str:
        return repr(self._rows)


class Service:
    """One service of the API: `client.tasks`."""

    def __init__(self, session: Session, name: str) -> None:
        self.session, self.name = session, name

    def call(self, action: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The plain answer. Raises ApiError, ServerUnreachable."""
        return self.session.call(f"{self.name}.{action}", {k: v for k, v in fields.items() if v is not None})

    def act(self, action: str, fields: Mapping[str, Any]) -> Any:
        """The answer as what it is: one entity, a table of them, or fields."""
        kind = ENTITIES.get(self.name)
        answer = self.call(action, fields)
        rows = answer.get(self.name)
        if action.startswith("get_all") and isinstance(rows, list):
            return TableResponse([self._entity(row) for row in rows], answer, fields.get("only_fields") or ())
        if action == "get_by_id" and kind and isinstance(answer.get(kind), dict):
            return Entity(self, answer[kind])
        if action == "create" and kind:
            return Entity(self, answer)
        return Response(answer)

    def _entity(self, row: dict[str, Any]) -> Entity | Document:
        return Entity(self, row) if self.name in ENTITIES else Document(row)

    def __getattr__(self, action: str) -> Callable[..., Any]:
        if action not in ACTIONS[self.name]:
            raise AttributeError(f"the service {self.name!r} has no action {action!r}")

        def act(identifier: str | None = None, /, **fields: Any) -> Any:
            if identifier is not None:
                fields = {ENTITIES.get(self.name, "id"): identifier, **fields}
            check(self.name, action, fields)
            return self.act(action, {name: plain(value) for name, value in fields.items()})

        act.__name__ = action
        return act

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *ACTIONS[self.name]})


class APIClient:
    """Every endpoint of the server: `APIClient().<service>.<action>(**fields)`. Calls raise `APIError` when refused.

    session: None: that of this process, by configuration. api_version: accepted for compatibility; the newest is used.
    """

    def __init__(self, session: Any = None, api_version: str | None = None, **kwargs: Any) -> None:
        self.session: Session = session or Session.default()

    @cached_property
    def auth(self) -> Service:
        return Service(self.session, "auth")

    @cached_property
    def events(self) -> Service:
        return Service(self.session, "events")

    @cached_property
    def models(self) -> Service:
        return Service(self.session, "models")

    @cached_property
    def projects(self) -> Service:
        return Service(self.session, "projects")

    @cached_property
    def queues(self) -> Service:
        return Service(self.session, "queues")

    @cached_property
    def tasks(self) -> Service:
        return Service(self.session, "tasks")

    @cached_property
    def workers(self) -> Service:
        return Service(self.session, "workers")

    def __getattr__(self, name: str) -> Service:
        if name not in ACTIONS:
            raise AttributeError(f"the API has no service {name!r}: {', '.join(sorted(ACTIONS))}")
        service = self.__dict__[name] = Service(self.session, name)
        return service

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *ACTIONS})
