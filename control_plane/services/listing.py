"""Lists: a query, the page of documents it finds, cut to the fields asked for, references expanded on request.

The query language is contract/wire.md, section 7; `store.query` answers it from the read model.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from control_plane.services.context import Context
from control_plane.services.errors import ApiError, Subcode, bad_value, validation
from control_plane.store import InvalidQuery, Query, QueryResult, project, split_path
from control_plane.store.fields import OPERATORS

REFERENCES: dict[str, dict[str, str]] = {
    "task": {"project": "project", "user": "user", "parent": "task", "execution.queue": "queue", "company": "company"},
    "model": {"project": "project", "user": "user", "task": "task", "parent": "model", "company": "company"},
    "project": {"user": "user", "company": "company"},
    "queue": {"user": "user", "company": "company"},
}
"""Which fields of a kind name another document, for the `*_ex` endpoints; lists of models are handled beside them."""


async def find(ctx: Context, kind: str, request: Mapping[str, Any]) -> QueryResult:
    """The page that a request asks for; raise 400 in the API's words for one that cannot be understood."""
    return await ctx.store.query(kind, await _query(ctx, kind, request))


async def ids(ctx: Context, kind: str, request: Mapping[str, Any]) -> list[str]:
    """The ids of everything that a query finds."""
    return await ctx.store.query_all(kind, await _query(ctx, kind, request))


async def _query(ctx: Context, kind: str, request: Mapping[str, Any]) -> Query:
    body = dict(request)
    if body.get("allow_public") is False or body.get("non_public"):
        body["company_origin"] = [None]  # what was made public belongs to everybody
    if kind == "project":
        body = _levels(body)
    elif kind in ("task", "model") and body.get("include_subprojects") and body.get("project"):
        body["project"] = await _with_subprojects(ctx, body["project"])
    try:
        return Query.from_request(kind, body)
    except InvalidQuery as error:
        raise explained(error) from None


def _levels(body: dict[str, Any]) -> dict[str, Any]:
    """How deep a search among projects goes: `shallow_search` asks for one level, the top one without a parent."""
    parent = body.get("parent")
    if body.get("shallow_search"):
        return body if parent else {**body, "parent": [None]}
    if parent:
        return {**{name: value for name, value in body.items() if name != "parent"}, "path": parent}
    return body


async def _with_subprojects(ctx: Context, value: Any) -> Any:
    """Project ids, with those of the projects below them; operators and excluded ids stay as they are."""
    named = [value] if isinstance(value, str) else list(value)
    plain = [id for id in named if isinstance(id, str) and not id.startswith(("-", "__$"))]
    if not plain:
        return value
    below = await ids(ctx, "project", {"path": plain, "search_hidden": True})
    return [*named, *below]


def explained(error: InvalidQuery) -> ApiError:
    """The API's error for a query that cannot be understood."""
    if error.reason == "regex":
        return ApiError(400, Subcode.BAD_REGEX, "Malformed regular expression", error.extra, **error.data)
    if error.reason == "validation":
        return validation(error.extra, **error.data)
    if error.reason == "lookup":
        extra = "probably an invalid field name or unsupported nested field"
        return ApiError(400, Subcode.LOOKUP, "Lookup error", extra, **error.data)
    return bad_value(error.extra, **error.data)


async def everything(
    ctx: Context, kind: str, request: Mapping[str, Any], parts: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """The documents of everything that a query finds."""
    found = await ctx.store.get_many(kind, await ids(ctx, kind, request), parts)
    return [document for document in found if document is not None]


async def values(ctx: Context, kind: str, request: Mapping[str, Any], paths: Sequence[str]) -> list[tuple[Any, ...]]:
    """`(id, value, ...)` of everything that a query finds, without reading documents."""
    return await ctx.store.values(kind, await _query(ctx, kind, request), paths)


async def counts(ctx: Context, kind: str, request: Mapping[str, Any], paths: Sequence[str]) -> list[tuple[Any, ...]]:
    """`(value, ..., how many)` for each combination of values in everything that a query finds."""
    return await ctx.store.counts(kind, await _query(ctx, kind, request), paths)


async def count(ctx: Context, kind: str, request: Mapping[str, Any]) -> int:
    """How many a query finds."""
    return sum(row[-1] for row in await counts(ctx, kind, request, []))


async def totals(
    ctx: Context,
    kind: str,
    request: Mapping[str, Any],
    by: Sequence[str],
    *,
    sums: Sequence[str] = (),
    greatest: Sequence[str] = (),
) -> list[tuple[Any, ...]]:
    """`(value of by, ..., how many, sum, ..., greatest, ...)` of everything that a query finds."""
    return await ctx.store.totals(kind, await _query(ctx, kind, request), by, sums=sums, greatest=greatest)


async def names(ctx: Context, kind: str, part: str, request: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    """The names that users gave in a part of everything that a query finds, each with a document that has it."""
    return await ctx.store.names(kind, part, await _query(ctx, kind, request))


async def distinct(ctx: Context, kind: str, field: str, **where: Any) -> set[str]:
    """The values that a plain field has in the documents that a query finds."""
    rows = await counts(ctx, kind, {"search_hidden": True, "include_subprojects": True, **where}, [field])
    return {str(value) for value, _ in rows if value}


MOST_SHOWN = 1000
"""Fields that one list may show."""


def only_fields(request: Mapping[str, Any]) -> list[str]:
    """The paths asked for, by either of the field's names; empty means all."""
    chosen = request.get("only_fields") or request.get("projection") or []
    if isinstance(chosen, str):
        # Official servers take a text for the list of its characters, and refuse the first.
        raise explained(InvalidQuery("lookup", err=f'Cannot resolve field "{chosen[0]}"'))
    if not isinstance(chosen, (list, tuple)) or not all(isinstance(path, str) for path in chosen):
        raise validation("error for field 'only_fields': a list of names was expected")
    return few("only_fields", chosen)


def few(field: str, paths: Iterable[str]) -> list[str]:
    """Paths, each once; raise 400/12 for very many: each is looked for in every document of a page."""
    distinct = list(dict.fromkeys(paths))
    if len(distinct) > MOST_SHOWN:
        raise validation(f"error for field '{field}': at most {MOST_SHOWN} names can be given")
    return distinct


async def answer(
    ctx: Context, kind: str, key: str, request: Mapping[str, Any], *, expand: bool = False
) -> dict[str, Any]:
    """The answer of a `get_all`: `{key: documents}`, and the scroll's id where one is used."""
    fields = only_fields(request)
    require_known(kind, fields)
    result = await find(ctx, kind, request)
    documents = await load(ctx, kind, result.ids, fields, expand=expand)
    answered: dict[str, Any] = {key: documents}
    if result.scroll_id is not None:
        answered["scroll_id"] = result.scroll_id
    return answered


UNSORTED = frozenset(
    {"entries", "workers", "enqueue_status", "company_origin", "metric_stats", "unique_metrics", "ui_cache", "queue"}
    | {"report_assets", "stats", "hash", "dataset_stats", "hidden", "input", "view", "parent", "stopped", "public"}
)
"""Fields that exist beside those that can be sorted by."""


def require_known(kind: str, paths: Iterable[str]) -> None:
    """Refuse to show a field that no document of the kind has: 400/14."""
    for path in paths:
        head = path.lstrip("-").partition(".")[0]
        if head not in OPERATORS[kind].sortable and head not in UNSORTED:
            raise explained(InvalidQuery("lookup", err=f'Cannot resolve field "{head}"'))


MUCH_ASKED = 8_000
"""Characters of the paths asked for, from which on documents are read whole: what short lists need is remembered."""


async def load(
    ctx: Context, kind: str, wanted: Sequence[str], fields: Sequence[str], *, expand: bool = False
) -> list[dict[str, Any]]:
    """The documents in order, cut to `fields`; those deleted since the query are left out."""
    included = [path for path in fields if not path.startswith("-")]
    # Sub-fields of references are read from the other document; here the reference itself is needed.
    local = [_local(kind, path) if expand else path for path in included]
    parts = [tuple(split_path(path)) for path in local] or None
    if sum(map(len, local)) > MUCH_ASKED:
        parts = None
    found = [document for document in await ctx.store.get_many(kind, wanted, parts) if document is not None]
    cut = [project(document, [*local, *(path for path in fields if path.startswith("-"))]) for document in found]
    if expand:
        await expand_references(ctx, kind, cut, included)
    elif included and "id" not in included:
        # Official servers give the id unasked only in the `*_ex` calls (golden scenarios).
        for document in cut:
            document.pop("id", None)
    return cut


def _local(kind: str, path: str) -> str:
    for reference in REFERENCES.get(kind, {}):
        if path == reference or path.startswith(reference + "."):
            return reference
    if kind == "task" and path.startswith(("models.input.", "models.output.")):
        return ".".join(path.split(".")[:2])
    return path


async def expand_references(ctx: Context, kind: str, documents: list[dict[str, Any]], asked: Sequence[str]) -> None:
    """Put `{id, name, ...}` in the place of each id that names another document, in place.

    `asked`: the paths of the request; `project.name` asks for the name beside the id.
    """
    for path, target in REFERENCES.get(kind, {}).items():
        holders = [(holder, path.rpartition(".")[2]) for document in documents if (holder := _holder(document, path))]
        await _expand(ctx, target, holders, _sub_fields(path, asked))
    if kind == "task":
        sides = ("input", "output")
        holders = [
            (item, "model") for document in documents for side in sides for item in _items(document, side, asked)
        ]
        # What is asked of the models of one side is shown for both.
        fields = dict.fromkeys(field for side in sides for field in _sub_fields(f"models.{side}.model", asked))
        await _expand(ctx, "model", holders, tuple(fields))


def _items(document: dict[str, Any], side: str, asked: Sequence[str]) -> list[dict[str, Any]]:
    """The attached models of one side, to be changed; only their model where only that was asked for."""
    section = document.get("models")
    if not isinstance(section, dict) or not section.get(side):
        return []
    only_model = any(path.startswith(f"models.{side}.model.") for path in asked)
    items: list[dict[str, Any]] = [{"model": item["model"]} if only_model else dict(item) for item in section[side]]
    section[side] = items
    return items


def _holder(document: dict[str, Any], path: str) -> dict[str, Any] | None:
    parent, _, leaf = path.rpartition(".")
    holder = document.get(parent) if parent else document
    return holder if isinstance(holder, dict) and holder.get(leaf) else None


def _sub_fields(path: str, asked: Iterable[str]) -> tuple[str, ...]:
    below = tuple(field[len(path) + 1 :] for field in asked if field.startswith(path + "."))
    return ("id", *below)


async def _expand(ctx: Context, kind: str, holders: list[tuple[dict[str, Any], str]], fields: tuple[str, ...]) -> None:
    wanted = list(dict.fromkeys(str(holder[leaf]) for holder, leaf in holders))
    if not wanted:
        return
    paths = [tuple(split_path(field)) for field in fields]
    found = await ctx.store.get_many(kind, wanted, paths)
    shown = {
        id: project(document, fields) if document is not None else {"id": id}
        for id, document in zip(wanted, found, strict=True)
    }
    for holder, leaf in holders:
        holder[leaf] = shown[str(holder[leaf])]
