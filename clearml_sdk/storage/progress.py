"""Bars of transfers that take long: a line a few megabytes, rewritten on a terminal."""

from __future__ import annotations

import os
import sys
import threading
import time

from clearml_sdk.config import load_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH = 24
QUIET_S = 1.0
"""A transfer that is done within this shows nothing."""

SMALLEST_BYTES = 1_000_000
DEFAULT_MB = 5.0

_chosen_mb: dict[str, float] = {}


def choose_chunk(kind: str, megabytes: float) -> None:
    """Show a state of the bar every so many megabytes, whatever the configuration says; 0: no bars."""
    _chosen_mb[kind] = megabytes


def chunk_mb(kind: str) -> float:
    """How many megabytes go by between two states of a bar; 0: no bars."""
    if kind in _chosen_mb:
        return _chosen_mb[kind]
    return load_settings().number(f"sdk.storage.log.report_{kind}_chunk_size_mb", DEFAULT_MB)


def bar(kind: str, name: str, total: int | None) -> Callable[[int], None] | None:
    """What a transfer tells of each bytes moved; None when it is too small for a bar. kind: download or upload."""
    if total is None or total < SMALLEST_BYTES:
        return None
    step = chunk_mb(kind) * 1e6
    if step <= 0 or total < step:
        return None
    moved, shown, started, lock = 0, 0.0, time.monotonic(), threading.Lock()

    def tell(count: int) -> None:
        nonlocal moved, shown
        with lock:
            moved += count
            is_last = moved >= total
            if moved - shown < step and not is_last:
                return
            if not shown and time.monotonic() - started < QUIET_S:
                return
            shown = moved
            _show(line(kind, name, moved, total, time.monotonic() - started), is_last=is_last)

    return tell


def line(kind: str, name: str, moved: int, total: int, elapsed_s: float) -> str:
    """`ClearML download data.bin |####....| 12.0 of 50.0 MB, 8.1 MB/s`."""
    filled = min(WIDTH, WIDTH * moved // max(total, 1))
    rate = moved / 1e6 / max(elapsed_s, 1e-3)
    return (
        f"ClearML {kind} {os.path.basename(name)} |{'#' * filled}{'.' * (WIDTH - filled)}| "
        f"{moved / 1e6:.1f} of {total / 1e6:.1f} MB, {rate:.1f} MB/s"
    )


def _show(text: str, *, is_last: bool) -> None:
    try:
        on_terminal = sys.stderr.isatty()
        sys.stderr.write(f"\r{text}" if on_terminal else f"{text}\n")
        if on_terminal and is_last:
            sys.stderr.write("\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return  # closed, or there is none: nobody looks
