"""The handler table: endpoint name -> handler, request type, response type.

HTTP routing, the in-process transport, `/openapi.json` and the compatibility report are made from it. A service
module declares its endpoints with the decorator, and `build_table` collects them from the modules it is given:

    @endpoint("queues.create", CreateRequest, CreateResponse)
    async def create(ctx: Context, request: CreateRequest) -> dict[str, Any]: ...

A request type is a `Request` Struct (contract: unknown keys are ignored), `dict` for the open query language of
`*.get_all` (the body as it came, an object), or `bytes` for the endpoints that take NDJSON (the body untouched).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Generic, TypeVar

import msgspec

from control_plane.services.context import Context

RequestT = TypeVar("RequestT")


@dataclass(frozen=True, slots=True)
class Download:
    """An answer without an envelope: a file that is sent while it is made, however long it gets."""

    file_name: str
    content_type: str
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Message:
    """One server-sent event. `id`: where a caller goes on that comes again; empty: it stays where it was."""

    event: str
    data: Mapping[str, Any]
    id: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer without an envelope that goes on while things happen: server-sent events."""

    messages: AsyncGenerator[Message, None]
    heartbeat_s: float
    """How long it may be silent."""


Answer = Mapping[str, Any] | msgspec.Struct | Download | Stream | None
"""What a handler returns: the envelope's `data`. None is an empty object."""


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[RequestT]):
    """One row of the table. Calling it calls its handler, so services may use each other's endpoints."""

    name: str
    handler: Callable[[Context, RequestT], Awaitable[Answer]]
    request: type[RequestT]
    response: Any
    """A Struct or typed dict that describes the answer's `data`; None when it is an empty or free object."""
    min_version: str
    """Echoed as `meta.endpoint.actual_version`."""
    authorize: bool
    """False: answered without any credentials. Who else may call it: `services.roles`."""
    reads: frozenset[str] = frozenset()
    """What a request of type `dict` may say: the fields that its handler looks at."""

    def __call__(self, ctx: Context, request: RequestT) -> Awaitable[Answer]:
        return self.handler(ctx, request)

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (self.handler.__doc__ or "").strip().partition("\n")[0]

    @property
    def is_download(self) -> bool:
        """True when the answer is a file without an envelope."""
        return self.handler.__annotations__.get("return") is Download

    @property
    def is_stream(self) -> bool:
        """True when the answer is server-sent events, which may go on for long."""
        return self.handler.__annotations__.get("return") is Stream


def endpoint(
    name: str,
    request: type[RequestT],
    response: Any = None,
    *,
    min_version: str = "1.0",
    authorize: bool = True,
    reads: frozenset[str] = frozenset(),
) -> Callable[[Callable[[Context, RequestT], Awaitable[Answer]]], Endpoint[RequestT]]:
    """Declare the function below as the handler of `name`."""

    def declare(handler: Callable[[Context, RequestT], Awaitable[Answer]]) -> Endpoint[RequestT]:
        return Endpoint(name, handler, request, response, min_version, authorize, reads)

    return declare


Table = Mapping[str, Endpoint[Any]]


def build_table(modules: Iterable[ModuleType]) -> dict[str, Endpoint[Any]]:
    """Collect every endpoint that the modules declare; a name declared twice is a defect and raises ValueError."""
    table: dict[str, Endpoint[Any]] = {}
    for module in modules:
        for value in vars(module).values():
            if not isinstance(value, Endpoint) or value.handler.__module__ != module.__name__:
                continue
            if table.get(value.name, value) is not value:
                raise ValueError(f"{value.name} is declared twice")
            table[value.name] = value
    return dict(sorted(table.items()))
