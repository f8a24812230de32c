"""Every key in Redis: one function a key, its docstring the type and the layout.

Metadata shares the hash tag `{m}`, because a transaction touches several of its keys; events are tagged by their task
and spread over a Cluster. Values named "leaf" are JSON as orjson writes it.
"""

from __future__ import annotations

SCHEMA_VERSION = 1


def schema_version() -> str:
    """STRING: the layout's version, an integer; see `migrations`."""
    return "{m}:schema"


def restoring() -> str:
    """STRING: when a restore into this store began, ISO; there only until everything is in it."""
    return "{m}:restoring"


def is_ours(name: bytes) -> bool:
    """Whether a key is one of these."""
    return name.startswith((b"{m}:", b"ev:{"))


def owner_of(name: bytes) -> str | None:
    """Whose events a key of ours is of; None: it is about metadata."""
    return name[4 : name.index(b"}")].decode() if name.startswith(b"ev:{") else None


def document(kind: str, id: str, part: str = "core") -> str:
    """HASH: field path -> leaf. One hash a part of the document, as `layout` cuts it."""
    return f"{{m}}:d:{kind}:{id}:{part}"


def ids(kind: str) -> str:
    """SET: the ids of all documents of a kind."""
    return f"{{m}}:ids:{kind}"


def names(kind: str, scope: str) -> str:
    """HASH: unique name -> id of its owner, within a scope (a company, a project)."""
    return f"{{m}}:names:{kind}:{scope}"


def history(task: str) -> str:
    """LIST: what became of a task's status, oldest first, a leaf an entry; the newest `HISTORY_KEPT` of them."""
    return f"{{m}}:history:{task}"


def change_counter() -> str:
    """STRING: how many transactions changed a document or a queue; the last one's number."""
    return "{m}:changes:n"


def changes() -> str:
    """STREAM, trimmed: entry `<change number>-0`; t: the transaction's id, c: `kind NUL id NUL kind NUL id ...`."""
    return "{m}:changes"


def queue(id: str) -> str:
    """ZSET: task id -> position, lowest first."""
    return f"{{m}}:q:{id}"


def queue_minutes(queue: str) -> str:
    """HASH: `m<minute>` or `h<hour>` since the epoch -> what the queue was like then, see `queue_minutes`."""
    return f"{{m}}:q:{queue}:minutes"


def entries() -> str:
    """HASH: task id -> `queue SP added-ms` for every task that waits in a queue."""
    return "{m}:entries"


def in_flight() -> str:
    """ZSET: task id -> deadline in ms since the epoch, for tasks popped and not started yet."""
    return "{m}:flights"


def flights() -> str:
    """HASH: task id -> `queue SP claim SP added-ms SP worker`, for the members of `in_flight`."""
    return "{m}:flights:info"


def claims() -> str:
    """HASH: task id -> number of its last claim. Raised by each claim, each enqueue and each fence; never reused."""
    return "{m}:claims"


def cursor(worker: str) -> str:
    """STRING with expiry: the queue that a worker was served from last (round-robin between its queues)."""
    return f"{{m}}:cursor:{worker}"


def leases() -> str:
    """ZSET: task id -> until when its agent answers for it, ms since the epoch. Kept by our agents' renewals."""
    return "{m}:leases"


def held(worker: str) -> str:
    """HASH with expiry: task id -> `claim SP claimed-ms`: what one of our agents took and may still be running."""
    return f"{{m}}:held:{worker}"


def worker_deadlines() -> str:
    """ZSET: worker key -> when its registration ends, ms since the epoch."""
    return "{m}:workers"


def worker_history(worker: str) -> str:
    """HASH with expiry: what a worker reported about its machine, see `worker_history`."""
    return f"{{m}}:machine:{worker}"


def worker_samples(worker: str, hour: int) -> str:
    """STRING with expiry: a worker's samples of one hour, packed one behind the other, see `samples`."""
    return f"{{m}}:machine:{worker}:{hour}"


def recorded_workers() -> str:
    """ZSET: worker key -> when it last reported, ms since the epoch, for every worker with a history."""
    return "{m}:machines"


def event_meta(owner: str) -> str:
    """HASH: generation, sequence and counters of one task's (or model's) events; survives a reset."""
    return f"ev:{{{owner}}}:meta"


def event_stream(owner: str, generation: int, family: str) -> str:
    """STREAM: packed blocks of one family (scalar, log, plot, image, vector) of events."""
    return f"ev:{{{owner}}}:{generation}:{family}"


def event_series(owner: str, generation: int) -> str:
    """HASH: `metric NUL variant` -> packed statistics of one scalar series, see `series`."""
    return f"ev:{{{owner}}}:{generation}:series"


def event_parts(owner: str) -> str:
    """ZSET: id of a batch part already stored -> when, ms since the epoch; older than a day is dropped."""
    return f"ev:{{{owner}}}:parts"


def event_part_results(owner: str) -> str:
    """HASH: id of a batch part already stored -> what was answered for it."""
    return f"ev:{{{owner}}}:parts:added"


def scroll(id: str) -> str:
    """STRING with expiry: the state of one paged read, a leaf."""
    return f"{{m}}:scroll:{id}"


def ended_session(session: str) -> str:
    """STRING with expiry: there is one while tokens of a session that was logged out would still be good."""
    return f"{{m}}:ended:{session}"


def note(digest: str) -> str:
    """HASH with expiry: what a call did that its caller may repeat, see `notes`."""
    return f"{{m}}:note:{digest}"


def leader() -> str:
    """STRING with expiry: id of the replica that runs the watchdogs."""
    return "{m}:leader"


def watch() -> str:
    """HASH: at, since: when a watchdog last finished a round and since when somebody watches, ms since the epoch."""
    return "{m}:watch"


def event_segments(owner: str, generation: int) -> str:
    """HASH: number of the seal -> what the segment is, see `segments.index`."""
    return f"ev:{{{owner}}}:{generation}:segments"


def unsealed() -> str:
    """ZSET: task or model -> when its events are due to be sealed, ms since the epoch."""
    return "{m}:unsealed"


def segments_mark() -> str:
    """STRING: the mark of the place where this store's segments lie, see `segments.place`."""
    return "{m}:segments"


def sealing() -> str:
    """STRING with expiry: the process that seals at the moment."""
    return "{m}:sealing"


def segments_held() -> str:
    """STRING with expiry: files of segments have to stay, see `segments.hold`."""
    return "{m}:segments:held"


def retention() -> str:
    """HASH: project -> what is kept of its ended tasks, see `store.retention`."""
    return "{m}:retention"


def replaced_segments() -> str:
    """ZSET: `name SP generation SP owner` of a segment that is part of another now -> since when, ms."""
    return "{m}:segments:replaced"


def active(login: str) -> str:
    """HASH with expiry: server process -> when this login called it last, ms; the call's digest; when it did before."""
    return f"{{m}}:active:{login}"
