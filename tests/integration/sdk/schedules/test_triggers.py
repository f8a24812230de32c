"""`TriggerScheduler`: each event triggers once, also when the scheduler dies."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.sdk.core.conftest import Workplace

from .conftest import DIES, DYING, Place, killed, until

pytestmark = pytest.mark.timeout(180)

SCRIPT = """
import sys
from clearml.automation import TriggerScheduler

project, base, queue = sys.argv[1:4]
watched, out = project + "/watched", project + "/out"
scheduler = TriggerScheduler(
    pooling_frequency_minutes=0.005, sync_frequency_minutes=0.005,
    force_create_task_name="the scheduler", force_create_task_project=project,
)
common = dict(schedule_task_id=base, schedule_queue=queue, target_project=out, trigger_project=watched)
def of(reference):
    return {"Args/of": reference}

scheduler.add_model_trigger(name="tagged", trigger_on_tags=["prod", "best"], trigger_required_tags=["checked"],
                            task_parameters=of("${model.id} ${model.name}"), **common)
scheduler.add_model_trigger(name="published", trigger_on_publish=True, task_overrides={"comment": "${model.id}"},
                            **common)
scheduler.add_dataset_trigger(name="data", trigger_on_tags=["new"], task_parameters=of("${dataset.id}"), **common)
scheduler.add_task_trigger(name="failure", trigger_on_status=["failed"], task_parameters=of("${task.id}"), **common)
scheduler.add_task_trigger(name="metric", trigger_on_metric="acc", trigger_on_variant="val", trigger_on_threshold=0.5,
                           trigger_on_sign="max", add_tag="good", trigger_name="^measured", **common)
scheduler.add_task_trigger(schedule_function=lambda task: print("CALLED", task, flush=True), name="called",
                           trigger_on_tags=["call me"], trigger_project=watched)
scheduler.start()
"""


def started(place: Place, workplace: Workplace, base: str) -> Any:
    return workplace.start(SCRIPT, place.name, base, place.queue)


def of(task: dict[str, Any]) -> str:
    return str(task["hyperparams"]["Args"]["of"]["value"])


def failed(place: Place, task: str) -> None:
    place.call("tasks.started", task=task, force=True)
    place.call("tasks.failed", task=task, force=True)


def test_each_event_triggers_once_also_over_a_restart(place: Place, workplace: Workplace) -> None:
    base, watched = place.base(), place.project(f"{place.name}/watched")
    old = place.call("models.create", name="old", uri="http://h/old", project=watched, tags=["prod", "checked"])["id"]
    entries = lambda: place.entries("models") and place.entries("tasks")  # noqa: E731
    head: list[str] = []
    with started(place, workplace, base) as process:
        try:
            until(entries, "the triggers to be stored")
            model = place.call(
                "models.create", name="one", uri="http://h/1", project=watched, tags=["prod"], ready=False
            )["id"]
            task = place.call("tasks.create", name="fails", type="training", project=watched)["id"]
            failed(place, task)
            (launched,) = until(lambda: place.launched("failure", status=["queued"]), "the failed task")
            assert of(launched) == task and launched["tags"] == ["failure"]
            assert place.launched("tagged") == []  # a required tag is missing
            place.call("models.edit", model=model, tags=["prod", "checked"])
            (launched,) = until(lambda: place.launched("tagged", status=["queued"]), "the tagged model")
            assert of(launched) == f"{model} one"
            place.call("models.set_ready", model=model)
            (launched,) = until(lambda: place.launched("published", status=["queued"]), "the published model")
            assert launched["comment"] == model

            measured = place.call("tasks.create", name="measured", type="training", project=watched)["id"]
            place.call("tasks.started", task=measured)
            for iteration, value in enumerate((0.4, 0.6, 0.7)):
                event = {"type": "training_stats_scalar", "task": measured, "iter": iteration, "metric": "acc"}
                place.call("events.add", **event, variant="val", value=value)
            (launched,) = until(lambda: place.launched("metric", status=["queued"]), "the metric")
            assert launched["tags"] == ["good"]

            place.call("tasks.edit", task=measured, tags=["call me"], force=True)
            hidden = place.project(f"{place.name}/watched/.datasets/data")
            version = {"name": "data", "type": "data_processing", "project": hidden, "system_tags": ["dataset"]}
            dataset = place.call("tasks.create", **version, tags=["new"])["id"]
            (launched,) = until(lambda: place.launched("data", status=["queued"]), "the dataset")
            assert of(launched) == dataset
            while not head or "CALLED" not in head[-1]:
                head.append(process.stdout.readline())
                assert head[-1], "the scheduler ended"
        finally:
            process.kill()
            out = "".join(head) + process.communicate()[0]
    before = len(place.launched())
    assert before == 5

    # While nobody looks: what happens again is an event again, what merely changes is none.
    place.call("tasks.reset", task=task, force=True)
    failed(place, task)
    place.call("models.edit", model=model, comment="changed")
    place.call("models.edit", model=old, comment="changed")
    with started(place, workplace, base) as process:
        try:
            until(lambda: len(place.launched("failure", status=["queued"])) == 2, "the second failure")
            other = place.call("tasks.create", name="fails too", type="training", project=watched)["id"]
            failed(place, other)
            until(lambda: len(place.launched("failure", status=["queued"])) == 3, "the third failure")
        finally:
            process.kill()
            again, _ = process.communicate()
    assert (out + again).count(f"CALLED {measured}") == 1
    assert {entry: len(place.launched(entry)) for entry in ("failure", "tagged", "published", "metric", "data")} == {
        "failure": 3,
        "tagged": 1,  # `old` was what triggers before
        "published": 1,
        "metric": 1,
        "data": 1,
    }
    assert set(place.plots()) == {"Model Triggers", "Dataset Triggers", "Task Triggers", "Triggers Executed"}


@pytest.mark.parametrize("moment", ["before the task is enqueued", "before the launch is noted"])
def test_a_trigger_that_dies_launches_each_event_once(place: Place, workplace: Workplace, moment: str) -> None:
    base, watched = place.base(), place.project(f"{place.name}/watched")
    with killed(started(place, workplace, base)):
        until(lambda: place.plots() if place.scheduler() else None, "the scheduler to look")
    task = place.call("tasks.create", name="fails", type="training", project=watched)["id"]
    failed(place, task)
    code = SCRIPT.replace("import sys\n", "import os, sys\n" + DYING + DIES[moment], 1)
    with killed(workplace.start(code, place.name, base, place.queue)) as process:
        _, err = process.communicate(timeout=60)
        assert process.returncode == -9, err
    with killed(started(place, workplace, base)):
        (launched,) = until(lambda: place.launched("failure", status=["queued"]), "the launch")
        until(lambda: launched["id"] in place.plots().get("Triggers Executed", ""), "the table")
    assert len(place.launched("failure")) == 1
