"""numpy, loaded when the first query needs it: it takes 0.1 s and 17 MiB that an idle server need not spend."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys

_THREADS = "OPENBLAS_NUM_THREADS"


async def load_numpy() -> None:
    """Import what works on arrays, beside the loop; nothing happens the second time."""
    if "control_plane.store.kept" not in sys.modules:
        await asyncio.to_thread(_load)


def _load() -> None:
    # Its linear algebra, which nobody uses here, would start a thread a core. Nothing of it is left to children.
    is_given = _THREADS in os.environ
    os.environ.setdefault(_THREADS, "1")
    try:
        importlib.import_module("control_plane.store.kept")
    finally:
        if not is_given:
            del os.environ[_THREADS]
