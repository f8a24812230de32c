"""Tables as plotly figures: of a DataFrame, of lists of rows, of a CSV file."""

from __future__ import annotations

import csv
import datetime
import io

from clearml_sdk.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

FONT = "Heebo, verdana, arial, sans-serif"


def table(
    title: str, series: str, content: Any, extra_layout: Mapping[str, Any] | None, extra_data: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A table figure.

    content: a DataFrame (an index with a name, or of texts, becomes the first columns), or a list of rows of which
    the first is the header.
    """
    if hasattr(content, "columns") and hasattr(content, "iloc"):
        header, columns = _of_frame(content)
    else:
        rows = [list(row) for row in content]
        header = [_cell(name) for name in rows[0]] if rows else []
        width = max((len(row) for row in rows), default=0)
        columns = [[_cell(row[n]) if n < len(row) else None for row in rows[1:]] for n in range(width)]
    data = {
        "type": "table",
        "header": {
            "values": header,
            "align": "left",
            "line": {"width": 0.5, "color": "#d4d6e0"},
            "fill": {"color": "#fff"},
            "font": {"family": FONT, "size": 12, "color": "#333"},
        },
        "cells": {
            "height": 30,
            "values": columns,
            "align": "left",
            "line": {"color": "white", "width": 1},
            "font": {"family": FONT, "size": 14, "color": "#384161"},
        },
    }
    layout = {"title.text": title, "title": series, **(extra_layout or {})}
    return {"data": [{**data, **(extra_data or {})}], "layout": layout}


def read_table(content: Any, csv_path: str | None, url: str | None) -> Any:
    """What to show: `content`, or the rows of a CSV file here or at a URL. Raises UsageError without any of these."""
    if content is not None:
        return content
    if csv_path is None and url is None:
        raise UsageError("report_table needs one of table_plot, csv and url")
    if csv_path is None:
        from clearml_sdk.session import Session
        from clearml_sdk.storage.cache import local_copy

        csv_path = local_copy(Session.default(), str(url))
    with open(csv_path, newline="", encoding="utf-8") as file:
        return parse_csv(file.read())


def parse_csv(text: str) -> list[list[Any]]:
    """Rows of a CSV text, numbers as numbers."""
    return [[_number(cell) for cell in row] for row in csv.reader(io.StringIO(text)) if row]


def _of_frame(frame: Any) -> tuple[list[Any], list[list[Any]]]:
    index = frame.index
    if type(index).__name__ != "RangeIndex":
        names = [str(name) if name is not None else "" for name in index.names]
        levels = [index.get_level_values(number) for number in range(len(names))]
    else:
        names, levels = [], []
    header = [*names, *([_label(name)] for name in frame.columns)]
    columns = [[_cell(value) for value in level] for level in levels]
    columns += [[_cell(value) for value in frame.iloc[:, number]] for number in range(len(frame.columns))]
    return header, columns


def _label(name: object) -> object:
    return " / ".join(str(part) for part in name) if isinstance(name, tuple) else _cell(name)


def _cell(value: Any) -> Any:
    """A value that JSON has, or its text; what is missing (NaN, NaT, None) is null."""
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None if value != value else str(value)
    if isinstance(value, datetime.datetime | datetime.date):
        return None if value != value else str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if type(value).__name__ in ("NaTType", "NAType") else _joined(value)


def _joined(value: Any) -> str:
    if isinstance(value, list | tuple | set):
        items: Iterable[Any] = value
        return ", ".join(str(item) for item in items)
    return str(value)


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
