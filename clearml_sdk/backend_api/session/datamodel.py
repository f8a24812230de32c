"""What requests and answers are made of, for scripts with data models of their own."""

from __future__ import annotations

from enum import Enum, StrEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, ClassVar, Self

_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "array": (list, tuple),
    "boolean": (bool,),
    "integer": (int,),
    "null": (type(None),),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}


class StringEnum(StrEnum):
    """An enumeration of texts."""

    @classmethod
    def has_value(cls, value: object) -> bool:
        """Whether a member has this value."""
        return value in {member.value for member in cls}


class SchemaProperty(property):
    """A property that is a field of a data model, under its `name` in the schema."""

    name: str | None = None

    def setter(self, fset: Callable[[Any, Any], None]) -> SchemaProperty:
        made = SchemaProperty(self.fget, fset, self.fdel)
        made.name, made.__doc__ = self.name, self.__doc__
        return made


def schema_property(name: str) -> Callable[[Callable[[Any], Any]], SchemaProperty]:
    """Declare a field of a `DataModel` by a property: `@schema_property("name")`."""

    def declare(fget: Callable[[Any], Any]) -> SchemaProperty:
        made = SchemaProperty(fget)
        made.name, made.__doc__ = name, fget.__doc__
        return made

    return declare


class DataModel:
    """An object whose public attributes are its fields.

    _schema: what `validate` checks: of JSON schema `type`, `required`, `properties`, `items` and `enum`.
    """

    _schema: ClassVar[Mapping[str, Any]] = {}

    def to_dict(self, only: Iterable[str] | None = None, except_: Iterable[str] | None = None) -> dict[str, Any]:
        """The fields that are set, plain. only: no others; except_: not these."""
        chosen, dropped = None if only is None else set(only), set(except_ or ())
        return {
            name: _plain(value)
            for name, value in self._fields().items()
            if value is not None and (chosen is None or name in chosen) and name not in dropped
        }

    @classmethod
    def from_dict(cls, dct: Mapping[str, Any], strict: bool = False) -> Self:
        """An object with these fields. strict: raise ValueError for one that the schema does not have."""
        known = cls._schema.get("properties")
        unknown = sorted(set(dct) - set(known)) if known is not None else []
        if strict and unknown:
            raise ValueError(f"{cls.__name__} has no fields {', '.join(unknown)}")
        made = cls.__new__(cls)
        for name, value in dct.items():
            if name not in unknown:
                setattr(made, cls.normalize_key(name), value)
        return made

    def validate(self, schema: Mapping[str, Any] | None = None) -> None:
        """Raise ValueError where the fields are not as the schema says."""
        _check(type(self).__name__, self.to_dict(), self._schema if schema is None else schema)

    @staticmethod
    def normalize_key(prop_key: str) -> str:
        """The attribute of a field: a name without dots."""
        return prop_key.replace(".", "__")

    @staticmethod
    def assert_isinstance(value: Any, field_name: str, expected: Any, is_array: bool = False) -> None:
        """Raise TypeError where a value (or, of a list, one of them) is not of the expected type."""
        values = value if is_array else [value]
        if is_array and not isinstance(value, list | tuple):
            raise TypeError(f"Expected {field_name} of a list, got {type(value).__name__}")
        wrong = next((one for one in values if not isinstance(one, expected)), None)
        if wrong is not None or (not is_array and not isinstance(value, expected)):
            raise TypeError(f"Expected {field_name} of type {expected}, got {type(wrong).__name__}")

    def _fields(self) -> dict[str, Any]:
        declared = {
            str(found.name): getattr(self, attribute)
            for kind in reversed(type(self).__mro__)
            for attribute, found in vars(kind).items()
            if isinstance(found, SchemaProperty)
        }
        return {**{name: value for name, value in vars(self).items() if not name.startswith("_")}, **declared}

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.to_dict()}>"


class NonStrictDataModel(DataModel):
    """A data model that takes any fields."""

    def __init__(self, **kwargs: Any) -> None:
        self.__dict__.update(kwargs)


class Response(NonStrictDataModel):
    """An answer."""


def _plain(value: Any) -> Any:
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value


def _check(where: str, value: Any, schema: Mapping[str, Any]) -> None:
    kinds = schema.get("type")
    names = [kinds] if isinstance(kinds, str) else list(kinds or ())
    if names and not any(_is(value, name) for name in names):
        raise ValueError(f"{where} must be {' or '.join(names)}, not {type(value).__name__}")
    if "enum" in schema and value not in schema["enum"]:
        raise ValueError(f"{where} must be one of {schema['enum']}, not {value!r}")
    if isinstance(value, dict):
        if missing := [name for name in schema.get("required", ()) if name not in value]:
            raise ValueError(f"{where} lacks {', '.join(missing)}")
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                _check(f"{where}.{name}", value[name], inner)
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            _check(f"{where}[{number}]", item, schema["items"])


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool) and name in ("integer", "number"):
        return False
    return isinstance(value, _JSON_TYPES[name])
