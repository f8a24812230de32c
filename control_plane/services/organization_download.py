"""`organization.*`: a table of tasks or models as a CSV file: first the question, then the file by its id."""

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from secrets import token_hex
from typing import Any

from control_plane.schema.organization import DownloadRequest
from control_plane.services import listing
from control_plane.services.context import Context
from control_plane.services.errors import validation
from control_plane.services.query_fields import query_fields
from control_plane.services.registry import Download, endpoint
from control_plane.store import split_path
from control_plane.store.layout import encode

KINDS = ("task", "model")
KEPT_S = 600
MOST_BYTES = 256 * 1024
"""Of one question: the store keeps it."""
ROWS_A_READ = 200
READS = query_fields("task", "allow_public") | query_fields("model") | {"entity_type", "field_mappings"}


@endpoint("organization.prepare_download_for_get_all", dict, min_version="2.26", reads=READS)
async def prepare_download_for_get_all(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Keep a question for ten minutes; `download_for_get_all` answers it as CSV."""
    kind = request.get("entity_type")
    if kind not in KINDS:
        raise validation(f"error for field 'entity_type': ('value is wrong, expected type \"entitytype\"', {kind!r}).")
    for name in ("only_fields", "field_mappings"):
        if not isinstance(request.get(name), list):
            raise validation(f"error for field '{name}'. field is required!")
    columns_of(request)
    listing.require_known(kind, listing.only_fields(request))
    await listing.find(ctx, kind, {**_query(request), "page": 0, "page_size": 1})
    state = {"download": request, "company": ctx.company}
    if len(encode(state)) > MOST_BYTES:
        raise validation(f"a question that is kept has at most {MOST_BYTES // 1024} KiB: name fewer ids or fields")
    prepare_id = token_hex(16)
    await ctx.store.put_scroll(prepare_id, state, KEPT_S)
    return {"prepare_id": prepare_id}


@endpoint("organization.download_for_get_all", DownloadRequest, min_version="2.26")
async def download_for_get_all(ctx: Context, request: DownloadRequest) -> Download:
    """The table that was asked for, sent while it is read."""
    state = await ctx.store.get_scroll(request.prepare_id)
    if state is None or "download" not in state or state.get("company") != ctx.company:
        raise validation("prepare id is unknown or expired", prepare_id=request.prepare_id)
    asked: dict[str, Any] = state["download"]
    ids = await listing.ids(ctx, asked["entity_type"], _query(asked))
    return Download(f"{asked['entity_type']}s.csv", "text/csv; charset=utf-8", _rows(ctx, asked, ids))


def _query(request: Mapping[str, Any]) -> dict[str, Any]:
    """The question alone: every page of it."""
    left_out = {"entity_type", "field_mappings", "page", "page_size", "scroll_id", "size", "start", "refresh_scroll"}
    return {name: value for name, value in request.items() if name not in left_out}


Column = tuple[str, list[str], dict[str, str]]
"""(heading, keys of the value, how some values are written)."""


def columns_of(request: Mapping[str, Any]) -> list[Column]:
    """What the file shows: the mappings, or without any the fields themselves. Pure."""
    columns: list[Column] = []
    for item in request["field_mappings"]:
        if not isinstance(item, dict) or not isinstance(item.get("field"), str):
            raise validation("error for field 'field_mappings': an item needs a field")
        values = item.get("values") or []
        if not isinstance(values, list) or not all(isinstance(one, dict) for one in values):
            raise validation("error for field 'field_mappings': values is a list of objects with key and value")
        written = {str(one.get("key")): str(one.get("value")) for one in values}
        columns.append((str(item.get("name") or item["field"]), split_path(item["field"]), written))
    return columns or [(path, split_path(path), {}) for path in request["only_fields"]]


async def _rows(ctx: Context, request: Mapping[str, Any], ids: Sequence[str]) -> AsyncIterator[bytes]:
    columns = columns_of(request)
    fields = listing.only_fields(request)
    yield lines([[heading for heading, _, _ in columns]])
    for first in range(0, len(ids), ROWS_A_READ):
        page = ids[first : first + ROWS_A_READ]
        documents = await listing.load(ctx, request["entity_type"], page, fields, expand=True)
        yield lines([[cell(document, column) for column in columns] for document in documents])


def lines(rows: Sequence[Sequence[str]]) -> bytes:
    """Rows as CSV. Pure."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def cell(document: Mapping[str, Any], column: Column) -> str:
    """One value as text: lists with commas between, nothing as an empty text. Pure."""
    _, keys, written = column
    value: Any = document
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, list):
        return ", ".join(written.get(str(item), _text(item)) for item in value)
    return written.get(str(value), _text(value))


FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = str(value)
    if isinstance(value, str) and text.startswith(FORMULA):
        try:
            float(text)
        except ValueError:
            return "'" + text  # or a spreadsheet would run a task's name as a formula
    return text
