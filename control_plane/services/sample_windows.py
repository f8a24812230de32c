"""Paging through the iterations of images and plots: the scroll id holds the window shown last, task by task. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

Window = tuple[int, int]
"""Lowest and highest iteration shown."""


def read_scroll(scroll_id: str | None) -> dict[str, Window]:
    """The windows in a scroll id; none for the first page. Raises ValueError for what is no scroll id of ours."""
    if not scroll_id or scroll_id == "0":
        return {}
    found = json.loads(scroll_id)
    if not isinstance(found, dict):
        raise ValueError(scroll_id)
    return {str(task): (int(low), int(high)) for task, (low, high) in found.items()}


def write_scroll(windows: Mapping[str, Window]) -> str:
    """The scroll id of these windows."""
    return json.dumps(windows, separators=(",", ":"))


def next_steps(available: Iterable[int], window: Window | None, count: int, *, earlier: bool) -> list[int]:
    """Which iterations to show, newest first: the newest, or those next to `window`; [] when there are no more."""
    steps = sorted(available, reverse=True)
    if window is None:
        return steps[:count]
    low, high = window
    if earlier:
        return [step for step in steps if step < low][:count]
    return [step for step in steps if step > high][-count:]
