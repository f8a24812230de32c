"""`/openapi.json`, made from the handler table. Pure.

OpenAPI knows no GET with a body, which is how official clients call everything: the document says POST, and every
endpoint answers GET and PUT in the same way.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from control_plane import __version__
from control_plane.http.routing import NEWEST
from control_plane.services.registry import Endpoint, Table

_SCHEMA = "#/components/schemas/{name}"
_TEXT: Mapping[str, Any] = {"type": "string"}
_EVENT: Mapping[str, Any] = {
    "type": "object",
    "description": "One server-sent event; its data is JSON.",
    "required": ["event", "data"],
    "properties": {"event": _TEXT, "data": _TEXT, "id": _TEXT},
}
_FREE: Mapping[str, Any] = {"type": "object"}
_META: Mapping[str, Any] = {
    "type": "object",
    "required": ["id", "trx", "endpoint", "result_code", "result_subcode", "result_msg", "error_stack", "error_data"],
    "properties": {
        "id": {"type": "string", "description": "The call's id, also in the header X-Request-Id and in the log."},
        "trx": {"type": "string", "description": "The caller's own name for the call (X-Clearml-Trx), else the id."},
        "endpoint": {
            "type": "object",
            "required": ["name", "requested_version", "actual_version"],
            "properties": {
                "name": _TEXT,
                "requested_version": {"type": ["string", "number"]},
                "actual_version": {"type": ["string", "number"]},
            },
        },
        "result_code": {"type": "integer", "description": "The HTTP status."},
        "result_subcode": {"type": "integer"},
        "result_msg": _TEXT,
        "error_stack": {"type": ["string", "null"]},
        "error_data": _FREE,
    },
}
_FAILURES = {
    301: ("Gone", "No longer there in the version that was asked for; the message names what is instead."),
    400: ("BadRequest", "The path, the body or a field cannot be used, or the state of things forbids the call."),
    401: ("Unauthorized", "No, wrong, expired or revoked credentials."),
    403: ("Forbidden", "The caller's role does not allow this."),
    404: ("NotFound", "No such endpoint."),
    413: ("TooLarge", "The body is larger than the limit, which `error_data` names."),
    415: ("Compressed", "The body has a Content-Encoding; requests are sent as they are."),
    429: ("TooMany", "Too many calls, or the store is away for a moment: Retry-After says when to ask again."),
    500: ("Failure", "A defect of the server; its log has it under the call's id."),
}


def document(table: Table) -> bytes:
    """The OpenAPI 3.1 document of every endpoint, as JSON."""
    rows = list(table.values())
    structs = list({kind: None for row in rows for kind in (row.request, row.response) if _is_struct(kind)})
    schemas, components = msgspec.json.schema_components(structs, ref_template=_SCHEMA)
    refs = dict(zip(structs, schemas, strict=True))
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "ClearML API",
                "version": __version__,
                "description": "Every call is POST, GET or PUT with a JSON object as its body, and every answer is an "
                "envelope: `meta.result_code` is the HTTP status, `data` is always an object. A path may begin with "
                f"a version, `/v{NEWEST[0]}.{NEWEST[1]}/tasks.get_all`. Fields that a request does not know are "
                "ignored.",
            },
            "servers": [{"url": "/"}],
            "components": {
                "schemas": {**components, "Meta": _META, "Error": _envelope(_FREE)},
                "responses": _responses(),
                "securitySchemes": {
                    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                    "key": {"type": "http", "scheme": "basic", "description": "access key and secret key"},
                },
            },
            "security": [{"token": []}, {"key": []}],
            "tags": [{"name": name} for name in dict.fromkeys(_service(row) for row in rows)],
            "paths": {f"/{row.name}": {"post": _operation(row, refs)} for row in rows},
        },
        default=str,
    )


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _service(row: Endpoint[Any]) -> str:
    return row.name.partition(".")[0]


def _envelope(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["meta", "data"],
        "properties": {"meta": {"$ref": _SCHEMA.format(name="Meta")}, "data": data},
    }


def _responses() -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": _SCHEMA.format(name="Error")}}}
    return {name: {"description": text, "content": content} for name, text in _FAILURES.values()}


def _operation(row: Endpoint[Any], refs: Mapping[Any, Any]) -> dict[str, Any]:
    if row.is_stream:
        content: dict[str, Any] = {"text/event-stream": {"schema": _EVENT}}
    elif row.is_download:
        content = {"text/plain": {"schema": _TEXT}}
    else:
        # Without a Struct the answer's form is free, but it is an object.
        content = {"application/json": {"schema": _envelope(refs.get(row.response, _FREE))}}
    failures = {str(code): {"$ref": f"#/components/responses/{name}"} for code, (name, _) in _FAILURES.items()}
    operation: dict[str, Any] = {
        "operationId": row.name,
        "summary": row.summary,
        "tags": [_service(row)],
        "requestBody": _body(row, refs),
        "responses": {"200": {"description": "OK", "content": content}, **failures},
    }
    if not row.authorize:
        operation["security"] = []
    return operation


def _body(row: Endpoint[Any], refs: Mapping[Any, Any]) -> dict[str, Any]:
    if row.request is bytes:
        text = {**_TEXT, "description": "One JSON object a line."}
        return {"required": True, "content": {"application/json-lines": {"schema": text}}}
    schema = refs.get(row.request)
    if schema is None:
        # The open query language: any field of the kind, and every path below those that end in ".*".
        named: dict[str, Any] = {name: {} for name in sorted(row.reads) if not name.endswith(".*")}
        nested: dict[str, Any] = {f"^{name[:-2]}\\.": {} for name in sorted(row.reads) if name.endswith(".*")}
        schema = {
            **_FREE,
            **({"properties": named} if named else {}),
            **({"patternProperties": nested} if nested else {}),
        }
    return {"content": {"application/json": {"schema": schema}}}
