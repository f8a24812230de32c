"""What `requests.txt` says about the requests of each service."""

from __future__ import annotations

import functools
from importlib import resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ANY, BOOL, DICT, FLOAT, INT, LIST, STR = "any", "bool", "dict", "float", "int", "list", "str"
TYPES: dict[str, tuple[type, ...]] = {
    BOOL: (bool,),
    DICT: (dict,),
    FLOAT: (int, float),
    INT: (int,),
    LIST: (list, tuple),
    STR: (str,),
}


class Field:
    """A parameter: its name, its kind (a key of `TYPES`, or `any`), and whether it is required."""

    __slots__ = ("is_required", "kind", "name")

    def __init__(self, text: str) -> None:
        name, _, self.kind = text.partition(":")
        self.is_required = name.endswith("*")
        self.name = name.rstrip("*")

    def check(self, value: Any) -> None:
        """Raise TypeError when `value` cannot be this parameter. None, enumerations and objects with fields can."""
        expected = TYPES.get(self.kind)
        is_flag_as_number = isinstance(value, bool) and self.kind in (INT, FLOAT)
        if expected is None or value is None or (isinstance(value, expected) and not is_flag_as_number):
            return
        if hasattr(value, "to_dict") or (self.kind == STR and hasattr(type(value), "__members__")):
            return
        if self.kind == INT and isinstance(value, float) and value.is_integer():
            return
        raise TypeError(f"Expected {self.name} of type {expected}, got {type(value).__name__}")


class Contract:
    """One service: `actions` by name with their fields, `more` fields that only the server knows, `parts` by class."""

    def __init__(self) -> None:
        self.actions: dict[str, tuple[Field, ...]] = {}
        self.more: dict[str, tuple[Field, ...]] = {}
        self.parts: dict[str, tuple[str, ...]] = {}


@functools.cache
def contracts() -> Mapping[str, Contract]:
    """All services by name; read at the first use."""
    text = resources.files(__package__).joinpath("requests.txt").read_text("utf-8")
    found: dict[str, Contract] = {}
    current = Contract()
    for line in text.splitlines():
        if line.startswith("["):
            current = found[line.strip("[]")] = Contract()
        elif line.startswith("="):
            name, *fields = line[1:].split()
            current.parts[name] = tuple(field.rstrip("*") for field in fields)
        elif line and not line.startswith("#"):
            known, _, more = line.partition(" | ")
            action, *fields = known.split()
            current.actions[action] = tuple(Field(field) for field in fields)
            current.more[action] = tuple(Field(field) for field in more.split())
    return found


def check(service: str, action: str, given: Mapping[str, Any]) -> None:
    """Raise ValueError for parameters that an action does not have, TypeError for wrong and for missing ones.

    Paths into documents (`runtime.progress`) are conditions that every query takes. An action that the contract does
    not list is left to the server.
    """
    contract = contracts().get(service)
    fields = contract.actions.get(action) if contract is not None else None
    if contract is None or fields is None:
        return
    known = {field.name: field for field in (*fields, *contract.more[action])}
    unknown = [name for name in given if name not in known and "." not in name]
    if unknown:
        raise ValueError(f"Unsupported keyword arguments: {', '.join(unknown)}")
    for name, value in given.items():
        if name in known:
            known[name].check(value)
    missing = [field.name for field in fields if field.is_required and field.name not in given]
    if missing:
        raise TypeError(f"{service}.{action} is missing {', '.join(missing)}")
