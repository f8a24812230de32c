"""Whose turn it is on a machine whose queues want GPUs in different numbers. Pure; times are s of any clock.

Queues are asked in the order given (or in rotation), each as long as one task of it fits. So a queue of small tasks
would pass a queue of large ones for ever. Hence: a queue that has been passed over for `patience_s` gets its turn. If
its task does not fit, the GPUs that become free are kept for it. That leaves GPUs idle, and no more than `idle_share`
of their time may be spent so: until it is paid for, the next such turn waits. A turn in which not enough GPUs become
free (tasks that run for weeks) ends, and the queue's next one may last twice as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clearml_agent.gpus.packing import Allocation, Board, Request, idle, kept_for, place

PATIENCE_S = 60.0
IDLE_SHARE = 0.04
TURN_S = 6 * 3600.0
"""How long the first turn of a queue may last."""
LEAST_DEBT = 1e-3
"""GPU-seconds; less is none, or a caller that looks again when it is paid would do so for ever."""


@dataclass(frozen=True)
class Plan:
    """What can be taken now.

    ask: the queues (their numbers) from which one task may be taken, most important first.
    turn: the queue for which `kept` GPUs are kept.
    again_at: when to look again even if nothing happens; None: nothing is waited for.
    """

    ask: tuple[int, ...]
    turn: int | None = None
    kept: frozenset[str] = frozenset()
    again_at: float | None = None


class Turns:
    """Args:
    requests: of each queue, most important first.
    in_rotation: go on with the next queue after each task, instead of by importance.
    """

    def __init__(
        self,
        requests: Sequence[Request],
        *,
        in_rotation: bool = False,
        patience_s: float = PATIENCE_S,
        idle_share: float = IDLE_SHARE,
    ) -> None:
        self.requests = list(requests)
        self._in_rotation, self._patience_s, self._idle_share = in_rotation, patience_s, idle_share
        self._since: dict[int, float] = {}
        """Queue with waiting tasks -> since when none of them has been taken here."""
        self._last = -1
        self._turn: int | None = None
        self._turn_at = 0.0
        self._turn_s: dict[int, float] = {}
        """Queue whose last turn was in vain -> how long the next one may last."""
        self._debts: dict[int, float] = {}
        """Queue -> GPU-seconds that were kept idle for it and are not paid for by time gone by."""
        self._kept_idle, self._at = 0.0, 0.0

    def heard(self, waiting: Iterable[int], now: float) -> None:
        """These queues, and no others, have tasks that wait."""
        self._since = {queue: self._since.get(queue, now) for queue in sorted(set(waiting))}

    def taken(self, queue: int, now: float) -> None:
        """A task of this queue was given GPUs."""
        self._last = queue
        self._turn_s.pop(queue, None)
        if queue in self._since:
            self._since[queue] = now

    def plan(self, boards: Sequence[Board], held: Sequence[Allocation], now: float) -> Plan:
        """What can be taken beside what is held."""
        self._pay(len(boards), now)
        self._end_vain_turn(now)
        due = [queue for since, queue in self._by_age() if since + self._patience_s <= now]
        blocked = [queue for queue in due if place(self.requests[queue], boards, held) is None]
        turn = self._turn if self._turn in blocked else next((q for q in blocked if q not in self._debts), None)
        if turn != self._turn:
            self._turn, self._turn_at = turn, now
        kept = frozenset() if turn is None else kept_for(self.requests[turn], boards, held)
        others = any(queue != turn for queue in self._since)
        self._kept_idle = idle(kept, held) if others else 0.0
        left = [board for board in boards if board.uuid not in kept]
        order = [*due, *(queue for queue in self._order() if queue not in due)]
        ask = tuple(queue for queue in order if place(self.requests[queue], left, held) is not None)
        return Plan(ask, turn, kept, self._again_at(blocked, len(boards), now))

    def _by_age(self) -> list[tuple[float, int]]:
        return sorted((since, queue) for queue, since in self._since.items())

    def _order(self) -> list[int]:
        queues = range(len(self.requests))
        if not self._in_rotation:
            return list(queues)
        return [*queues[self._last + 1 :], *queues[: self._last + 1]]

    def _pay(self, boards: int, now: float) -> None:
        if self._turn is not None and self._kept_idle:
            self._debts[self._turn] = self._debts.get(self._turn, 0.0) + self._kept_idle * (now - self._at)
        paid = self._payment(boards) * (now - self._at)
        self._debts = {queue: debt - paid for queue, debt in self._debts.items() if debt - paid > LEAST_DEBT}
        self._at = now

    def _payment(self, boards: int) -> float:
        """What each debt shrinks by in a second: cheap turns come often, dear ones rarely."""
        return self._idle_share * boards / max(1, len(self._debts))

    def _limit_s(self, queue: int) -> float:
        return self._turn_s.get(queue, TURN_S)

    def _end_vain_turn(self, now: float) -> None:
        queue = self._turn
        if queue is None or queue not in self._since or now < self._turn_at + self._limit_s(queue):
            return
        self._turn_s[queue] = 2 * self._limit_s(queue)
        self._since[queue], self._turn = now, None

    def _again_at(self, blocked: Sequence[int], boards: int, now: float) -> float | None:
        times = [since + self._patience_s for since in self._since.values() if since + self._patience_s > now]
        if self._turn is not None:
            times.append(self._turn_at + self._limit_s(self._turn))
        elif (payment := self._payment(boards)) > 0:
            times += [now + self._debts[queue] / payment for queue in blocked]
        return min(times, default=None)
