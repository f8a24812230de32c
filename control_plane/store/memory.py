"""Memory that was used for a moment goes back to the system: the C library would keep it for later."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Return what is free; takes a millisecond or two. Only glibc keeps that much: elsewhere nothing is done."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
