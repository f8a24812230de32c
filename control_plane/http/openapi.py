"""`/openapi.json`, made from the handler table. Pure."""

from typing import Any

import msgspec
import orjson

from control_plane import __version__
from control_plane.services.registry import Endpoint, Table

_REF = "#/components/schemas/{name}"
_ENVELOPE = {
    "type": "object",
    "required": ["meta", "data"],
    "properties": {
        "meta": {
            "type": "object",
            "required": ["result_code", "result_subcode", "result_msg"],
            "properties": {
                "id": {"type": "string"},
                "trx": {"type": "string"},
                "endpoint": {"type": "object"},
                "result_code": {"type": "integer"},
                "result_subcode": {"type": "integer"},
                "result_msg": {"type": "string"},
                "error_stack": {"type": ["string", "null"]},
                "error_data": {"type": "object"},
            },
        },
        "data": {"type": "object"},
    },
}


def document(table: Table) -> bytes:
    """The OpenAPI 3.1 document of every endpoint, as JSON."""
    rows = list(table.values())
    structs = list({kind for row in rows for kind in (row.request, row.response) if _is_struct(kind)})
    schemas, components = msgspec.json.schema_components(structs, ref_template=_REF)
    refs = dict(zip(structs, schemas, strict=True))
    paths = {f"/{row.name}": {"post": _operation(row, refs)} for row in rows}
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "ClearML API", "version": __version__},
            "components": {
                "schemas": {**components, "Envelope": _ENVELOPE},
                "securitySchemes": {
                    "basic": {"type": "http", "scheme": "basic"},
                    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                },
            },
            "security": [{"token": []}, {"basic": []}],
            "paths": paths,
        },
        default=str,
    )


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _operation(row: Endpoint[Any], refs: dict[Any, Any]) -> dict[str, Any]:
    if row.request is bytes:
        content = {"application/json-lines": {"schema": {"type": "string"}}}
    else:
        content = {"application/json": {"schema": refs.get(row.request, {"type": "object"})}}
    data = refs.get(row.response, {"type": "object"})
    answer = {"allOf": [{"$ref": _REF.format(name="Envelope")}, {"type": "object", "properties": {"data": data}}]}
    operation: dict[str, Any] = {
        "operationId": row.name,
        "summary": row.summary,
        "tags": [row.name.partition(".")[0]],
        "requestBody": {"content": content},
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": answer}}}},
    }
    if not row.authorize:
        operation["security"] = []
    return operation
