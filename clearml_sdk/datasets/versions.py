"""Version numbers of datasets: which is newer, and which comes next. Pure."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST = "1.0.0"
_NUMBERS = re.compile(r"v?(\d+(?:\.\d+)*)(?:[-+.]?([A-Za-z][\w.+-]*))?")


def is_semantic(version: str | None) -> bool:
    """Whether it is made of numbers, so that there is an order and a next one."""
    return bool(version and _NUMBERS.fullmatch(version.strip()))


def sort_key(version: str | None) -> tuple[int, tuple[int, ...], int, str]:
    """Orders versions: texts that are no numbers first, then by the numbers, a pre-release before its release."""
    match = _NUMBERS.fullmatch((version or "").strip())
    if match is None:
        return (0, (), 0, version or "")
    numbers = [int(part) for part in match[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return (1, tuple(numbers), 0 if match[2] else 1, match[2] or "")


def following(versions: Iterable[str | None]) -> str:
    """The version after the highest of `versions`: its last number plus one; the first one when there is none."""
    known = sorted((version for version in versions if version and is_semantic(version)), key=sort_key)
    if not known:
        return FIRST
    match = _NUMBERS.fullmatch(known[-1].strip())
    assert match is not None
    numbers = match[1].split(".")
    numbers[-1] = str(int(numbers[-1]) + 1)
    return ".".join(numbers)
