"""Documents of the server with actions of their own: `client.tasks.get_by_id(id).enqueue(queue=...)`."""

from __future__ import annotations

import functools

from clearml_sdk.backend_api.services._contract import contracts
from clearml_sdk.backend_api.session.client.actions import ACTIONS
from clearml_sdk.documents import Document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from clearml_sdk.backend_api.session.client.client import Service
    from clearml_sdk.session import Session

ENTITIES = {"tasks": "task", "projects": "project", "models": "model", "queues": "queue", "workers": "worker"}
"""Services whose documents have actions of their own, and what they call a document."""


class Entity:
    """A document of the server: its fields as attributes, the actions of its service as methods about it.

    data: the document; what it lacks is read from the server when it is asked for.
    """

    entity_name = ""
    """`task`, `project`, `model`, `queue` or `worker`: the parameter of actions that means the document."""

    def __init__(self, service: Service, data: Any) -> None:
        self._service = service
        self.data = data if isinstance(data, Document) else Document(data)

    @property
    def get_by_id_request(self) -> Any:
        """The request that reads such a document; None where there is none."""
        from importlib import import_module

        if "get_by_id" not in ACTIONS[self._service._api]:
            return None
        return import_module(f"clearml_sdk.backend_api.services.{self._service._api}").GetByIdRequest

    @property
    def session(self) -> Session:
        """The session that its calls go through."""
        return self._service.session

    def fetch(self) -> None:
        """Read the document again."""
        answer = self._service.call("get_by_id", {self.entity_name: self.data["id"]})
        self.data = Document(answer[self.entity_name])

    def to_dict(self) -> dict[str, Any]:
        """The document as plain data, times as `datetime`."""
        return self.data.to_dict()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "data":
            raise AttributeError(name)
        if name in self.data:
            return self.data[name]
        if name in ACTIONS[self._service._api]:
            return self._action(name)
        if self._knows(name) or name in self._declared():
            return getattr(self.data, name)
        raise AttributeError(f"{self!r} has neither a field nor an action {name!r}")

    def _knows(self, name: str) -> bool:
        """Whether a document that was created or listed in part has the field after all."""
        if "id" in self.data and self.get_by_id_request is not None and not self.__dict__.get("_is_whole"):
            self._is_whole = True
            self.fetch()
        return name in self.data

    def _declared(self) -> tuple[str, ...]:
        """The fields that such documents may have."""
        return contracts()[self._service._api].parts.get(type(self).__name__, ())

    def _action(self, name: str) -> Callable[..., Any]:
        def act(*arguments: Any, **fields: Any) -> Any:
            if arguments:
                raise TypeError(f"{self.entity_name}.{name} takes its parameters by name")
            return self._service.act(name, {self.entity_name: self.data["id"], **fields})

        act.__name__ = name
        return act

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.data, *ACTIONS[self._service._api]})

    def __repr__(self) -> str:
        name = f', name="{self.data["name"]}"' if self.data.get("name") else ""
        return f"<{type(self).__name__}: id={self.data.get('id')}{name}>"


class Version(Entity):
    """A version of a hyper-dataset, on a server that has those."""

    entity_name = "version"
    get_by_id_request = None

    def fetch(self) -> None:
        """Read the document again."""
        asked = {"dataset": self.data["dataset"], "versions": [self.data["id"]]}
        self.data = Document(self._service.call("get_versions", asked)["versions"][0])


@functools.cache
def entity_class(service: str) -> type[Entity]:
    """The class of the documents of a service of `ENTITIES`."""
    name = ENTITIES[service]
    return type(name.capitalize(), (Entity,), {"entity_name": name, "__module__": __name__})
