"""The envelope around every answer, as bytes. Pure.

`meta` always carries an integer `result_code` and `data` is always an object: official clients loop for ever
without the one and die without the other. Source: contract/wire.md, section 4.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from control_plane.services.errors import ApiError

_TAIL_OK = b'},"result_code":200,"result_subcode":0,"result_msg":"OK","error_stack":null,"error_data":{}},"data":'
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


def endpoint_facts(name: str, requested: tuple[int, int], actual: str) -> dict[str, Any]:
    """`meta.endpoint`; versions are strings, but floats for callers older than 2.1."""
    version = f"{requested[0]}.{requested[1]}"
    if requested < (2, 1):
        return {"name": name, "requested_version": float(version), "actual_version": float(actual)}
    return {"name": name, "requested_version": version, "actual_version": actual}


class Envelopes:
    """Writes envelopes; keeps the constant part of each endpoint and version as bytes."""

    def __init__(self) -> None:
        self._heads: dict[tuple[str, tuple[int, int]], bytes] = {}

    def success(
        self, request_id: str, name: str, requested: tuple[int, int], actual: str, data: Any, trx: str = ""
    ) -> bytes:
        """The answer of a call that worked; `data` is a mapping, a Struct or None.

        `trx`: the caller's own name for the call, shown beside the id; must be fit for JSON.
        """
        head = self._heads.get((name, requested))
        if head is None:
            facts = orjson.dumps(endpoint_facts(name, requested, actual))
            head = b'","endpoint":' + facts + _TAIL_OK[1:]
            if len(self._heads) < 4096:  # a caller may invent versions; names come from the table
                self._heads[(name, requested)] = head
        identity = request_id.encode()
        return b'{"meta":{"id":"%b","trx":"%b%b%b}' % (identity, trx.encode() or identity, head, encode(data))


def failure(
    request_id: str, name: str, requested: tuple[int, int], actual: str, error: ApiError, trx: str = ""
) -> bytes:
    """The answer of a call that failed; HTTP's status is `error.code` too."""
    meta = {
        "id": request_id,
        "trx": trx or request_id,
        "endpoint": endpoint_facts(name, requested, actual),
        "result_code": error.code,
        "result_subcode": error.subcode,
        "result_msg": error.message,
        "error_stack": None,
        "error_data": error.data,
    }
    return _dumps({"meta": meta, "data": {}}, str)


def encode(data: Any) -> bytes:
    """JSON of what a handler returned: NaN and infinities become null, as JSON has none."""
    if data is None:
        return b"{}"
    if isinstance(data, msgspec.Struct):
        return msgspec.json.encode(data)
    return _dumps(data, _struct)


def _dumps(value: Any, default: Callable[[Any], Any]) -> bytes:
    try:
        return orjson.dumps(value, option=_OPTIONS, default=default)
    except TypeError:
        # A number beyond 64 bits, which orjson refuses and a request may have held; or a defect, which is raised again.
        return msgspec.json.encode(value, enc_hook=default)


def _struct(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"cannot answer a {type(value).__name__}")
