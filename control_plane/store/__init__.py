"""Everything that knows Redis.

    async with EmbeddedStore(data_dir / "store") as embedded:      # or any redis://, rediss://, unix:// URL
        store = await Store.open(embedded.url)

Documents (kinds: task, project, model, queue, user, company, credential, worker, setting) are nested dicts exactly
as the API answers them: times as ISO strings, ids as strings. `KINDS` in `layout` says how each is cut.

    await store.get("task", id)                                    # everything, or None
    await store.get_many("task", ids, ["status", "execution"])     # paths wanted; containers are there even when empty
    project(document, only_fields)                                 # exactly what `only_fields` asks
    await store.id_by_name("queue", company, "default")
    await store.exists("task", ids)

Writing is one transaction: conditions, then writes, all or nothing (`Transaction` documents every method).

    tx = store.transaction()
    tx.create("task", id, document)                                # only if absent
    tx.expect("task", id, {"status": "created"})                   # AnyOf(("created", "stopped")); None = absent
    tx.expect_exists / expect_absent / expect_claim(task, number)
    tx.set("task", id, {"status": "queued", "execution.queue": q, ("runtime", "a.b"): 1, "hyperparams.Args": {...}})
    tx.unset("task", id, ["started", ("hyperparams", "Args", "lr")])
    tx.replace_part("task", id, "hyperparams", {...}); tx.increment("task", id, "last_iteration", 1)
    tx.delete("task", id)
    tx.claim_name("queue", company, name, id); tx.release_name("queue", company, name, id)
    tx.enqueue(queue, task, "tail" | "head"); tx.dequeue(task); tx.land(task); tx.fence(task)
    tx.record(task, entry)                                         # the task's history: `await store.history(task)`
    done = await tx.commit()                                       # GuardFailed(guard, found), StoreUnavailable
    done.dequeued[task]                                            # the queue it waited in, or None

Queries run on a read model in this process; `Query.from_request` raises InvalidQuery(reason, extra, data).

    result = await store.query("task", Query.from_request("task", body))    # .ids of the page, .total, .scroll_id
    documents = await store.get_many("task", result.ids, only_fields or None)
    rows = await store.values("task", query, ["project", "status"])      # [(id, project, status)] of all that match
    counted = await store.counts("task", query, ["project", "status"])   # [(project, status, how many)], much cheaper

Queues and waiting (`queues`, `changes`):

    await store.queues.claim([q1, q2], worker=w, now_ms=now, lease_ms=30_000, order="priority", limit=1)   # -> [Claim]
    await store.queues.release(claim); store.queues.return_expired(now); .entries([q]); .counts([q]); .move(q, t, to=0)
    await store.leases.renew(worker, {task: claim}, now_ms=now, lease_ms=30_000); .until_ms(tasks); .held(worker)
    with store.changes.waiting([("queue", q), ("task", t)]) as waiter: ...look...; await waiter.wait()

`set` replaces what is at a path: {"script": {...}} replaces the section, {"script.diff": ...} one value of it. It
fails (as a guard "exists") where the document is gone. None removes. Values are written whole: no paths inside a list.
"""

from control_plane.store.documents import project, split_path
from control_plane.store.embedded import EmbeddedStore, store_url
from control_plane.store.errors import (
    DataDirInUse,
    EmbeddedStoreError,
    Guard,
    GuardFailed,
    InvalidQuery,
    StoreError,
    StoreUnavailable,
    UnsafeServer,
)
from control_plane.store.query import Query
from control_plane.store.queues import Claim, Returned
from control_plane.store.store import QueryResult, Store
from control_plane.store.transaction import AnyOf, Committed, Transaction

__all__ = [
    "AnyOf",
    "Claim",
    "Committed",
    "DataDirInUse",
    "EmbeddedStore",
    "EmbeddedStoreError",
    "Guard",
    "GuardFailed",
    "InvalidQuery",
    "Query",
    "QueryResult",
    "Returned",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "Transaction",
    "UnsafeServer",
    "project",
    "split_path",
    "store_url",
]
