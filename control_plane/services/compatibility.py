"""How much of the official API this server answers: the contract's endpoints held against the handler table. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from control_plane.services.registry import Endpoint, Table

NOBODY = ("neither",)


@dataclass(frozen=True)
class Contract:
    """What official clients may ask of one endpoint."""

    name: str
    used_by: tuple[str, ...]
    """sdk, agent, web; empty when no official client calls it."""
    fields: frozenset[str]
    """Names of the request's fields."""


@dataclass(frozen=True)
class Row:
    """One endpoint of the contract, and what becomes of a call to it here."""

    name: str
    used_by: tuple[str, ...]
    is_handled: bool
    missing: tuple[str, ...] = field(default=())
    """Fields of the request that are handled by nobody here."""


def read_contract(entries: Iterable[Mapping[str, Any]]) -> list[Contract]:
    """The endpoints of `endpoints.json`; its other entries describe types."""
    found = []
    for entry in entries:
        if "endpoint" not in entry or " " in entry["endpoint"]:
            continue
        # "<each line>" stands for the lines of a batch, which are no fields.
        named = [*entry.get("request", ()), *entry.get("request_server_extra", ())]
        fields = frozenset(name.rstrip("*").strip('"') for name in named if not name.startswith("<"))
        used_by = tuple(entry["used_by"])
        found.append(Contract(entry["endpoint"], () if used_by == NOBODY else used_by, fields))
    return sorted(found, key=lambda one: one.name)


def compare(contract: Iterable[Contract], table: Table) -> list[Row]:
    """A row an endpoint, in the contract's order."""
    rows = []
    for one in contract:
        handler = table.get(one.name)
        missing = () if handler is None else tuple(sorted(one.fields - request_fields(handler)))
        rows.append(Row(one.name, one.used_by, handler is not None, missing))
    return rows


def request_fields(handler: Endpoint[Any]) -> frozenset[str]:
    """The fields that an endpoint's request may have: those of its Struct, or what it declares to read."""
    if isinstance(handler.request, type) and issubclass(handler.request, msgspec.Struct):
        return frozenset(one.encode_name for one in msgspec.structs.fields(handler.request))
    return handler.reads
