"""What calls of `APIClient` return: fields of an answer, or a table of documents."""

from __future__ import annotations

from clearml_sdk.backend_api.services._classes import plain
from clearml_sdk.backend_api.session.callresult import CallResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from clearml_sdk.backend_api.session.callresult import Meta
    from clearml_sdk.backend_api.session.client.client import Service


class Response:
    """An answer, its fields as attributes.

    response: all of them, or what is in the field `dest`. meta: how the server took the call.
    """

    def __init__(self, result: CallResult, dest: str | None = None) -> None:
        self._result = result
        self.response: Any = result.response[dest] if dest else result.response

    @property
    def meta(self) -> Meta:
        return self._result.meta

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "response":
            raise AttributeError(name)
        return getattr(self.response, name)

    def __getitem__(self, name: Any) -> Any:
        return self.response[name]

    def __contains__(self, name: object) -> bool:
        return name in self.response

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._result.response})

    def __repr__(self) -> str:
        return f"<{self.meta.endpoint}: {self.response.to_dict()}>"


class TableResponse(Response):
    """The documents that a query found, as a sequence of entities.

    Args:
        service: of the documents.
        entity: makes one of (service, document).
        fields: what `display` shows; None: id and name.
        args, kwargs: of `Response`; `dest` is the field that has the documents.
    """

    def __init__(
        self, service: Service, entity: Any, fields: Sequence[str] | None = None, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.service, self.entity = service, entity
        self.fields = tuple(fields) if fields else ("id", "name")
        self.response = [entity(service, row) for row in self.response]

    def where(self, predicate: Callable[[Any], bool] | None = None, **kwargs: Any) -> TableResponse:
        """Those that satisfy `predicate` and have these values. Raises AttributeError for a field that there is not."""
        found = TableResponse.__new__(type(self))
        found.__dict__.update(self.__dict__)
        found.response = [
            row
            for row in self.response
            if (predicate is None or predicate(row))
            and all(getattr(row, name) == value for name, value in kwargs.items())
        ]
        return found

    def display(self, fields: Sequence[str] | None = None) -> None:
        """Print them, one a line. fields: a name, or several."""
        print(self._lines((fields,) if isinstance(fields, str) else fields or self.fields))

    def _lines(self, fields: Sequence[str]) -> str:
        rows = ({name: getattr(row, name, "") for name in fields} for row in self.response)
        shown = ({name: plain(value) for name, value in row.items() if value is not None} for row in rows)
        return "\n".join(str(row) for row in shown)

    def __getitem__(self, item: Any) -> Any:
        return self.response[item]

    def __contains__(self, item: object) -> bool:
        return item in self.response

    def __len__(self) -> int:
        return len(self.response)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.response)

    def __getattr__(self, name: str) -> Any:
        answer = self.__dict__["_result"].response if "_result" in self.__dict__ else {}
        if name.startswith("_") or name not in answer:
            raise AttributeError(f"the answer has no field {name!r}: {', '.join(answer)}")
        return answer[name]

    def __str__(self) -> str:
        return self._lines(self.fields)

    def __repr__(self) -> str:
        return repr(self.response)
