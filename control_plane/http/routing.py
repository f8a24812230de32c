"""Which endpoint and version a path names, and which request a body and a query string make. Pure.

Source: contract/wire.md, sections 1 and 5.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import NoneType
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import orjson

from control_plane.services.errors import ApiError, Subcode, bad_request, validation
from control_plane.services.registry import Endpoint, Table

NEWEST = (2, 31)
"""The API version that tokens announce and that a path without a version means."""

OLDEST = "1.0"
MOST_FIELDS = 2000
"""Of a query string."""
MOST_LEVELS = 200
"""Of objects and lists within each other: what is stored has to be written again, and encoders end at some 250."""

_PATH = re.compile(r"/?(?:v(\d{1,9})\.(\d{1,9})/)?([A-Za-z_]\w{1,99}\.[A-Za-z_]\w{1,99})/?", re.ASCII)
_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_LOCATION = re.compile(r" - at `(?P<where>[^`]*)`$")
_FLAG = re.compile(r"Expected `bool(?: \| null)?`, got `[^`]*` - at `\$\.(?P<name>\w+)`")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")


def parse_version(text: str) -> tuple[int, int]:
    """ "2.23" -> (2, 23)."""
    major, _, minor = text.partition(".")
    return int(major), int(minor)


@lru_cache(1024)
def split_path(path: str) -> tuple[tuple[int, int], str]:
    """`/v2.23/tasks.edit` -> ((2, 23), "tasks.edit"); raise 400/0 for anything that is not such a path."""
    found = _PATH.fullmatch(path)
    if found is None:
        raise bad_request(f"Invalid request path {path}")
    major, minor, name = found.groups()
    return ((int(major), int(minor)) if major else NEWEST), name


def find(table: Table, path: str) -> tuple[Endpoint[Any], tuple[int, int]]:
    """The endpoint that a path names and the version it asks for; raise 404/0 where there is none."""
    version, name = split_path(path)
    row = table.get(name)
    if row is None:
        number = ".".join(map(str, version))
        raise ApiError(404, Subcode.MALFORMED, f"Unable to find endpoint for name {name} and version {number}")
    return row, version


def merge_query(body: dict[str, Any], query: str, *, as_text: bool = False) -> dict[str, Any]:
    """Add a query string to a body: repeated keys are lists, dots nest, digits and true/false are values.

    `key[]` is a list even when it stands alone. `as_text`: leave values as text, for who knows the fields' types.
    """
    lists: dict[str, list[Any]] = {}
    marked: set[str] = set()
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise bad_request(f"The query string has more than {MOST_FIELDS} fields: send a body") from None
    for key, text in pairs:
        name = key.removesuffix("[]")
        if name != key:
            marked.add(name)
        lists.setdefault(name, []).append(text if as_text else _value(text))
    merged = dict(body)
    for name, values in lists.items():
        value = values if name in marked or len(values) > 1 else values[0]
        if name.count(".") >= MOST_LEVELS:
            raise _too_deep()
        *parents, leaf = name.split(".")
        place = merged
        for parent in parents:
            below = place.get(parent)
            place[parent] = place = dict(below) if isinstance(below, dict) else {}
        place[leaf] = value
    return merged


def _value(text: str) -> Any:
    if text in ("true", "True"):
        return True
    if text in ("false", "False"):
        return False
    # An id made of digits alone stays text: it has no other meaning in 32 characters.
    if len(text) < 18 and _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


class Decoder:
    """Turns bodies into the request types of the table; one decoder a type, made once."""

    def __init__(self, table: Table) -> None:
        kinds = {row.request for row in table.values() if row.request not in (dict, bytes)}
        self._decoders = {kind: msgspec.json.Decoder(kind) for kind in kinds}

    def decode(self, row: Endpoint[Any], body: bytes, query: str) -> Any:
        """The request of `row`; raise 400 naming what cannot be read."""
        if row.request is bytes:
            return body
        request = self._decode(row, body, query)
        if len(body) > MOST_LEVELS and body.count(b"[") + body.count(b"{") > MOST_LEVELS and is_too_deep(request):
            raise _too_deep()
        return request

    def _decode(self, row: Endpoint[Any], body: bytes, query: str) -> Any:
        if not query and row.request is not dict:
            try:
                return self._decoders[row.request].decode(body or b"{}")
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass  # the slow path below finds the field and its value, or reads a body of `null`
        plain = as_object(body)
        if query:
            plain = merge_query(plain, query, as_text=row.request is not dict)
        if row.request is dict:
            return plain
        try:
            return _convert(plain, row.request, strict=not query)
        except RecursionError:
            raise _too_deep() from None


def is_too_deep(request: Any) -> bool:
    """Whether more than `MOST_LEVELS` objects and lists lie within each other."""
    level = [request]
    for _ in range(MOST_LEVELS):
        level = [below for one in level for below in _within(one) if isinstance(below, (dict, list, msgspec.Struct))]
        if not level:
            return False
    return True


def _within(value: Any) -> Iterable[Any]:
    if isinstance(value, msgspec.Struct):
        return [getattr(value, name) for name in value.__struct_fields__]
    return value.values() if isinstance(value, dict) else value


def _too_deep() -> ApiError:
    return bad_request(f"The request is nested too deeply: {MOST_LEVELS} levels are allowed")


def _convert(plain: dict[str, Any], kind: Any, *, strict: bool) -> Any:
    """The request in an object; `strict` is off for query strings, which know no types.

    Anything may stand for a truth value, as with official servers: "yes" is true, 0 is false.
    """
    while True:
        try:
            return msgspec.convert(plain, kind, strict=strict)
        except msgspec.ValidationError as error:
            flag = _FLAG.fullmatch(str(error))
            if flag is None or isinstance(plain.get(flag["name"]), (bool, NoneType)):
                raise _explained(error, plain) from None
            plain = {**plain, flag["name"]: bool(plain[flag["name"]])}


def as_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; an empty body and `null` are `{}`."""
    if not body:
        return {}
    try:
        plain = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            plain = msgspec.json.decode(body)  # numbers beyond 64 bits, which orjson refuses
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise bad_request(f"The body is not JSON: {error}") from None
        except RecursionError:
            raise _too_deep() from None
    if plain is None:
        return {}
    if not isinstance(plain, dict):
        raise bad_request(f"The body must be a JSON object, not {type(plain).__name__}")
    return plain


def _explained(error: msgspec.ValidationError, body: Mapping[str, Any]) -> ApiError:
    """400/12 in the words of official servers: the field, and what is wrong with its value."""
    text = str(error)
    found = _LOCATION.search(text)
    where = found["where"] if found else "$"
    reason = text[: found.start()] if found else text
    field = where.removeprefix("$").lstrip(".")
    missing = _MISSING.match(reason)
    if missing:
        inside = f"{field}." if field else ""
        return validation(f"error for field '{inside}{missing['name']}'. field is required!")
    top = re.split(r"[.\[]", field, maxsplit=1)[0] if field else ""
    if top and body.get(top, ...) is None:
        return validation(f"error for field '{top}': field is required!.")
    shown = _shortened(_at(body, field))
    return validation(f"error for field '{field or 'body'}': {reason}, got {shown}")


def _at(body: Any, field: str) -> Any:
    """The value at `a.b[0].c` as far as it can be followed."""
    for part in re.findall(r"[^.\[\]]+", field):
        if isinstance(body, Mapping) and part in body:
            body = body[part]
        elif isinstance(body, list) and part.isdigit() and int(part) < len(body):
            body = body[int(part)]
        else:
            break
    return body


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
