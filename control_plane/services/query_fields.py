"""What the open requests of `*.get_all` may say: the query language's fields of a kind, and those of their handlers."""

from control_plane.store.fields import OPERATORS

PAGING = frozenset({"page", "page_size", "start", "size", "scroll_id", "refresh_scroll", "order_by"})
SHOWN = frozenset({"only_fields", "projection"})
SEARCH = frozenset({"search_text", "search_hidden", "filters", "_all_", "_any_", "_and_", "_or_"})


def query_fields(kind: str, *extra: str) -> frozenset[str]:
    """Every field that a query of a kind reads; a name ending in ".*" stands for everything below it.

    Args:
        extra: what the handler reads beside the query.
    """
    one = OPERATORS[kind]
    own = one.pattern | one.lists | one.ranges | one.exact | one.dates
    below = {"include_subprojects"} if kind in ("task", "model") else {"shallow_search"} if kind == "project" else set()
    return own | PAGING | SHOWN | SEARCH | below | frozenset(extra)
