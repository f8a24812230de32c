"""JSON of what users put into figures: numpy and pandas values included, NaN and infinities as null."""

from __future__ import annotations

import base64
import datetime
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def dumps(value: Any) -> str:
    """The JSON text of `value`; what JSON does not have becomes its nearest: arrays lists, dates texts, NaN null."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except (ValueError, TypeError):
        return json.dumps(_finite(value), ensure_ascii=False, default=str)


def figure_json(figure: Any) -> str:
    """The JSON text of a plotly figure: an object of plotly's, a dictionary, or JSON text already.

    Raises ValueError for anything else.
    """
    if isinstance(figure, str):
        json.loads(figure)
        return figure
    if hasattr(figure, "to_plotly_json"):
        figure = figure.to_plotly_json()
    if not isinstance(figure, dict) or "data" not in figure:
        raise ValueError(f"not a plotly figure: {type(figure).__name__} (it needs `data` and `layout`)")
    return dumps({"layout": {}, **figure})


def _plain(value: Any) -> Any:
    if hasattr(value, "to_plotly_json"):
        return value.to_plotly_json()
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if hasattr(value, "__array__"):
        return value.__array__().tolist()
    return str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return _finite(_plain(value))
