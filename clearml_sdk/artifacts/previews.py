"""What the page shows of an artifact without downloading it: text of 64 KB at most."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BYTES = 65536


def cut(text: str) -> str:
    """`text`, shortened to MAX_BYTES of UTF-8 with a mark that says so."""
    data = text.encode("utf-8", "replace")
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
        return cut(repr(value))
    except Exception as error:  # noqa: BLE001  # a user's __repr__ may raise anything
        return f"<{type(value).__name__}, whose repr() fails: {type(error).__name__}>"


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
