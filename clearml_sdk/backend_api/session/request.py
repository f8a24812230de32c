"""Requests that scripts make themselves: one call, or one call with a line for each of many."""

from __future__ import annotations

import json

from clearml_sdk.backend_api.session.datamodel import DataModel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["BatchRequest", "CompoundRequest", "Request"]


class Request(DataModel):
    """A call of `_service._action`, its fields as attributes; `Session.send` makes it."""

    _service = _action = ""
    def_method = "get"
    _method: str | None = None

    def __init__(self, **kwargs: Any) -> None:
        if kwargs:
            raise ValueError(f"Unsupported keyword arguments: {', '.join(kwargs)}")

    @property
    def method(self) -> str:
        """The HTTP method that official clients call it by; ours always posts."""
        return self._method or self.def_method

    @property
    def endpoint(self) -> str:
        """Such as `tasks.get_all`."""
        return f"{self._service}.{self._action}"

    def to_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """What is sent."""
        return super().to_dict(*args, **kwargs)


class CompoundRequest(Request):
    """A request that is another one, its `_item`, with more about it."""

    _item: Request | None = None

    def to_dict(self) -> dict[str, Any]:  # type: ignore[override]  # the official form
        """What is sent: the item's fields, and its own."""
        return {**(self._item.to_dict() if self._item is not None else {}), **super().to_dict()}

    def validate(self, schema: Any = None) -> None:
        """Raise ValueError where the item, or this, is not as its schema says."""
        if self._item is not None:
            self._item.validate(schema)
        super().validate(schema)


class BatchRequest(Request):
    """Many requests in one call, an object a line.

    Args:
        requests: what to send: requests, other data models, or (with `allow_raw_requests`) dictionaries and JSON texts.
        validate_requests: check each before it is sent.
    """

    def __init__(
        self,
        requests: Sequence[Any],
        validate_requests: bool = False,
        allow_raw_requests: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._requests = list(requests)
        self._validates, self._allows_raw = validate_requests, allow_raw_requests

    @property
    def requests(self) -> list[Any]:
        return self._requests

    @requests.setter
    def requests(self, requests: Sequence[Any]) -> None:
        self._requests = list(requests)

    def get_json(self) -> list[Any]:
        """The objects that are sent."""
        return [one.to_dict() if isinstance(one, DataModel) else _raw(one) for one in self._requests]

    def to_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """What `Session.send` sends line by line."""
        if self._validates:
            self.validate()
        return {"requests": self.get_json()}

    def validate(self) -> None:  # type: ignore[override]  # the official form
        """Raise TypeError for what cannot be sent, ValueError for what is not as its schema says."""
        for one in self._requests:
            if isinstance(one, DataModel):
                one.validate()
            elif not self._allows_raw or not isinstance(one, dict | str | bytes):
                raise TypeError(f"not a request: {one!r}")


def _raw(one: Any) -> Any:
    return json.loads(one) if isinstance(one, str | bytes) else one
