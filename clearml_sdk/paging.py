"""Lists that a server gives page by page."""

from __future__ import annotations

import itertools

from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

PAGE = 500
"""Items a page, at most."""


def all_pages(
    session: Session, endpoint: str, name: str, body: Mapping[str, Any], *, limit: int | None = None
) -> list[dict[str, Any]]:
    """What a query finds, called `name` in the answer; at most `limit` items, None: all."""
    size = PAGE if limit is None else min(PAGE, limit)
    found: list[dict[str, Any]] = []
    for page in itertools.count():
        items = session.call(endpoint, {**body, "page": page, "page_size": size}).get(name) or []
        found += items
        if len(items) < size or (limit is not None and len(found) >= limit):
            break
    return found[:limit]


def all_tasks(session: Session, body: Mapping[str, Any], *, limit: int | None = None) -> list[dict[str, Any]]:
    """The tasks that a query finds, also in hidden projects unless it says otherwise."""
    return all_pages(session, "tasks.get_all", "tasks", {"search_hidden": True, **body}, limit=limit)


def tasks_by_id(session: Session, ids: Iterable[str], fields: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Tasks by their ids, whole or these `fields` of them; those that do not exist are left out."""
    wanted = list(ids)
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(wanted), PAGE):
        body: dict[str, Any] = {"id": wanted[start : start + PAGE], "search_hidden": True, "page": 0, "page_size": PAGE}
        if fields is not None:
            body["only_fields"] = list(fields)
        found.update({str(task["id"]): task for task in session.call("tasks.get_all", body).get("tasks") or []})
    return found
