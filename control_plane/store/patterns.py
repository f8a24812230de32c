"""Regular expressions of callers. One that backtracks for minutes must not stop the server.

What cannot do that - few repetitions, none of a group, few ways to go on - runs in `re`, which is fast, on texts that
are short enough for it. Everything else runs in `regex`, which can be told to give up.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from control_plane.store.errors import InvalidQuery

BUDGET_S = 0.5
"""How long all searches of one pattern may take together."""
LONGEST = 5000
"""Characters of a pattern: to compile a longer one takes so long that others notice, tens of seconds for a million."""
LARGEST = 60_000
"""Characters of a pattern with what it repeats written out, as compilers treat it."""
PLAIN_REPEATS = 2
PLAIN_LENGTH = 2000
"""Characters of a text that may be searched without a limit, at most."""
PLAIN_STEPS = 200_000
"""What such a search may take: about a millisecond, which `re` does not share with other threads."""

_ATOM = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\)?[*+{?]|.", re.DOTALL)
"""An escape, a class, a repetition (of a group, where it begins with a bracket), any other character."""

_PART = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{\d*(?:,\d*)?\}|.", re.DOTALL)

Search = Callable[[str], Any]
"""What it finds, which is None for nothing."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One compiled pattern."""

    quick: Search
    """For texts of at most `quick_length`."""
    quick_length: int
    """Characters of the texts that are searched without a limit; 0: none are."""
    limited: Search
    """For any text. Raises InvalidQuery when this pattern has used up its time."""

    def is_in(self, text: str) -> bool:
        """Whether a text contains it. Raises as `limited` does."""
        search = self.quick if len(text) <= self.quick_length else self.limited
        return search(text) is not None


def plain_length(pattern: str) -> int:
    """How long a text may be for a search to take at most `PLAIN_STEPS`, whatever the text says; 0: there is no saying.

    Each repetition is tried at every length, each alternative of a group with each of every other, each optional part
    with and without: `(a|aa)(a|aa)...` and `a?a?...` take twice the time with every part.
    """
    repeats, ways, before = 0, 1, ""
    alternatives = [1]  # of the pattern, and of the groups that are open
    for atom in _ATOM.findall(pattern):
        if atom.startswith("\\"):
            repeats += atom[1:].isdigit()  # a reference to a group: as long as that one is
        elif atom[-1] in "*+{" and len(atom) <= 2:
            if atom.startswith(")"):
                return 0
            repeats += 1
        elif atom == "?":
            ways *= 1 if before in ("(", "*", "+", "?") else 2  # of a group's kind; of a repetition's haste; optional
        elif atom in (")", ")?"):
            ways *= len(atom) * (alternatives.pop() if len(alternatives) > 1 else 1)
        elif atom == "(":
            alternatives.append(1)
        elif atom == "|":
            alternatives[-1] += 1
        before = atom
    if repeats > PLAIN_REPEATS or "(?P=" in pattern or "(?(" in pattern:
        return 0
    # From each place on, each length of the first repetition, of that each of the second: a sixth of n^3 for two.
    steps = PLAIN_STEPS * math.factorial(repeats + 1) / (ways * alternatives[0])
    return min(PLAIN_LENGTH, int(steps ** (1 / (repeats + 1))))


def size_of(pattern: str) -> int:
    """How many characters a pattern has with what it repeats at least so often written out."""
    last, sizes = 0, [0]
    for part in _PART.findall(pattern):
        if part == "(":
            sizes.append(0)
            last = 0
        elif part == ")" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        elif part[0] == "{" and len(part) > 1:
            times = int(part[1:-1].partition(",")[0][:9] or 0)
            sizes[-1] += last * max(0, times - 1)
            last *= max(1, times)
        elif part not in "*+?":
            last = 1
            sizes[-1] += 1
    return sum(sizes)


def compile_pattern(pattern: str, flags: int = 0) -> Pattern:
    """Raises InvalidQuery for what is no pattern, or too long a one."""
    if len(pattern) > LONGEST:
        raise InvalidQuery("regex", err=f"it has {len(pattern)} characters, {LONGEST} are allowed", extra_info=None)
    if "{" in pattern and size_of(pattern) > LARGEST:
        raise InvalidQuery("regex", err="it repeats too much: make it simpler", extra_info=None)
    try:
        found = re.compile(pattern, flags)
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidQuery("regex", err=str(error), extra_info=None) from None
    return Pattern(found.search, plain_length(pattern), _limited(pattern, flags))


def _limited(pattern: str, flags: int) -> Search:
    too_slow = InvalidQuery("regex", err=f"searching took more than {BUDGET_S:g} s: make it simpler", extra_info=None)
    left_s = BUDGET_S
    find: Any = None

    def search(text: str) -> Any:
        nonlocal left_s, find
        if find is None:
            import regex  # seldom needed

            try:
                found = regex.compile(pattern, flags & (re.IGNORECASE | re.MULTILINE | re.DOTALL) | regex.VERSION0)
            except regex.error as error:
                raise InvalidQuery("regex", err=str(error), extra_info=None) from None
            find = found.search
        began = time.monotonic()
        try:
            return find(text, timeout=max(left_s, 1e-6), concurrent=True)
        except TimeoutError:
            raise too_slow from None
        finally:
            left_s -= time.monotonic() - began

    return search
