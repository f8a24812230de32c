"""The query language as a list comprehension: what contract/wire.md, section 7, says, over plain nested documents.

Written from that page alone, to be held against the read model: slow, short and without any idea of columns.
"""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]
PATTERNS = ("name", "comment", "report")
LISTS = ("user", "tags", "system_tags", "type", "status", "project", "parent", "execution.queue", "models.input.model")
RANGES = ("created", "started", "active_duration", "last_iteration")
TIMES = ("created", "started", "last_update")
DATES = ("status_changed", "last_update", "last_change")
TEXTS = ("id", "name", "comment", "report", "script.repository", "script.entry_point", "models.input.model")
NUMERIC = ("hyperparams", "last_metrics", "metadata")


def search(documents: dict[str, Document], body: dict[str, Any]) -> list[str]:
    """The ids of all tasks that a body finds, in order; the page is for the caller to cut."""
    found = [{**document, "id": id} for id, document in documents.items() if matches({**document, "id": id}, body)]
    words = re.findall(r"[\w.-]+", (body.get("search_text") or "").lower())
    found.sort(key=lambda document: document["id"])
    order = body.get("order_by") or ["created"]
    for name in reversed([order] if isinstance(order, str) else order):
        if name == "@text_score":
            found.sort(key=lambda document: -score(document, words))
        else:
            found = in_order(found, name.lstrip("+-"), name.startswith("-"))
    return [document["id"] for document in found]


def matches(document: Document, body: dict[str, Any]) -> bool:
    if body.get("id"):
        wanted = [body["id"]] if isinstance(body["id"], str) else body["id"]
        if document["id"] not in wanted:
            return False
    elif not body.get("search_hidden") and "hidden" in document.get("system_tags", []):
        return False
    words = re.findall(r"[\w.-]+", (body.get("search_text") or "").lower())
    if words and score(document, words) == 0:
        return False
    return all(holds(document, path, asked) for path, asked in body.items())


def holds(document: Document, path: str, asked: Any) -> bool:
    value = at(document, path)
    if path in ("_any_", "_or_", "_all_", "_and_"):
        return over_several(document, any if path in ("_any_", "_or_") else all, asked)
    if path == "filters":
        return all(grouped(at(document, name), groups) for name, groups in asked.items())
    if asked in (None, "", []):
        return True
    if path in PATTERNS:
        return found_in(re.compile(asked), value)
    if path in LISTS or path.startswith("hyperparams."):
        return listed(value, asked)
    if path in RANGES or path.startswith("last_metrics."):
        return within(value, *(bound(item, path in TIMES) for item in asked))
    if path.startswith("runtime."):
        return bool(value == asked)
    return dated(value, asked) if path in DATES else True


def at(value: Any, path: str) -> Any:
    """What lies at a dotted path; of a list, of each of its items. None where there is nothing."""
    for position, name in enumerate(names := path.split(".")):
        if isinstance(value, list):
            below = [at(item, ".".join(names[position:])) for item in value]
            return [item for item in below if item is not None]
        value = value.get(name.replace("%2E", ".")) if isinstance(value, dict) else None
    return value


def found_in(pattern: re.Pattern[str], value: Any) -> bool:
    if isinstance(value, list):
        return any(pattern.search(item) for item in value if isinstance(item, str))
    return value is not None and not isinstance(value, dict) and pattern.search(str(value)) is not None


def members(value: Any) -> set[Any]:
    """A field's values; a missing or empty one counts as null."""
    if value in (None, "", []):
        return {None}
    return set(value) if isinstance(value, list) else {value}


def listed(value: Any, asked: Any) -> bool:
    some, every, never = set(), set(), set()
    combine = None
    target, negated, plain = some, False, True
    for item in [asked] if isinstance(asked, str) else asked:
        if item in ("__$all", "__$and"):
            target, plain, combine = every, False, combine or all
        elif item in ("__$any", "__$or"):
            target, plain, combine = some, False, combine or any
        elif item == "__$not":
            negated, plain = True, False
        elif item == "__$nop":
            target, negated, plain = some, False, True
        elif negated:
            never.add(item)
            negated = False
        elif plain and item is not None and item.startswith("-"):
            never.add(item[1:])
        else:
            target.add(item)
    has = members(value)
    verdicts = [bool(has & some)] * bool(some) + [every <= has] * bool(every) + [not has & never] * bool(never)
    return (combine or all)(verdicts) if verdicts else True


def grouped(value: Any, groups: dict[str, Any]) -> bool:
    has = members(value)
    verdicts = []
    some, every = groups.get("any") or {}, groups.get("all") or {}
    if some.get("include"):
        verdicts.append(bool(has & set(some["include"])))
    if some.get("exclude"):
        verdicts.append(not set(some["exclude"]) <= has)
    if every.get("include"):
        verdicts.append(set(every["include"]) <= has)
    if every.get("exclude"):
        verdicts.append(not has & set(every["exclude"]))
    return (any if groups.get("op") == "or" else all)(verdicts) if verdicts else True


def bound(value: Any, is_time: bool) -> Any:
    if not isinstance(value, str):
        return value
    return (date(value) or value) if is_time else (float(value) if is_number(value) else value)


def within(value: Any, low: Any, high: Any) -> bool:
    if value is None:
        return low is None
    if isinstance(value, (list, dict)):
        return False
    if any(isinstance(value, str) != isinstance(limit, str) for limit in (low, high) if limit is not None):
        return False
    return (low is None or value >= low) and (high is None or value <= high)


def date(text: str) -> str | None:
    """As the store writes times: UTC, microseconds."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found.astimezone(UTC).isoformat(timespec="microseconds")


def dated(value: Any, asked: Any) -> bool:
    items = asked if isinstance(asked, list) else [asked]
    limits = []
    for position, item in enumerate(items):
        sign = item[: len(item) - len(item.lstrip("<>="))]
        limit = date(item[len(sign) :])
        if limit is not None:
            limits.append((sign or ([">=", "<="][position] if len(items) == 2 else "=="), limit))
    if not limits:
        return True
    if not isinstance(value, str):
        return False
    outcomes = {">=": value.__ge__, ">": value.__gt__, "<=": value.__le__, "<": value.__lt__, "==": value.__eq__}
    return all(outcomes[sign](limit) for sign, limit in limits)


def over_several(document: Document, quantifier: Any, asked: dict[str, Any]) -> bool:
    if not asked["fields"]:
        return True
    values = [at(document, path) for path in asked["fields"]]
    if "pattern" in asked:
        pattern = re.compile(asked["pattern"], re.IGNORECASE)
        return bool(quantifier(found_in(pattern, value) for value in values))
    return bool(quantifier(dated(value, asked["datetime"]) for value in values))


def score(document: Document, words: list[str]) -> int:
    texts = [str(value).lower() for path in TEXTS if (value := at(document, path)) is not None]
    return sum(text.count(word) for word in words for text in texts)


def in_order(documents: list[Document], path: str, descending: bool) -> list[Document]:
    """Stable; those without a value come last whatever the direction."""
    have = [document for document in documents if at(document, path) is not None]
    lack = [document for document in documents if at(document, path) is None]
    compare = by_numbers if path.split(".")[0] in NUMERIC else as_they_are
    sign = -1 if descending else 1
    have.sort(key=functools.cmp_to_key(lambda a, b: sign * compare(at(a, path), at(b, path))))
    return have + lack


def is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def by_numbers(a: Any, b: Any) -> int:
    """Numbers, also those written as texts, before texts; texts by their words and whole numbers."""
    numbers = []
    for value in (a, b):
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            numbers.append(float(value))
        else:
            numbers.append(float(str(value)) if is_number(str(value)) else None)
    if None not in numbers:
        return three_way(*numbers)
    if numbers != [None, None]:
        return 1 if numbers[0] is None else -1
    words = [re.findall(r"\d+|\D+", str(value)) for value in (a, b)]
    for one, other in zip(*words, strict=False):
        digits = (one.isdecimal(), other.isdecimal())
        if digits == (True, True):
            result = three_way(int(one), int(other))
        else:
            result = three_way(not digits[0], not digits[1]) or three_way(one, other)
        if result:
            return result
    return three_way(len(words[0]), len(words[1]))


def as_they_are(a: Any, b: Any) -> int:
    """Numbers before texts before lists (item by item) before objects."""
    kinds = [
        0 if isinstance(v, (int, float)) else 1 if isinstance(v, str) else 2 if isinstance(v, list) else 3
        for v in (a, b)
    ]
    if kinds[0] != kinds[1]:
        return three_way(*kinds)
    if kinds[0] == 2:
        for one, other in zip(a, b, strict=False):
            if result := as_they_are(one, other):
                return result
        return three_way(len(a), len(b))
    return three_way(str(a), str(b)) if kinds[0] == 3 else three_way(a, b)


def three_way(a: Any, b: Any) -> int:
    return (a > b) - (a < b)
