"""What processes take of a machine's memory: their proportional share, so that nothing is counted twice."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import psutil


def pss_mib(pids: Iterable[int]) -> float:
    """Proportional set size of these processes together, MiB; of one that has ended nothing."""
    return sum(_pss_kib(pid) for pid in pids) / 1024


def tree(pid: int) -> list[int]:
    """A process and everything under it."""
    process = psutil.Process(pid)
    return [pid, *(child.pid for child in process.children(recursive=True))]


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
