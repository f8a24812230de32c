"""Documents and events of different moments are made to agree."""

from __future__ import annotations

from control_plane.store import Store, keys
from control_plane.store.events import SEQUENCE, Part, Run
from control_plane.store.reconcile import reconcile
from tests import invariants


async def report(store: Store, owner: str, step: int) -> None:
    """As a server that dies before it writes the document."""
    run = Run("loss", "v", steps=[step], times_ms=[1], values=[float(step)])
    await store.events.append(owner, Part(f"{owner}{step}", 1, b"1", {("loss", "v"): run}))


async def test_documents_behind_their_events_catch_up_and_ownerless_events_go(store: Store) -> None:
    for task in ("behind", "current", "never"):
        made = store.transaction()
        made.create("task", task, {"name": task, "status": "created"})
        await made.commit()
    await report(store, "behind", 1)
    await report(store, "current", 1)
    assert await reconcile(store) == 2
    await report(store, "behind", 7)
    await report(store, "ownerless", 1)
    await store.events.reset("current")

    assert await reconcile(store) == 3
    assert await reconcile(store) == 0
    assert (await invariants.check(store))["points"] == 2
    behind = await store.get("task", "behind", ["last_iteration", SEQUENCE])
    assert behind is not None
    assert behind["last_iteration"] == 7
    current = await store.get("task", "current", ["last_metrics"])
    assert current is not None
    assert current["last_metrics"] == {}
    for client in store.connection.clients:
        assert [name async for name in client.scan_iter(match=keys.event_meta("ownerless"))] == []
