"""What can go wrong in the store.

StoreError
├── StoreUnavailable   Redis could not be reached within the time a request may wait
├── GuardFailed        a transaction's condition did not hold; nothing was written
├── ClaimOver         the call was made under a claim that is over; nothing was written
├── InvalidQuery       a query names an operator or a value that does not exist (wire.md 7)
├── EmbeddedStoreError the embedded server could not be started
│   └── DataDirInUse   another server runs on the same data directory
└── UnsafeServer       the given Redis evicts keys: it cannot be a database
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class StoreError(Exception):
    """Base of everything the store raises on purpose."""


class StoreUnavailable(StoreError):
    """Redis could not be reached; the request may be repeated later."""


class EmbeddedStoreError(StoreError):
    """The embedded server did not start, or does not answer."""


class DataDirInUse(EmbeddedStoreError):
    """Another process serves the same data directory."""


class UnsafeServer(StoreError):
    """The given Redis would drop our keys under memory pressure."""


class InvalidQuery(StoreError):
    """A query that cannot be understood.

    `reason` is "regex", "value", "validation" or "lookup" (an unknown field to order by); `extra` and `data` are the
    words and values of the answer.
    """

    def __init__(self, reason: str, extra: str = "", **data: Any) -> None:
        super().__init__(f"{reason}: {extra} {data or ''}")
        self.reason, self.extra, self.data = reason, extra, data


@dataclass(frozen=True, slots=True)
class Guard:
    """One condition of a transaction.

    `kind` is "equals", "exists", "absent", "claim", "name", "empty", "queued", "fence" (the claim of the whole call) or
    "repeat" (an earlier try of this call did it); of events "part" (it was stored before), "generation" or "sequence"
    (they changed). `entity` and `id` say what it looks at ("task" and its id, say),
    `path` which value of it, `expected` what it had to be.
    """

    kind: str
    entity: str
    id: str
    path: str = ""
    expected: Any = None


class GuardFailed(StoreError):
    """A condition did not hold. `found` is what was there instead, decoded; None where nothing was."""

    def __init__(self, guard: Guard, found: Any) -> None:
        super().__init__(
            f"{guard.kind} {guard.entity} {guard.id} {guard.path}: expected {guard.expected!r}, found {found!r}"
        )
        self.guard, self.found = guard, found


class ClaimOver(StoreError):
    """The claim that a call was made under is over; `current` is the task's newest one, None where there is none.

    Not a GuardFailed: no service explains it, whatever it was about to write.
    """

    def __init__(self, task: str, number: int, current: int | None) -> None:
        super().__init__(f"claim {number} of task {task} is over, the newest is {current}")
        self.task, self.number, self.current = task, number, current
