"""How a daemon leaves: in stages, each asked for by a signal; none is taken back. Pure.

DRAIN    SIGTERM, SIGHUP              what runs goes on to its end, leases are renewed, nothing new is taken
REQUEUE  SIGTERM again                what runs is ended and goes back to the head of its queue
STOP     Ctrl-C, `daemon --stop`      what runs is ended and recorded as stopped
KILL     one more of either           the same without grace
"""

from __future__ import annotations

import enum

from clearml_agent.runs import Stop, StopKind


class Stage(enum.IntEnum):
    """How far a daemon has gone; the order is the one in which they can follow."""

    SERVING = 0
    DRAIN = 1
    REQUEUE = 2
    STOP = 3
    KILL = 4


def next_stage(now: Stage, signal_name: str) -> Stage:
    """The stage that a signal brings about."""
    if signal_name == "SIGHUP":
        return max(now, Stage.DRAIN)
    if now >= Stage.REQUEUE:
        return Stage.KILL
    if signal_name == "SIGINT":
        return Stage.STOP
    return Stage.DRAIN if now is Stage.SERVING else Stage.REQUEUE


def order(stage: Stage, reason: str, actor: str) -> Stop | None:
    """What becomes of the runs at a stage; None: they go on, or it has been said already.

    Args:
        reason: what asked for it, such as a signal's name; actor: who, where that is known.
    """
    if stage is Stage.REQUEUE:
        return Stop(StopKind.REQUEUE, reason, actor)
    return Stop(StopKind.AGENT, reason, actor) if stage is Stage.STOP else None
