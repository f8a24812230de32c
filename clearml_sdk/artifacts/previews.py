"""What the page shows of an artifact without downloading it: text of 64 KB at most."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MAX_BYTES = 65536
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    dict: ("{", "}"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


def cut(text: str) -> str:
    """`text`, shortened to MAX_BYTES of UTF-8 with a mark that says so."""
    data = text[: MAX_BYTES + 1].encode("utf-8", "replace")
    if len(data) <= MAX_BYTES:
        return data.decode("utf-8")
    mark = "\n... (cut)"
    return data[: MAX_BYTES - len(mark)].decode("utf-8", "ignore") + mark


def of_file(path: str) -> str:
    """Name and size."""
    return f"{os.path.basename(path)} - {size_text(os.stat(path).st_size)}\n"


def of_archive(title: str, entries: Iterable[tuple[str, int]]) -> str:
    """The list of what an archive holds: (name, size in bytes)."""
    return cut(f"Archive content {title}:\n" + "".join(f"{name} - {size_text(size)}\n" for name, size in entries))


def of_object(value: object) -> str:
    """The representation of an object; one that cannot be had is no reason to fail."""
    try:
        return cut(_shown(value, MAX_BYTES + 1, ()))
    except Exception as error:  # noqa: BLE001  # a user's __repr__ may raise anything
        return f"<{type(value).__name__}, whose repr() fails: {type(error).__name__}>"


def _shown(value: Any, limit: int, within: tuple[int, ...]) -> str:
    """`repr(value)`, or at least its first `limit` characters: of something large, all would be larger still.

    within: ids of what the value stands in.
    """
    kind = type(value)
    if kind in (str, bytes) and len(value) > limit:
        return _quoted(value, limit)
    if kind not in _BRACKETS or not value or (kind is tuple and len(value) == 1):
        return repr(value)
    opening, closing = _BRACKETS[kind]
    if id(value) in within:
        return f"{opening}...{closing}"
    within, length = (*within, id(value)), len(opening)
    pieces: list[str] = []
    for item in value.items() if kind is dict else value:
        if kind is dict:
            key = _shown(item[0], limit - length, within)
            piece = f"{key}: {_shown(item[1], max(0, limit - length - len(key)), within)}"
        else:
            piece = _shown(item, limit - length, within)
        pieces.append(piece)
        length += len(piece) + 2
        if length > limit:
            break
    return opening + ", ".join(pieces) + closing


def _quoted(value: str | bytes, limit: int) -> str:
    """The first characters of its representation: the quotes are those that the whole would have."""
    if isinstance(value, bytes):
        single, double, head = b"'" in value, b'"' in value, value[:limit]
        shown = repr(b"'" + head) if single and not double else repr(head + b'"')
        return 'b"' + shown[3:-1] if single and not double else shown[:-2]
    single, double, text = "'" in value, '"' in value, value[:limit]
    return '"' + repr("'" + text)[2:-1] if single and not double else repr(text + '"')[:-2]


def size_text(size_bytes: int) -> str:
    """`4 bytes`, `1.5 KB`, `12 MB`: decimal units."""
    if size_bytes < 1000:
        return f"{size_bytes} byte{'' if size_bytes == 1 else 's'}"
    size = float(size_bytes)
    for unit in ("KB", "MB", "GB", "TB"):
        size /= 1000
        if size < 1000 or unit == "TB":
            break
    return f"{round(size, 2):g} {unit}"
