"""Changing documents and queues: conditions and writes that happen together or not at all.

tx = store.transaction()
tx.expect("task", id, {"status": "created"})
tx.set("task", id, {"status": "queued", "execution.queue": queue})
tx.enqueue(queue, id)
await tx.commit()
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from control_plane.store import keys, layout
from control_plane.store.connection import Connection
from control_plane.store.errors import ClaimOver, Guard, GuardFailed, StoreError
from control_plane.store.layout import KINDS, Path
from control_plane.store.notes import AT, DOUBLES, MADE, Fence, Note

Values = Mapping[str, Any] | Mapping[tuple[str, ...], Any] | Mapping[Path, Any]
"""Path -> value."""

CHANGES_KEPT = 50_000
"""Entries of the change stream. A read model that falls further behind rebuilds itself."""

HISTORY_KEPT = 200
"""Changes of status kept of one task: some thirty runs."""

FIELDS_A_COMMAND = 200
"""Lua's stack holds some 8,000 values; a command gets at most twice this many."""

QUEUE_RACES = 20
"""How often a commit starts again because a task moved between queues meanwhile."""


class AnyOf(tuple[Any, ...]):
    """Several allowed values of one condition: `tx.expect("task", id, {"status": AnyOf(("created", "queued"))})`."""


class _Key(str):
    """A word of a write that names a key: the script gets its index."""

    __slots__ = ()


@dataclass(frozen=True)
class Committed:
    """What a commit did beside what was asked: `change` is its number in the change stream (0 = nothing tracked),
    `dequeued` the queue that each dequeued task waited in (None = in none)."""

    change: int
    dequeued: dict[str, str | None]


@dataclass
class _Operations:
    """Operations of the script with the keys they name."""

    key_index: dict[str, int] = field(default_factory=dict)
    flat: list[bytes | str | int] = field(default_factory=list)

    def key(self, name: str) -> int:
        """The key's index in KEYS, from 1; the first two are the change counter and stream."""
        return self.key_index.setdefault(name, len(self.key_index) + 3)

    def add(self, name: str, key: str, *args: bytes | str | int) -> None:
        self.flat += [name, self.key(key), len(args), *args]


class Transaction:
    """Collects conditions and writes; nothing happens before `commit`. Used once.

    Writes to a document that does not exist (and is not created here) fail as a condition: nothing resurrects
    half a document that was deleted meanwhile.

    Args:
        note: where to note what was done, for repeats of the call that this belongs to.
        fence: the claim under which the call is made.
    """

    def __init__(
        self,
        connection: Connection,
        now_ms: int | None = None,
        *,
        note: Note | None = None,
        fence: Fence | None = None,
    ) -> None:
        self._connection = connection
        self._now_ms = int(time.time() * 1000) if now_ms is None else now_ms
        self._guards: list[tuple[Guard, str, str, tuple[bytes | str, ...]]] = []
        self._writes: list[tuple[str, str, tuple[bytes | str | int, ...]]] = []
        self._changed: dict[tuple[str, str], None] = {}
        self._created: dict[tuple[str, str], None] = {}
        self._required: set[tuple[str, str]] = set()
        self._leaving: dict[str, None] = {}
        self._waiting_in: dict[str, str] = {}
        self._joining: dict[str, tuple[str, str, int | None]] = {}
        self._note = note
        self._noted: dict[str, bytes] = {}
        self._fence = fence
        if fence is not None:
            guard = Guard("fence", "task", fence.task, expected=fence.number)
            self._guards.append((guard, "?equals", keys.claims(), (fence.task, str(fence.number))))

    # ---- conditions

    def expect(self, kind: str, id: str, values: Values) -> None:
        """Only if these single values are exactly so. None = absent; `AnyOf` = one of several."""
        shape = KINDS[kind]
        for path, value in values.items():
            part, name = layout.leaf_place(shape, path)
            guard = Guard("equals", kind, id, path if isinstance(path, str) else ".".join(path), value)
            key = keys.document(kind, id, part)
            if value is None:
                self._guards.append((guard, "?missing", key, (name,)))
            else:
                allowed = value if isinstance(value, AnyOf) else (value,)
                self._guards.append((guard, "?equals", key, (name, *map(layout.encode, allowed))))

    def expect_exists(self, kind: str, id: str) -> None:
        """Only if there is such a document."""
        if (kind, id) not in self._required:
            self._required.add((kind, id))
            self._guards.append((Guard("exists", kind, id), "?exists", keys.document(kind, id), ()))

    def expect_absent(self, kind: str, id: str) -> None:
        """Only if there is no such document."""
        self._guards.append((Guard("absent", kind, id), "?absent", keys.document(kind, id), ()))

    def expect_claim(self, task: str, claim: int) -> None:
        """Only if this is the task's newest claim: nobody took, queued or fenced the task since."""
        guard = Guard("claim", "task", task, expected=claim)
        self._guards.append((guard, "?equals", keys.claims(), (task, str(claim))))

    def expect_queued(self, task: str, queue: str) -> None:
        """Only if the task waits in this queue when the transaction commits; goes with `dequeue`."""
        self._leaving[task] = None
        self._waiting_in[task] = queue

    def expect_empty(self, queue: str) -> None:
        """Only if nobody waits in this queue."""
        self._guards.append((Guard("empty", "queue", queue), "?absent", keys.queue(queue), ()))

    # ---- what else one node has

    def when(self, guard: Guard, name: str, key: str, *words: str) -> None:
        """A condition on another key, `name` as the script knows it; only where one node has both."""
        self._guards.append((guard, name, key, words))

    def also(self, name: str, key: str, *words: bytes | str | int, of: str | None = None) -> None:
        """A write to another key; `of` names a second one, for writes that need it."""
        self._writes.append((name, key, words if of is None else (_Key(of), *words)))

    # ---- documents

    def create(self, kind: str, id: str, document: Mapping[str, Any]) -> None:
        """Write a new document, with its `id` among the values. Only if there is none."""
        self.expect_absent(kind, id)
        self._created[kind, id] = None
        self._noted.setdefault(id, b"")
        for part, fields in layout.flatten(KINDS[kind], {**document, "id": id}).items():
            self._hset(keys.document(kind, id, part), fields)
        self._writes.append(("SADD", keys.ids(kind), (id,)))
        self._changed[kind, id] = None  # tracked or not: a repeat must find its first try in the change stream

    def set(self, kind: str, id: str, values: Values) -> None:
        """Make the value at each path exactly this one.

        A container is replaced whole ({"script": {...}} drops script's other fields; {"script.diff": ...} keeps them).
        None removes, except a user's own value, which may be null.
        """
        self._require(kind, id)
        shape = KINDS[kind]
        fields: dict[str, dict[str, bytes]] = {}
        for path, value in values.items():
            if value is not None and (plain := layout.plain_part(shape, path)):
                # By far the most: one value that replaces one, with nothing to clear.
                fields.setdefault(plain, {})[path] = layout.encode(value)  # type: ignore[index]
                continue
            path_keys = layout.keys_of(shape, path)
            found = list(layout.leaves(shape, path_keys, value))
            for extent in layout.extents(shape, path):
                # Nothing to clear for a single value that is overwritten anyway.
                if extent.field is None or extent.prefix is not None or not found:
                    self._remove(kind, id, extent)
            for part, name, leaf in found:
                fields.setdefault(part, {})[name] = leaf
        for part, leaves in fields.items():
            self._hset(keys.document(kind, id, part), leaves)
        self._mark(kind, id)

    def unset(self, kind: str, id: str, paths: Iterable[Path]) -> None:
        """Remove what is at each path; a container becomes empty."""
        self._require(kind, id)
        for path in paths:
            for extent in layout.extents(KINDS[kind], path):
                self._remove(kind, id, extent)
        self._mark(kind, id)

    def replace_part(self, kind: str, id: str, part: str, value: Mapping[str, Any]) -> None:
        """Replace a whole top-level container: hyperparams, configuration, runtime, execution, ..."""
        self.set(kind, id, {part: value})

    def increment(self, kind: str, id: str, path: Path, by: int = 1) -> None:
        """Add to an integer; absent counts as 0."""
        self._require(kind, id)
        part, name = layout.leaf_place(KINDS[kind], path)
        self._writes.append(("HINCRBY", keys.document(kind, id, part), (name, by)))
        self._mark(kind, id)

    def delete(self, kind: str, id: str) -> None:
        """Remove a document and all its parts; nothing happens where there is none. A task also leaves its queue."""
        self._noted.setdefault(id, b"")
        for part in KINDS[kind].parts:
            self._writes.append(("DEL", keys.document(kind, id, part), ()))
        self._writes.append(("SREM", keys.ids(kind), (id,)))
        if kind == "task":
            self.dequeue(id)
            self._writes.append(("HDEL", keys.claims(), (id,)))
            self._writes.append(("ZREM", keys.leases(), (id,)))
            self._writes.append(("DEL", keys.history(id), ()))
        elif kind == "queue":
            self._writes.append(("DEL", keys.queue(id), ()))
            self._writes.append(("DEL", keys.queue_minutes(id), ()))
        self._mark(kind, id)

    def record(self, task: str, entry: Mapping[str, Any]) -> None:
        """Note in the task's history what happens here; the oldest notes give way, and all go with the task."""
        key = keys.history(task)
        self._writes.append(("RPUSH", key, (layout.encode(entry),)))
        self._writes.append(("LTRIM", key, (-HISTORY_KEPT, -1)))

    def touch(self, kind: str, id: str) -> None:
        """Announce a change without making one: wakes who waits for this document or queue."""
        self._changed[kind, id] = None

    # ---- unique names

    def claim_name(self, kind: str, scope: str, name: str, id: str) -> None:
        """Make `name` this document's, only if it is free (or its own). GuardFailed.found is the owner's id."""
        guard = Guard("name", kind, id, scope, name)
        self._guards.append((guard, "?free", keys.names(kind, scope), (name, id)))
        self._writes.append(("HSET", keys.names(kind, scope), (name, id)))

    def release_name(self, kind: str, scope: str, name: str, id: str) -> None:
        """Free a name, only if it is this document's or nobody's."""
        guard = Guard("name", kind, id, scope, name)
        self._guards.append((guard, "?free", keys.names(kind, scope), (name, id)))
        self._writes.append(("HDEL", keys.names(kind, scope), (name,)))

    # ---- queues

    def enqueue(
        self, queue: str, task: str, position: Literal["head", "tail"] = "tail", added_ms: int | None = None
    ) -> None:
        """Put a task at an end of a queue; it leaves any other, and older claims on it end."""
        self._leaving[task] = None
        self._joining[task] = (queue, position, added_ms)
        self._noted.setdefault(task, b"")

    def dequeue(self, task: str) -> None:
        """Take a task out of the queue it waits in and out of flight; nothing happens when it is in neither."""
        self._leaving[task] = None
        self._joining.pop(task, None)

    def land(self, task: str) -> None:
        """Take a task out of flight: it was started. One that waits in a queue stays there."""
        self._writes.append(("ZREM", keys.in_flight(), (task,)))
        self._writes.append(("HDEL", keys.flights(), (task,)))

    def forget_lease(self, task: str) -> None:
        """No agent of ours answers for the task, unless one renews its lease."""
        self._writes.append(("ZREM", keys.leases(), (task,)))

    def fence(self, task: str) -> None:
        """End every claim on a task: writes under them fail from now on."""
        self._writes.append(("HINCRBY", keys.claims(), (task, 1)))
        self._writes.append(("ZREM", keys.leases(), (task,)))

    # ---- the end

    def answer(self, id: str, data: Mapping[str, Any]) -> None:
        """What the caller is told of this document, once this is done; a repeat of the call is told the same."""
        if self._note is not None:
            self._noted[id] = layout.encode(data)

    async def commit(self) -> Committed:
        """Do it all, or nothing.

        Raises GuardFailed with the first condition that did not hold, ClaimOver, StoreUnavailable if Redis stays away.
        Repeating after a lost connection is safe: the script finds its own id in the change stream.
        """
        transaction_id = f"{random.getrandbits(64):016x}"
        since = self._connection.newest_change
        for _ in range(QUEUE_RACES):
            entries = await self._entries()
            for task, queue in self._waiting_in.items():
                if _queue_of(entries[task]) != queue:
                    raise GuardFailed(Guard("queued", "task", task, expected=queue), _queue_of(entries[task]))
            operations, guards = self._script(entries)
            changed = layout.join(tuple(word for pair in self._announced(entries) for word in pair))

            async def attempt(
                _client: Any, number: int, operations: _Operations = operations, changed: str = changed
            ) -> Any:
                return await self._connection.script(
                    "commit",
                    [keys.change_counter(), keys.changes(), *operations.key_index],
                    [transaction_id, int(number > 0), changed, CHANGES_KEPT, since, *operations.flat],
                )

            failed, number, *found = await self._connection.run_once_or_more(attempt)
            if not failed:
                self._connection.newest_change = max(number, self._connection.newest_change)
                return Committed(number, {task: _queue_of(entry) for task, entry in entries.items()})
            guard = guards[number - 1]
            if guard.kind == "fence":
                raise ClaimOver(guard.id, guard.expected, _found(guard, found[0] if found else None))
            if guard.kind != "queued":
                raise GuardFailed(guard, _found(guard, found[0] if found else None))
        raise StoreError(f"the tasks {sorted(self._leaving)} moved between queues faster than they could be followed")

    async def _entries(self) -> dict[str, bytes | None]:
        """Where the tasks that leave a queue wait now: the script gets every key beforehand."""
        tasks = list(self._leaving)
        if not tasks:
            return {}
        found: Any = await self._connection.run(lambda client: client.hmget(keys.entries(), tasks))
        return dict(zip(tasks, found, strict=True))

    def _script(self, entries: Mapping[str, bytes | None]) -> tuple[_Operations, list[Guard]]:
        operations = _Operations()
        guards = []
        for guard, name, key, args in self._guards:
            guards.append(guard)
            operations.add(name, key, *args)
        if self._note is not None:
            for guard, name in self._repeats(self._note):
                guards.append(guard)
                operations.add("?missing", self._note.key, name)
        for task, entry in entries.items():
            guards.append(Guard("queued", "task", task, expected=_queue_of(entry)))
            if entry is None:
                operations.add("?missing", keys.entries(), task)
            else:
                operations.add("?equals", keys.entries(), task, entry)
        for name, key, write in self._writes:
            operations.add(name, key, *(operations.key(word) if isinstance(word, _Key) else word for word in write))
        for task, entry in entries.items():
            self._move(operations, task, _queue_of(entry))
        if self._note is not None:
            self._leave_note(operations, self._note)
        return operations, guards

    def _repeats(self, note: Note) -> Iterable[tuple[Guard, str]]:
        """What an earlier try must not have done: running a task once more, making something once more."""
        for task in self._joining:
            yield Guard("repeat", "task", task), task
        if note.makes:
            for kind, id in self._created:
                if kind in DOUBLES:
                    yield Guard("repeat", kind, id), MADE + kind

    def _leave_note(self, operations: _Operations, note: Note) -> None:
        noted = dict(self._noted)
        for _, id in [*self._changed][:1]:
            noted.setdefault(id, b"")
        flat = [word for pair in [*noted.items()][:FIELDS_A_COMMAND] for word in pair]
        made = [word for kind, id in self._created for word in (MADE + kind, id)]
        operations.add("HSET", note.key, AT, note.stamp(self._now_ms), *made, *flat)
        operations.add("PEXPIRE", note.key, note.kept_ms)

    def _move(self, operations: _Operations, task: str, queue: str | None) -> None:
        if queue is not None:
            operations.add("note", keys.queue_minutes(queue), operations.key(keys.queue(queue)), self._now_ms)
            operations.add("ZREM", keys.queue(queue), task)
            operations.add("HDEL", keys.entries(), task)
        operations.add("ZREM", keys.in_flight(), task)
        operations.add("HDEL", keys.flights(), task)
        if task in self._joining:
            target, position, added_ms = self._joining[task]
            entry = f"{target} {self._now_ms if added_ms is None else added_ms}"
            operations.add("enqueue", keys.queue(target), task, position, operations.key(keys.entries()), entry)
            operations.add("note", keys.queue_minutes(target), operations.key(keys.queue(target)), self._now_ms)
            operations.add("HINCRBY", keys.claims(), task, 1)
            operations.add("ZREM", keys.leases(), task)

    def _announced(self, entries: Mapping[str, bytes | None]) -> Iterable[tuple[str, str]]:
        changed = dict(self._changed)
        for task, entry in entries.items():
            if (queue := _queue_of(entry)) is not None:
                changed["queue", queue] = None
            if task in self._joining:
                changed["queue", self._joining[task][0]] = None
        return changed

    def _require(self, kind: str, id: str) -> None:
        if (kind, id) not in self._created:
            self.expect_exists(kind, id)

    def _mark(self, kind: str, id: str) -> None:
        if KINDS[kind].tracked:
            self._changed[kind, id] = None

    def _remove(self, kind: str, id: str, extent: layout.Extent) -> None:
        key = keys.document(kind, id, extent.part)
        if extent.field is None and extent.prefix is None:
            self._writes.append(("DEL", key, ()))
        if extent.field is not None:
            self._writes.append(("HDEL", key, (extent.field,)))
        if extent.prefix is not None:
            self._writes.append(("clear", key, (extent.prefix,)))

    def _hset(self, key: str, fields: Mapping[str, bytes]) -> None:
        pairs = list(fields.items())
        for first in range(0, len(pairs), FIELDS_A_COMMAND):
            flat = [value for pair in pairs[first : first + FIELDS_A_COMMAND] for value in pair]
            self._writes.append(("HSET", key, tuple(flat)))


def _queue_of(entry: bytes | None) -> str | None:
    return None if entry is None else entry.decode().partition(" ")[0]


def _found(guard: Guard, raw: bytes | None) -> Any:
    if raw is None or guard.kind in ("exists", "empty"):
        return None
    if guard.kind == "equals":
        return layout.decode(raw)
    return int(raw) if guard.kind in ("claim", "fence") else raw.decode()
