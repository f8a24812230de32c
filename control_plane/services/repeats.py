"""Repeated writes: what a client that lost an answer is told when it sends its call again.

Official clients send every call again whose answer they did not get (contract/wire.md, section 6), and cannot say so. A
call is a repeat of another when

- it is the same: endpoint, version and body to the byte, by the same login, under the same worker name;
- the other one was done, less than `KEPT_S` ago (the note that it left with its commit says so: `store.notes`);
- the other one's answer is not known to have arrived (`http.arrivals`). Who closes the connection after every call
  (`Connection: close`, with no proxy in between) leaves nothing to know it by: of those only enqueuing again is taken
  for a repeat.

Most writes can simply be done again: they set what is set already and answer 200. The endpoints below cannot - the
second time they would fail, or do more. There a repeat is answered as the first call was. Where the second time would
*fail*, it is tried all the same and the note is asked only then, so a wrong guess changes no data. Where it would *do
more* - run a task again, take another one, move it further - the note is a condition of the transaction.

What makes tasks and models doubles, unless the caller names its calls (`X-ClearML-Request-Id`), as our clients do.
Credentials are never kept here, so asking for them again makes others.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from control_plane.services.context import Context, Identity
from control_plane.services.errors import ApiError
from control_plane.services.registry import Answer, Endpoint
from control_plane.services.status import Status
from control_plane.store import GuardFailed, layout
from control_plane.store.notes import AT, MADE, Note, read_stamp

KEPT_S = 600
NAMED_KEPT_S = 3600
"""Whoever names its calls may be away for longer."""


@dataclass(frozen=True, slots=True)
class Once:
    """How a repeat of one endpoint is answered."""

    subject: str = ""
    """The field of the request that names what it is about; several for `*_many`. Empty: what the call made."""
    answer: Mapping[str, Any] = field(default_factory=dict)
    """The answer where the first one was not noted with the commit."""
    makes: str = ""
    """The kind of document that it makes."""
    runs: bool = False
    """It lets a task run, which may be over when the repeat comes."""
    takes: bool = False
    """It hands something out that nobody else may get: not again while its connection is open."""
    only_named: bool = False
    """Two equal calls are two wishes, unless the caller names them."""


_UPDATED: Mapping[str, Any] = {"updated": 1, "fields": {}}
_MANY_UPDATED: Mapping[str, Any] = {"updated": True, "fields": {}}

ONCE: Mapping[str, Once] = {
    "agents.wait": Once(only_named=True),
    "auth.create_user": Once(makes="user"),
    "auth.revoke_credentials": Once("access_key", {"revoked": 1}),
    "models.create": Once(makes="model", answer={"created": True}, only_named=True),
    "models.delete": Once("model", {"deleted": True, "url": ""}),
    "models.delete_many": Once("ids", {"deleted": True, "url": ""}),
    "models.publish_many": Once("ids", _MANY_UPDATED),
    "models.set_ready": Once("model", _UPDATED),
    "pipelines.delete_runs": Once("ids", {"deleted": True}),
    "projects.create": Once(makes="project"),
    "projects.delete": Once("project", {"deleted": 1}),
    "projects.merge": Once("project", {}),
    "projects.move": Once("project", {"moved": 1}),
    "projects.update": Once("project", _UPDATED),
    "queues.add_task": Once("task", {"added": 1}, runs=True),
    "queues.create": Once(makes="queue"),
    "queues.delete": Once("queue", {"deleted": 1}),
    "queues.get_next_task": Once(takes=True),
    "queues.move_task_backward": Once(),
    "queues.move_task_forward": Once(),
    "queues.remove_task": Once("task", {"removed": 1}),
    "queues.update": Once("queue", _UPDATED),
    "reports.create": Once(makes="task", only_named=True),
    "reports.delete": Once("task", {"deleted": 1}),
    "reports.publish": Once("task", _UPDATED),
    "tasks.clone": Once(makes="task", only_named=True),
    "tasks.create": Once(makes="task", only_named=True),
    "tasks.delete": Once("task", {"deleted": True}),
    "tasks.delete_many": Once("ids", {"deleted": True}),
    "tasks.enqueue": Once("task", {"queued": 1, **_UPDATED}, runs=True),
    "tasks.enqueue_many": Once("ids", {"queued": True, **_UPDATED}, runs=True),
    "tasks.publish": Once("task", _UPDATED),
    "tasks.publish_many": Once("ids", _UPDATED),
    "tasks.stop": Once("task", _UPDATED),
    "tasks.stop_many": Once("ids", _UPDATED),
    "users.create": Once("id"),
    "users.delete": Once("user"),
}
"""Endpoints that cannot be done twice; of the others a repeat is done again."""


def login_of(identity: Identity) -> str:
    """What tells one login of a user from another: each process of an official client has its own."""
    return identity.session or identity.credential


@dataclass(frozen=True, slots=True)
class Call:
    """What a request says, beside who sends it."""

    worker: str
    query: str
    body: bytes
    name: str = ""
    """What the caller calls this call; empty: it does not."""
    closes: bool = False
    """The caller uses a connection for one call."""


def note_of(endpoint: str, identity: Identity, call: Call, *, by: str = "") -> Note | None:
    """Where this call, done by this server process, leaves its note; None when it may be done again."""
    once = ONCE.get(endpoint)
    if once is None or (not call.name and (once.only_named or (call.closes and not once.runs))):
        return None
    if call.name:
        words = [endpoint, identity.user, call.name]
    else:
        words = [endpoint, login_of(identity), call.worker, call.query]
    digest = hashlib.blake2b("\0".join(words).encode(), digest_size=16)
    if not call.name:
        digest.update(call.body)
    kept_s = NAMED_KEPT_S if call.name else KEPT_S
    return Note(digest.hexdigest(), kept_s * 1000, is_named=bool(call.name), makes=bool(once.makes), by=by)


def leaves_note(endpoint: str) -> bool:
    """True when some calls of this endpoint leave a note."""
    return endpoint in ONCE


def takes(endpoint: str) -> bool:
    """True when this call hands something out that nobody else may get."""
    return endpoint in ONCE and ONCE[endpoint].takes


WasActive = Callable[[int], Awaitable[bool]]
"""Whether this login has called anything else since a moment (ms since the epoch)."""


async def run(ctx: Context, row: Endpoint[Any], request: Any, note: Note, was_active: WasActive) -> Answer:
    """Do a call that leaves a note, or answer it as its first try."""
    try:
        answer = await row.handler(ctx, request)
    except (ApiError, GuardFailed):
        found = await ctx.store.notes.read(note)
        first = await _first_answer(ctx, row, request, found)
        if first is None:
            raise
        once = ONCE[row.name]
        if once.runs and await _is_meant(ctx, getattr(request, once.subject), note, found, was_active):
            await ctx.store.notes.forget([note.digest])
            with suppress(
                ApiError, GuardFailed
            ):  # it may not run again: then its first time is the answer all the same
                return await row.handler(ctx, request)
        ctx.counters["repeated_writes"] += 1
        return first
    if isinstance(answer, Mapping) and answer.get("failed"):
        return await _with_first_successes(ctx, ONCE[row.name], answer, note, was_active)
    return answer


async def _first_answer(
    ctx: Context, row: Endpoint[Any], request: Any, found: Mapping[str, bytes]
) -> Mapping[str, Any] | None:
    """What the first try was answered; None when there was none, or when the failure is the truth of now."""
    once = ONCE[row.name]
    if once.makes:
        made = found.get(MADE + once.makes, b"").decode()
        if not made or not (await ctx.store.exists(once.makes, [made]))[0]:
            return None
        return _noted(found, made) or {"id": made, **once.answer}
    subject = getattr(request, once.subject, None) if once.subject else None
    if not isinstance(subject, str) or subject not in found:
        return None
    return _noted(found, subject) or once.answer


def _noted(found: Mapping[str, bytes], id: str) -> dict[str, Any]:
    stored = found.get(id)
    decoded: dict[str, Any] = layout.decode(stored) if stored else {}
    return decoded


async def _is_meant(ctx: Context, task: str, note: Note, found: Mapping[str, bytes], was_active: WasActive) -> bool:
    """True when the caller wants the task to run once more: what the first try began is over, and it did other things
    since. Who waits for an answer does nothing else; a second thread of it may, which costs a run too many, not one
    too few."""
    if note.is_named or not await was_active(read_stamp(found[AT])[0]):
        return False
    document = await ctx.store.get("task", task, ["status"])
    if document is None or document.get("status") in (Status.QUEUED, Status.IN_PROGRESS):
        return False
    is_waiting = await ctx.store.queues.queue_of(task) is not None
    return not is_waiting and task not in await ctx.store.queues.flights([task])


async def _with_first_successes(
    ctx: Context, once: Once, answer: Mapping[str, Any], note: Note, was_active: WasActive
) -> Mapping[str, Any]:
    """The answer of a batch in which what failed only because the first try had done it counts as done."""
    found = await ctx.store.notes.read(note)
    done = []
    for item in answer["failed"]:
        id = item["id"]
        if id in found and not (once.runs and await _is_meant(ctx, id, note, found, was_active)):
            done.append(item)
    if not done:
        return answer
    ctx.counters["repeated_writes"] += 1
    failed = [item for item in answer["failed"] if item not in done]
    again = [{"id": item["id"], **once.answer, **_noted(found, item["id"])} for item in done]
    return {**answer, "succeeded": [*answer.get("succeeded", ()), *again], "failed": failed}
