"""Requests and answers of `agents.*`: our extension, by which agents wait for work instead of polling."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from control_plane.schema.base import Request


class WaitRequest(Request, kw_only=True):
    """Wait for tasks and commands.

    `queues`: ids, most important first. `slots`: how many tasks can be taken now; 0: only commands are waited for.
    `known_stops`: tasks whose stop the agent has been told already. `known_drain`: whether it was told to drain; a
    change of that is news at any time. `known_missing`: the queues that it knows to be gone; without it (null), a queue
    that is gone refuses the call. `is_off_duty`: by its timetable the worker takes nothing now, but from queues tagged
    `force_workers:on`. `use_owner_token`: a task's token is that of the user it belongs to; for administrators.
    `take_from`: those of the queues from which tasks can be taken now, most important first; null: all.
    `known_waiting`: the queues that are known to hold tasks; a change of that is news, unless it is null.
    """

    worker: str
    queues: list[str]
    order_fairness: bool = False
    slots: Annotated[int, Meta(ge=0, le=256)] = 1
    known_stops: list[str] = field(default_factory=list)
    known_drain: bool | None = None
    known_missing: list[str] | None = None
    is_off_duty: bool = False
    use_owner_token: bool = False
    take_from: list[str] | None = None
    known_waiting: list[str] | None = None
    timeout_s: Annotated[float, Meta(ge=0, le=25)] = 25.0


class Entry(Struct, kw_only=True):
    """A task that is now this worker's, if it starts it within `lease_s` or renews.

    `token`: for everything that is written about this run, and for the run itself.
    """

    task: str
    queue: str
    claim: int
    token: str
    lease_s: float
    added: str


class Stop(Struct, kw_only=True):
    """A task of this worker that has to end. `reason`: "stopping", "status changed: X", "fenced" or "deleted"."""

    task: str
    claim: int
    reason: str


class WaitResponse(Struct, kw_only=True):
    """What there is to do. `drain`: finish what runs and take nothing new. `missing`: queues that are gone.

    `waiting`: the queues that hold tasks still, for a caller that said what it knows of them.
    """

    entries: list[Entry]
    stops: list[Stop]
    drain: bool
    missing: list[str] = field(default_factory=list)
    waiting: list[str] | UnsetType = UNSET


class HeldClaim(Request, kw_only=True):
    """A task that the agent has under a claim."""

    task: str
    claim: int


class RenewRequest(Request, kw_only=True):
    """The agent lives, serves these queues and answers for these tasks.

    `is_start`: it has just started, so what it took before and does not name was lost with its predecessor.
    """

    worker: str
    queues: list[str] = field(default_factory=list)
    claims: list[HeldClaim] = field(default_factory=list)
    is_start: bool = False


class RenewResponse(Struct, kw_only=True):
    """`lease_s`: for so long the server believes it. `lost`: claims that are over."""

    lease_s: float
    lost: list[Stop]


class ReleaseRequest(Request, kw_only=True):
    """The agent cannot run this task: somebody else should. `reason` is shown on the task.

    `is_lost`: its run came to an end that nobody wanted; it is queued again only as often as its `retries` say.
    """

    worker: str
    task: str
    claim: int
    reason: str = ""
    is_lost: bool = False


class ReleaseResponse(Struct, kw_only=True):
    """`released`: 0 when the claim was over already, or the task was asked to stop or has no retries left."""

    released: int


class TokenRequest(Request, kw_only=True):
    """The token of a claim that this worker holds: for an agent that took the task in the store itself, or whose token
    has expired while no server answered. `use_owner_token`: as in WaitRequest.
    """

    worker: str
    task: str
    claim: int
    use_owner_token: bool = False


class TokenResponse(Struct, kw_only=True):
    """`token`: for the task's process."""

    token: str


class DrainRequest(Request, kw_only=True):
    """Tell a worker to finish what it runs and take nothing new, or (`drain` false) to go on."""

    worker: str
    drain: bool = True
