"""`compact`, `doctor`, `size` and `retention` beside a running server, and the rules at work."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from control_plane.services import retention
from control_plane.services.access import Access
from control_plane.services.context import ANONYMOUS, Context
from control_plane.settings import load
from control_plane.store import Store
from control_plane.store.embedded import running_url
from tests.conftest import RunningServer, running_server
from tests.integration.events.reports import line, scalar, send
from tests.integration.segments.operating import begun, command, refused

pytestmark = pytest.mark.embedded


def findings(server: RunningServer, *more: str) -> list[tuple[str, str]]:
    process = begun(server, "doctor", *more)
    out, _ = process.communicate(timeout=60)
    parts = (row.split(maxsplit=1) for row in out.splitlines())
    return [(level, text) for level, text in parts if text.startswith(("segments", "sealing"))]


def test_what_is_sealed_is_counted_and_checked() -> None:
    with running_server() as server:
        task = server.call("tasks.create", {"name": "task", "type": "testing"})["id"]
        send(server, *(scalar(task, step, step * 0.37) for step in range(3000)))
        before = command(server, "size")["total"]
        assert before["sealed"] == 0
        assert ("ok", "sealing: 1 tasks and models have events in memory") in findings(server)
        assert command(server, "compact")["sealed_events"] == 3000
        after = command(server, "size")["total"]
        assert 0 < after["sealed"] < before["events"]
        assert after["events"] < before["events"] / 4
        assert ("ok", "segments: every byte is as it was written") in findings(server, "--deep")
        (path,) = server.data_dir.glob("segments/*/*/*.seg")
        path.write_bytes(path.read_bytes()[:50] + b"?" + path.read_bytes()[51:])
        assert [text for level, text in findings(server) if level == "error"] == []
        (wrong,) = [text for level, text in findings(server, "--deep") if level == "error"]
        assert "1 files are damaged" in wrong
        path.unlink()
        (wrong,) = [text for level, text in findings(server) if level == "error"]
        assert "1 files are gone" in wrong
        assert task in wrong
        assert "there is no task or model nobody" in refused(server, "compact", "--task", "nobody")


async def applied(server: RunningServer) -> int:
    """What the sealing server does each hour, now."""
    store = await Store.open(str(running_url(server.data_dir / "store")))
    try:
        await store.open_segments(str(server.data_dir / "segments"))
        due = store.events.due
        assert due is not None
        await store.connection.run(lambda client: client.delete("{m}:sealing"))  # no need to wait for the server's turn
        settings = load({}, {"data_dir": str(server.data_dir)})
        access = Access(store, b"k" * 32, settings, lambda: datetime.now(UTC))
        return await retention.apply(Context(store=store, settings=settings, identity=ANONYMOUS, access=access))
    finally:
        await store.close()


async def test_rules_of_a_project_thin_its_ended_tasks_only() -> None:
    with running_server(env={"CLEARML_SERVER_SEAL_PERIOD_S": "0"}) as server:
        tasks = {}
        for name in ("kept", "thinned", "thinned/below"):
            project = server.call("projects.create", {"name": name})["id"]
            tasks[name] = server.call("tasks.create", {"name": "task", "type": "testing", "project": project})["id"]
        tasks["draft"] = server.call("tasks.create", {"name": "task", "type": "testing", "project": project})["id"]
        for name, task in tasks.items():
            send(server, *(scalar(task, step, step * 0.37) for step in range(3000)), line(task, 1, "text"))
            if name != "draft":
                server.call("tasks.started", {"task": task})
                server.call("tasks.completed", {"task": task})
        command(server, "compact")
        shown = {
            task: server.call("tasks.get_by_id", {"task": task})["task"]["last_metrics"] for task in tasks.values()
        }
        rules = command(server, "retention", "set", "thinned", "--days", "1", "--samples", "10")["rules"]
        assert [(rule["project"], rule["days"], rule["samples"]) for rule in rules] == [("thinned", 1, 10)]
        assert await applied(server) == 0, "they ended today"
        command(server, "retention", "set", "thinned", "--days", "0", "--samples", "10", "--drop-console")
        assert await applied(server) > 5000
        assert await applied(server) == 0
        for name, task in tasks.items():
            is_thinned = name.startswith("thinned")
            raw = server.call("events.get_task_events", {"task": task, "event_type": "training_stats_scalar"})
            assert raw["total"] <= 50 if is_thinned else raw["total"] == 3000, name
            assert server.call("events.get_task_log", {"task": task})["total"] == (0 if is_thinned else 1)
            document = server.call("tasks.get_by_id", {"task": task})["task"]
            assert document["last_metrics"] == shown[task]
        assert command(server, "retention", "clear", "thinned")["rules"] == []
        assert "has no rule" in refused(server, "retention", "clear", "thinned")
