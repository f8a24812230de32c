"""One case for every endpoint that writes: a world in which the call has something to do, and its body.

`world` is a `World`; a case returns the body, or the body and what has to hold of the second answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from control_plane.services.registry import Table
from control_plane.services.roles import Use, use_of

from .world import World

READS = frozenset({Use.OPEN, Use.SESSION, Use.READ})
"""Uses that change nothing."""
ALSO_READS = {
    *("auth.get_credentials", "auth.get_token_for_user", "server.config", "server.get_stats"),
    *("storage.get_settings", "server.endpoints", "agents.token"),
}
"""Reads that only some may call."""
GONE = {"models.update_for_task"}
"""Kept for their error alone."""
DOUBLES = {
    "auth.create_credentials": "the secret is nowhere kept to be told again",
    "auth.rotate_credentials": "the secret is nowhere kept to be told again",
    "models.create": "unless the call is named",
    "pipelines.start_pipeline": "makes a task",
    "reports.create": "unless the call is named",
    "tasks.clone": "unless the call is named",
    "tasks.create": "unless the call is named",
}
"""What may double, as docs/reliability.md says."""
ENDS_THE_CALLER = {
    "auth.revoke_sessions": "the retry comes with a token that is over: 401, and a new login",
    "auth.set_password": "ends the user's sessions",
}


def writes(table: Table) -> list[str]:
    """The endpoints that write, from the handler table itself."""
    left_out = ALSO_READS | GONE | set(DOUBLES) | set(ENDS_THE_CALLER)
    return [name for name in table if use_of(name) not in READS and name not in left_out]


def lines(*events: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps(event).encode() for event in events)


def _param(name: str = "lr", value: str = "1") -> dict[str, str]:
    return {"section": "Args", "name": name, "value": value}


def _in_queue(world: World, **more: Any) -> dict[str, Any]:
    """The middle one of three tasks that wait."""
    queue = world.queue()
    tasks = [world.queued(queue) for _ in range(3)]
    return {"queue": queue, "task": tasks[1], **more}


def _archived(world: World) -> str:
    task = world.task()
    world.call("tasks.archive", {"tasks": [task]})
    return task


def _with_parts(world: World) -> str:
    """A draft with a parameter, a configuration, an artifact and a model."""
    task = world.task(hyperparams={"Args": {"lr": _param()}}, configuration={"c": {"name": "c", "value": "x"}})
    artifact = {"key": "a", "type": "custom", "uri": "file:///tmp/a", "mode": "output"}
    world.call("tasks.add_or_update_artifacts", {"task": task, "artifacts": [artifact]})
    world.call("tasks.add_or_update_model", {"task": task, "name": "m", "model": world.model(), "type": "output"})
    return task


def _released(world: World) -> dict[str, Any]:
    worker, entry = world.claimed()
    return {"worker": worker, "task": entry["task"], "claim": entry["claim"]}


def _drained(world: World) -> dict[str, Any]:
    worker, _ = world.claimed()
    world.call("workers.register", {"worker": worker})
    return {"worker": worker, "drain": True}


def _registered(world: World) -> str:
    worker = world.name("worker")
    world.call("workers.register", {"worker": worker})
    return worker


def _merged(world: World) -> dict[str, Any]:
    source = world.project()
    world.task(project=source)
    return {"project": source, "destination_project": world.project()}


def _run_of(world: World) -> dict[str, Any]:
    project = world.project()
    return {"project": project, "ids": [world.task(project=project)]}


def _parent(world: World) -> str:
    """The name of a project."""
    name = world.name("parent")
    world.call("projects.create", {"name": name})
    return name


def _with_key(world: World) -> str:
    return str(world.call("auth.create_credentials", {})["credentials"]["access_key"])


def _with_metadata(world: World, kind: str) -> str:
    id = world.model() if kind == "model" else world.queue()
    item = {"key": "k", "type": "str", "value": "v"}
    world.call(f"{kind}s.add_or_update_metadata", {kind: id, "metadata": [item]})
    return id


def _container(world: World) -> dict[str, Any]:
    return {"container_id": world.name("container"), "endpoint_name": "e", "model_name": "m"}


def _served(world: World) -> dict[str, Any]:
    container = _container(world)
    world.call("serving.register_container", container)
    return container


METADATA = [{"key": "k", "type": "str", "value": "v"}]
Case = Callable[[World], Any]

CASES: dict[str, Case] = {
    "agents.drain": _drained,
    "agents.release": _released,
    "agents.renew": lambda w: {"worker": w.name("worker"), "queues": [w.queue()]},
    "auth.create_user": lambda w: {"name": w.name("user"), "email": "u@example.com", "role": "user"},
    "auth.edit_credentials": lambda w: {"access_key": _with_key(w), "label": "other"},
    "auth.edit_user": lambda w: {"user": w.user(), "role": "admin"},
    "auth.revoke_credentials": lambda w: {"access_key": _with_key(w)},
    "events.add": lambda w: w.event(w.task("in_progress")),
    "events.add_batch": lambda w: lines(
        w.event(task := w.task("in_progress")), {**w.event(task), "type": "log", "msg": "one line", "level": "info"}
    ),
    "events.clear_task_log": lambda w: {"task": _logged(w)},
    "events.delete_for_model": lambda w: {"model": w.model()},
    "events.delete_for_task": lambda w: {"task": _logged(w)},
    "models.add_or_update_metadata": lambda w: {"model": w.model(), "metadata": METADATA},
    "models.archive_many": lambda w: {"ids": [w.model()]},
    "models.delete": lambda w: {"model": w.model()},
    "models.delete_many": lambda w: {"ids": [w.model(), w.model()]},
    "models.delete_metadata": lambda w: {"model": _with_metadata(w, "model"), "keys": ["k"]},
    "models.edit": lambda w: {"model": w.model(), "comment": "edited"},
    "models.make_private": lambda w: {"ids": [w.model()]},
    "models.make_public": lambda w: {"ids": [w.model()]},
    "models.move": lambda w: {"ids": [w.model()], "project_name": w.name("project")},
    "models.publish_many": lambda w: {"ids": [w.model(), w.model()]},
    "models.set_ready": lambda w: {"model": w.model(task=w.task("completed"))},
    "models.unarchive_many": lambda w: {"ids": [w.model(system_tags=["archived"])]},
    "models.update": lambda w: {"model": w.model(), "name": w.name("model")},
    "models.update_tags": lambda w: {"ids": [w.model()], "add_tags": ["t"]},
    "pipelines.delete_runs": _run_of,
    "projects.create": lambda w: {"name": f"{w.name('project')}/below/it"},
    "projects.delete": lambda w: {"project": w.project()},
    "projects.make_private": lambda w: {"ids": [w.project()]},
    "projects.make_public": lambda w: {"ids": [w.project()]},
    "projects.merge": _merged,
    "projects.move": lambda w: {"project": w.project(), "new_location": _parent(w)},
    "projects.update": lambda w: {"project": w.project(), "name": w.name("project")},
    "queues.add_or_update_metadata": lambda w: {"queue": w.queue(), "metadata": METADATA},
    "queues.add_task": lambda w: {"queue": w.queue(), "task": w.task()},
    "queues.clear_queue": lambda w: {"queue": _in_queue(w)["queue"]},
    "queues.create": lambda w: {"name": w.name("queue")},
    "queues.delete": lambda w: {"queue": _in_queue(w)["queue"], "force": True},
    "queues.delete_metadata": lambda w: {"queue": _with_metadata(w, "queue"), "keys": ["k"]},
    "queues.get_next_task": lambda w: {"queue": _in_queue(w)["queue"]},
    "queues.move_task_backward": _in_queue,
    "queues.move_task_forward": _in_queue,
    "queues.move_task_to_back": _in_queue,
    "queues.move_task_to_front": _in_queue,
    "queues.remove_task": _in_queue,
    "queues.update": lambda w: {"queue": w.queue(), "name": w.name("queue")},
    "reports.archive": lambda w: {"task": w.report()},
    "reports.delete": lambda w: {"task": w.report()},
    "reports.move": lambda w: {"task": w.report(), "project": w.project()},
    "reports.publish": lambda w: {"task": w.report()},
    "reports.unarchive": lambda w: {"task": w.report()},
    "reports.update": lambda w: {"task": w.report(), "report": "text"},
    "serving.container_status_report": _served,
    "serving.register_container": lambda w: _container(w),
    "serving.unregister_container": lambda w: {"container_id": _served(w)["container_id"]},
    "storage.reset_settings": lambda w: {"keys": ["aws"]},
    "storage.set_settings": lambda w: {"aws": {"buckets": [{"bucket": "b", "key": "k", "secret": "s"}]}},
    "tasks.add_or_update_artifacts": lambda w: {
        "task": w.task(),
        "artifacts": [{"key": "a", "type": "custom", "uri": "file:///tmp/a"}],
    },
    "tasks.add_or_update_model": lambda w: {"task": w.task(), "name": "m", "model": w.model(), "type": "input"},
    "tasks.archive": lambda w: {"tasks": [_in_queue(w)["task"]]},
    "tasks.archive_many": lambda w: {"ids": [w.task(), w.task()]},
    "tasks.close": lambda w: {"task": w.task("stopped")},
    "tasks.completed": lambda w: {"task": w.task("in_progress")},
    "tasks.delete": lambda w: {"task": _with_parts(w), "force": True, "return_file_urls": True},
    "tasks.delete_artifacts": lambda w: {"task": _with_parts(w), "artifacts": [{"key": "a"}]},
    "tasks.delete_configuration": lambda w: {"task": _with_parts(w), "configuration": ["c"]},
    "tasks.delete_hyper_params": lambda w: {"task": _with_parts(w), "hyperparams": [{"section": "Args", "name": "lr"}]},
    "tasks.delete_many": lambda w: {"ids": [w.task(), _with_parts(w)], "force": True, "return_file_urls": True},
    "tasks.delete_models": lambda w: {"task": _with_parts(w), "models": [{"name": "m", "type": "output"}]},
    "tasks.dequeue": lambda w: {"task": _in_queue(w)["task"]},
    "tasks.dequeue_many": lambda w: {"ids": [_in_queue(w)["task"]]},
    "tasks.edit": lambda w: {"task": w.task(), "hyperparams": {"Args": {"lr": _param(value="2")}}},
    "tasks.edit_configuration": lambda w: {"task": w.task(), "configuration": [{"name": "c", "value": "y"}]},
    "tasks.edit_hyper_params": lambda w: {"task": _with_parts(w), "hyperparams": [_param(value="3")]},
    "tasks.enqueue": lambda w: {"task": w.task(), "queue": w.queue()},
    "tasks.enqueue_many": lambda w: {"ids": [w.task(), w.task()], "queue": w.queue()},
    "tasks.failed": lambda w: {"task": w.task("in_progress")},
    "tasks.make_private": lambda w: {"ids": [w.task()]},
    "tasks.make_public": lambda w: {"ids": [w.task()]},
    "tasks.move": lambda w: {"ids": [w.task()], "project_name": w.name("project")},
    "tasks.ping": lambda w: {"task": w.task("in_progress")},
    "tasks.publish": lambda w: {"task": w.task("stopped")},
    "tasks.publish_many": lambda w: {"ids": [w.task("stopped"), w.task("completed")]},
    "tasks.reset": lambda w: {"task": _logged(w), "force": True},
    "tasks.reset_many": lambda w: {"ids": [_logged(w), w.task("failed")], "force": True},
    "tasks.set_requirements": lambda w: {"task": w.task(), "requirements": {"pip": "numpy"}},
    "tasks.started": lambda w: {"task": w.task()},
    "tasks.stop": lambda w: {"task": w.task("in_progress")},
    "tasks.stop_many": lambda w: {"ids": [w.task("in_progress"), _in_queue(w)["task"]]},
    "tasks.stopped": lambda w: {"task": w.task("in_progress")},
    "tasks.unarchive_many": lambda w: {"ids": [_archived(w)]},
    "tasks.update": lambda w: {"task": w.task(), "name": w.name("task")},
    "tasks.update_batch": lambda w: lines({"task": w.task(), "name": "a name"}, {"task": w.task(), "name": "another"}),
    "tasks.update_tags": lambda w: {"ids": [w.task()], "add_tags": ["t"]},
    "users.create": lambda w: {"id": w.name("id").replace(" ", ""), "name": w.name("user")},
    "users.delete": lambda w: {"user": w.user()},
    "users.set_preferences": lambda w: {"preferences": {"x": w.name("value")}},
    "users.update": lambda w: {"user": w.user(), "name": w.name("user")},
    "workers.register": lambda w: {"worker": w.name("worker"), "queues": [w.queue()]},
    "workers.status_report": lambda w: {"worker": _registered(w), "timestamp": 1, "task": w.task("in_progress")},
    "workers.unregister": lambda w: {"worker": _registered(w)},
}
WAITS = {"agents.wait": "tests of their own"}
"""Calls that wait: tests/integration/retries/test_lost_answers.py."""


def _logged(world: World) -> str:
    """A running task that has reported."""
    task = world.task("in_progress")
    line = {**world.event(task), "type": "log", "msg": "one line", "level": "info"}
    world.call("events.add_batch", lines(world.event(task), line))
    return task
