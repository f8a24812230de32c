"""What a handler knows about the call besides its request: who asks, over what, with which store and clock."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from control_plane.services.access import Access
    from control_plane.settings import Settings
    from control_plane.store import Store
    from control_plane.store.notes import Note


@dataclass(frozen=True, slots=True)
class Claim:
    """A task taken by a worker, as the token that the server minted for it says."""

    task: str
    number: int
    """Counts up at every claim of the task; a write under an older number is refused."""
    worker: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is calling, from their token or key."""

    user: str
    company: str
    role: str = "user"
    user_name: str = ""
    company_name: str = ""
    claim: Claim | None = None
    """The task that this caller runs under a claim; None for people and official agents, who are not fenced."""
    credential: str = ""
    """The access key that the token came from; empty when there is none."""
    session: str = ""
    """The login that the token came from; renewing a token keeps it, logging out ends it."""
    epoch: int = 0
    """How often the sessions of the user, or of the `actor`, were ended (a new password ends them); those of an
    older epoch are over."""
    actor: str = ""
    """The administrator who acts for this user; empty when the user calls."""

    def claim_for(self, task: str) -> Claim | None:
        """The caller's claim if it is about this task, else None."""
        return self.claim if self.claim is not None and self.claim.task == task else None


ANONYMOUS = Identity(user="", company="", role="guest")


class Connection:
    """The caller's connection, for calls that hand out something that must not get lost on the way.

    A connection without a network (in-process calls, tests) lives until `lose()`.
    """

    __slots__ = ("_compensations", "_is_lost", "_lost", "_on_lost")

    def __init__(self) -> None:
        self._is_lost = False
        self._lost: asyncio.Event | None = None
        self._on_lost: Callable[[], None] | None = None
        self._compensations: list[Callable[[], Awaitable[None]]] = []

    @property
    def is_alive(self) -> bool:
        """False once the caller has hung up."""
        return not self._is_lost

    def lose(self) -> None:
        """Note that the caller has hung up."""
        self._is_lost = True
        if self._lost is not None:
            self._lost.set()
        if self._on_lost is not None:
            self._on_lost()

    def on_lost(self, tell: Callable[[], None]) -> None:
        """Call `tell` when the caller hangs up; the last one that was given."""
        self._on_lost = tell

    async def lost(self) -> None:
        """Wait until the caller hangs up."""
        if self._lost is None:  # made when somebody waits: most calls are answered at once
            self._lost = asyncio.Event()
        if not self._is_lost:
            await self._lost.wait()

    def if_unanswered(self, compensate: Callable[[], Awaitable[None]]) -> None:
        """Run `compensate` if the answer cannot be written to the caller (the entry goes back to its queue, say)."""
        self._compensations.append(compensate)

    @property
    def has_compensations(self) -> bool:
        """True when the answer's delivery matters to somebody."""
        return bool(self._compensations)

    async def compensate(self) -> None:
        """Run what was registered, newest first; the transport calls this when the answer did not go out."""
        while self._compensations:
            await self._compensations.pop()()


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Context:
    """One call. Services take time, store and settings from here and from nowhere else."""

    store: "Store"
    settings: "Settings"
    identity: Identity
    access: "Access"
    """Mints tokens (`access.mint_claim(identity, Claim(task, number, worker))`) and keeps credentials."""
    request_id: str = ""
    endpoint: str = ""
    """Name of the endpoint called, for counters and messages."""
    version: tuple[int, int] = (2, 31)
    """The API version that the caller asked for; the newest when the path names none."""
    worker: str = ""
    """`X-ClearML-Worker`: the default `worker` of events that lack one."""
    address: str = ""
    """The caller's, as far as it is known; empty for the server itself."""
    batch_id: str = ""
    """`X-ClearML-Batch`: our clients' own dedupe id of an event batch."""
    note: "Note | None" = None
    """Where this call leaves a note, so that a repeat of it is known; see `repeats`."""
    connection: Connection = field(default_factory=Connection)
    counters: Counter[str] = field(default_factory=Counter)
    """Process-wide counters that `/metrics` shows; keys are metric names, e.g. `fenced_writes`."""
    clock: Callable[[], datetime] = _utc_now

    @property
    def now(self) -> datetime:
        """The current time, aware, UTC."""
        return self.clock()

    @property
    def now_iso(self) -> str:
        """The current time as the API writes it: microseconds and `+00:00`."""
        return self.clock().isoformat(timespec="microseconds")

    @property
    def now_ms(self) -> int:
        """The current time in ms since the epoch."""
        return int(self.clock().timestamp() * 1000)

    @property
    def user(self) -> str:
        """Id of the calling user."""
        return self.identity.user

    @property
    def company(self) -> str:
        """Id of the calling user's company."""
        return self.identity.company
