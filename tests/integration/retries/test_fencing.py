"""A run whose claim is over writes nothing any more, whatever it calls; what is refused is counted.

The cases are those of retried writes: one for every endpoint that writes, from the handler table.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from control_plane.services.roles import CLAIM, use_of
from tests.conftest import ApiFailure, RunningServer

from .cases import CASES, DOUBLES, lines
from .world import World

OWN_TASK: dict[str, Callable[[str], Any]] = {
    "tasks.started": lambda t: {"task": t, "force": True},
    "tasks.stopped": lambda t: {"task": t},
    "tasks.completed": lambda t: {"task": t},
    "tasks.failed": lambda t: {"task": t},
    "tasks.close": lambda t: {"task": t, "force": True},
    "tasks.publish": lambda t: {"task": t, "force": True},
    "tasks.publish_many": lambda t: {"ids": [t], "force": True},
    "tasks.stop": lambda t: {"task": t},
    "tasks.stop_many": lambda t: {"ids": [t]},
    "tasks.reset": lambda t: {"task": t, "force": True},
    "tasks.reset_many": lambda t: {"ids": [t], "force": True},
    "tasks.delete": lambda t: {"task": t, "force": True},
    "tasks.delete_many": lambda t: {"ids": [t], "force": True},
    "tasks.dequeue": lambda t: {"task": t},
    "tasks.dequeue_many": lambda t: {"ids": [t]},
    "tasks.archive": lambda t: {"tasks": [t]},
    "tasks.archive_many": lambda t: {"ids": [t]},
    "tasks.unarchive_many": lambda t: {"ids": [t]},
    "tasks.edit": lambda t: {"task": t, "force": True, "comment": "x"},
    "tasks.update": lambda t: {"task": t, "comment": "x"},
    "tasks.update_batch": lambda t: lines({"task": t, "comment": "x"}),
    "tasks.update_tags": lambda t: {"ids": [t], "add_tags": ["x"]},
    "tasks.ping": lambda t: {"task": t},
    "tasks.set_requirements": lambda t: {"task": t, "requirements": {"pip": "x"}},
    "tasks.add_or_update_artifacts": lambda t: {
        "task": t,
        "artifacts": [{"key": "a", "type": "custom", "uri": "file:///a"}],
    },
    "tasks.edit_hyper_params": lambda t: {
        "task": t,
        "force": True,
        "hyperparams": [{"section": "Args", "name": "lr", "value": "9"}],
    },
    "tasks.edit_configuration": lambda t: {
        "task": t,
        "force": True,
        "configuration": [{"name": "c", "value": "y"}],
    },
    "models.create": lambda t: {"name": "of a stale run", "uri": "file:///m", "task": t},
    "tasks.create": lambda t: {"name": "child of a stale run", "type": "training", "parent": t},
    "tasks.clone": lambda t: {"task": t},
    "reports.create": lambda t: {"name": "report of a stale run"},
    "pipelines.start_pipeline": lambda t: {"task": t, "queue": "default"},
    "workers.status_report": lambda t: {"worker": "w", "timestamp": 1, "task": t},
}
"""Writes of a run to its own task, and to what it makes."""


@pytest.fixture(scope="module")
def world(server: RunningServer) -> World:
    return World(server)


@pytest.fixture(scope="module")
def stale(world: World) -> tuple[str, str]:
    """A task, and the token of a run of it that another run has followed."""
    queue = world.queue()
    task = world.queued(queue)
    body = {"worker": "first", "queues": [queue], "timeout_s": 5}
    old = world.call("agents.wait", body)["entries"][0]["token"]
    world.call("tasks.started", {"task": task}, token=old)
    world.call("tasks.stopped", {"task": task, "force": True})
    world.call("tasks.enqueue", {"task": task, "queue": queue})
    new = world.call("agents.wait", {**body, "worker": "second"})["entries"][0]["token"]
    world.call("tasks.started", {"task": task}, token=new)
    return task, old


def refusal(world: World, name: str, body: Any, token: str) -> tuple[int, int]:
    try:
        world.call(name, body, token=token)
    except ApiFailure as failed:
        return failed.code, failed.subcode
    return 200, 0


def fenced_writes(server: RunningServer) -> int:
    with urllib.request.urlopen(f"{server.api}/metrics", timeout=20) as answer:
        found = re.search(r"^clearml_fenced_writes\S* (\S+)$", answer.read().decode(), re.MULTILINE)
    return int(float(found[1])) if found else 0


def test_no_write_of_a_stale_run_is_done_whatever_it_is_about(world: World, stale: tuple[str, str]) -> None:
    task, token = stale
    bodies = {name: case(world) for name, case in CASES.items() if use_of(name) in CLAIM}
    before = world.picture()
    answers = {name: refusal(world, name, body, token) for name, body in bodies.items()}
    answers |= {f"{name} to itself": refusal(world, name, body(task), token) for name, body in OWN_TASK.items()}
    assert {name: answer for name, answer in answers.items() if answer != (400, 190)} == {}
    assert world.picture() == before


def test_every_write_is_among_them() -> None:
    left_out = {name for name in DOUBLES if use_of(name) in CLAIM} - set(OWN_TASK)
    assert left_out == set()


def test_reports_of_a_stale_run_are_dropped_whoever_they_are_about(world: World, stale: tuple[str, str]) -> None:
    task, token = stale
    other = world.task("in_progress")
    for owner in (task, other):
        assert refusal(world, "events.add_batch", lines(world.event(owner)), token) == (400, 190)
        assert refusal(world, "events.add", world.event(owner), token) == (400, 190)
    of_model = lines({**world.event(world.model()), "model_event": True})
    assert refusal(world, "events.add_batch", of_model, token) == (400, 190)
    for owner in (task, other):
        assert world.call("events.scalar_metrics_iter_histogram", {"task": owner}) == {}


def test_it_may_still_read(world: World, stale: tuple[str, str]) -> None:
    task, token = stale
    assert world.call("tasks.get_by_id", {"task": task}, token=token)["task"]["status"] == "in_progress"


@pytest.mark.one_server
def test_refusals_are_counted(world: World, stale: tuple[str, str]) -> None:
    task, token = stale
    before = fenced_writes(world.server)
    assert refusal(world, "tasks.completed", {"task": task}, token) == (400, 190)
    assert fenced_writes(world.server) == before + 1


def test_its_files_are_refused_too(world: World, stale: tuple[str, str]) -> None:
    _, token = stale
    assert upload(world.server, world.token) == 200
    assert upload(world.server, token) == 400


def upload(server: RunningServer, token: str) -> int:
    body = (
        b'--edge\r\nContent-Disposition: form-data; name="/stale/file.txt"; filename="file.txt"\r\n\r\n'
        b"content\r\n--edge--\r\n"
    )
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "multipart/form-data; boundary=edge"}
    request = urllib.request.Request(server.files, data=body, method="POST", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_people_and_official_agents_are_not_fenced(world: World, stale: tuple[str, str]) -> None:
    task, _ = stale
    assert world.call("tasks.edit", {"task": task, "force": True, "comment": "by a person"})["updated"] == 1
