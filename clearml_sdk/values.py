"""Parameter values as the texts that the server keeps, and back with their types.

The server knows strings only; beside each it keeps the name of a type: `int`, `bool`, `str`, `list/int`, `dict`.
None is the empty text without a type.
"""

from __future__ import annotations

import ast
import json

from clearml_sdk.config.environment import FALSE, TRUE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SIMPLE: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str, "string": str}


def to_text(value: Any) -> tuple[str, str | None]:
    """The text to keep for `value`, and the name of its type (None for None)."""
    if value is None:
        return "", None
    if isinstance(value, str):
        return value, "str"
    if isinstance(value, bool | int | float):
        return str(value), type(value).__name__ if type(value) in (bool, int, float) else _plain_name(value)
    if isinstance(value, list | tuple | set | frozenset):
        items = list(value)
        names = {type(item).__name__ for item in items}
        kind = "tuple" if isinstance(value, tuple) else "list"
        return str(_plain(items)), f"{kind}/{names.pop()}" if len(names) == 1 and names <= _SIMPLE.keys() else kind
    if isinstance(value, dict):
        return str(_plain(value)), "dict"
    if isinstance(value, type):
        return value.__name__, "type"
    enum_value = getattr(value, "value", None) if hasattr(type(value), "__members__") else None
    return (str(value), type(value).__name__) if enum_value is None else (str(enum_value), type(value).__name__)


def from_text(text: str | None, type_name: str | None = None) -> Any:
    """The value that `text` stands for, by the name of its type; the text itself where that fails or says nothing."""
    if text is None or (text == "" and type_name not in ("str", "string")):
        return None
    kind = (type_name or "").partition("/")[0].lower()
    if kind in _SIMPLE:
        return _convert(text, _SIMPLE[kind], fallback=text)
    if kind in ("list", "tuple", "dict", "set"):
        found = parse_literal(text, text)
        if kind in ("list", "tuple", "set") and not isinstance(found, list | tuple | set):
            found = _loose_list(text)
        return tuple(found) if kind == "tuple" and isinstance(found, list) else found
    return text


def like(text: str | None, sample: Any, type_name: str | None = None) -> Any:
    """The value that `text` stands for, in the type of `sample`; by `type_name` where `sample` is None.

    A text that cannot be of that type is read as what it looks like: a float for an int, a text for a number.
    """
    if sample is None:
        return from_text(text, type_name) if type_name else None if text in (None, "", "None") else text
    if text is None:
        return None
    if isinstance(sample, str):
        return text
    if text == "" or text == "None":
        return None
    if isinstance(sample, bool | int | float):
        return _convert(text, type(sample), fallback=parse_literal(text, text))
    if isinstance(sample, list | tuple | set | frozenset):
        found = parse_literal(text, None)
        items = list(found) if isinstance(found, list | tuple | set) else _loose_list(text)
        return type(sample)(_item_like(item, sample) for item in items)
    if isinstance(sample, dict):
        found = parse_literal(text, None)
        return found if isinstance(found, dict) else sample
    members = getattr(type(sample), "__members__", None)
    if members is not None:
        for member in members.values():
            if text in (str(member.value), member.name, str(member)):
                return member
    return parse_literal(text, text)


def parse_literal(text: str, default: Any) -> Any:
    """A JSON or Python literal; `default` when `text` is neither."""
    try:
        return json.loads(text)
    except ValueError:
        pass  # not JSON: perhaps Python
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return default


def _convert(text: str, kind: type, fallback: Any) -> Any:
    if kind is bool:
        word = text.strip().lower()
        if word in TRUE or word in FALSE:
            return word in TRUE
        number = parse_literal(word, None)
        return bool(number) if isinstance(number, int | float) else fallback
    try:
        return kind(text)
    except (TypeError, ValueError):
        pass  # not of that type; a float such as 1e3 or 3.0 may still be a whole number
    if issubclass(kind, int):
        try:
            number = float(text)
            return int(number) if number.is_integer() else number
        except (ValueError, OverflowError):
            return fallback
    return fallback


def _item_like(item: Any, sample: Any) -> Any:
    """An item in the type of the sample's items, where these share one."""
    kinds = {type(other) for other in sample}
    if len(kinds) == 1 and (kind := kinds.pop()) in (bool, int, float, str) and type(item) is not kind:
        return _convert(str(item), kind, fallback=item)
    return item


def _loose_list(text: str) -> list[Any]:
    """A list as people type it: `[a, b]` or `a, b`, without quotes."""
    inner = text.strip().removeprefix("[").removesuffix("]").removeprefix("(").removesuffix(")")
    return [parse_literal(part.strip(), part.strip()) for part in inner.split(",") if part.strip()]


def _plain_name(value: Any) -> str:
    for kind in (bool, int, float):
        if isinstance(value, kind):
            return kind.__name__
    return type(value).__name__


def _plain(value: Any) -> Any:
    """Containers of subclasses (proxies, named tuples) as the builtin ones, so that their text can be read back."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
