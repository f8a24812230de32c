"""`TaskScheduler`: what it launches and keeps; and that its death launches nothing twice and loses nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import Workplace

from .conftest import DIES, DYING, Place, killed, until

pytestmark = pytest.mark.timeout(180)

SCRIPT = """
import os, sys, threading
from clearml.automation import TaskScheduler

project, base, queue = sys.argv[1:4]
scheduler = TaskScheduler(
    sync_frequency_minutes=0.005, force_create_task_name="the scheduler", force_create_task_project=project
)
"""
ONE_ENTRY = """
print(scheduler.add_task(
    base, queue=queue, name="often", minute=30, execute_immediately=True, target_project=project + "/out",
    task_parameters={"Args/x": "7"}, task_overrides={"script.branch": "new"},
))
"""
START = "scheduler.start()\n"


def started(place: Place, workplace: Workplace, code: str, base: str) -> Any:
    return workplace.start(SCRIPT + code + START, place.name, base, place.queue)


def test_a_schedule_launches_is_shown_and_follows_its_configuration(place: Place, workplace: Workplace) -> None:
    base = place.base(hyperparams={"Args": {"x": {"section": "Args", "name": "x", "value": "1"}}})
    function = "def call(): print('CALLED', flush=True)\n"
    function += "scheduler.add_task(schedule_function=call, day=1, name='f', execute_immediately=True)\n"
    with started(place, workplace, ONE_ENTRY + function, base) as process:
        try:
            (task,) = until(lambda: place.launched("often", status=["queued"]), "the first launch")
            assert task["hyperparams"]["Args"]["x"]["value"] == "7"
            assert (task["script"]["branch"], task["parent"]) == ("new", base)
            (entry, called) = place.entries("schedule")
            assert (entry["name"], entry["minute"], entry["base_task_id"]) == ("often", 30, base)
            assert called["name"] == "f"

            soon = (datetime.now(UTC) - timedelta(minutes=59, seconds=59)).isoformat()
            new = {**entry, "name": "new", "minute": 60, "starting_time": soon}
            place.edit("schedule", [{**entry, "minute": 0}, new, called])
            until(lambda: place.launched("new", status=["queued"]), "the entry that was added")
            until(lambda: set(place.plots()) == {"Schedule Tasks", "Executed Tasks"}, "the tables")
            assert "new" in until(lambda: place.plots()["Schedule Tasks"], "the table")
            assert len(place.launched("often")) == 1
        finally:
            process.kill()
        out, err = process.communicate()
    assert "CALLED" in out
    assert "is not possible: often: when is it to run?" in err  # the entry with minute 0 stays as it was


@pytest.mark.parametrize("moment", sorted(DIES))
def test_a_scheduler_that_dies_launches_each_time_once(place: Place, workplace: Workplace, moment: str) -> None:
    base = place.base()
    with started(place, workplace, DYING + DIES[moment] + ONE_ENTRY, base) as process:
        _, err = process.communicate(timeout=60)
        assert process.returncode == -9, err
    with started(place, workplace, ONE_ENTRY, base) as process:
        try:
            (task,) = until(lambda: place.launched(status=["queued"]), "the launch")
            until(lambda: "often" in place.plots().get("Executed Tasks", ""), "the table that shows what was noted")
            assert [found["id"] for found in place.launched("often")] == [task["id"]]
        finally:
            process.kill()
            process.communicate()
    found = place.call("tasks.get_all", project=[place.project(place.name)], name="^the scheduler$")["tasks"]
    assert len(found) == 1  # the same task goes on


def test_a_run_ends_at_its_limit_and_a_single_instance_waits(place: Place, workplace: Workplace) -> None:
    code = """
scheduler.add_task(base, queue=queue, name="short", hour=1, execute_immediately=True, limit_execution_time=0.0002,
                   target_project=project + "/out")
scheduler.add_task(base, queue=queue, name="single", hour=1, execute_immediately=True, single_instance=True,
                   target_project=project + "/out")
"""
    with started(place, workplace, code, place.base()) as process:
        try:
            until(lambda: place.launched("single", status=["queued"]), "the launch")
            until(lambda: place.launched("short", status=["created", "stopped"]), "the end at the limit")
            short, single = place.entries("schedule")
            past = (datetime.now(UTC) - timedelta(minutes=1, seconds=1)).isoformat()
            # Each of the two is due again at once: as a new entry would be.
            again = [
                {**entry, "name": f"{entry['name']} 2", "starting_time": past, "minute": 1, "hour": None}
                for entry in (short,)
            ]
            place.edit("schedule", [short, single, *again])
            until(lambda: place.launched("short 2"), "the next run")
            assert len(place.launched("single")) == 1
        finally:
            process.kill()
            process.communicate()


def test_a_second_scheduler_of_one_name_has_a_task_of_its_own(place: Place, workplace: Workplace) -> None:
    base = place.base()
    with killed(started(place, workplace, ONE_ENTRY, base)):
        until(lambda: place.launched("often", status=["queued"]), "the first launch")
        ran = workplace.run(SCRIPT + "say(id=scheduler._task.id)\n", place.name, base, place.queue, name="second.py")
    assert "already: this is another scheduler" in ran.err
    found = place.call("tasks.get_all", project=[place.project(place.name)], name="^the scheduler$")["tasks"]
    assert len(found) == 2 and ran.said["id"] in {task["id"] for task in found}


def test_what_is_not_possible_is_said_and_not_scheduled(place: Place, workplace: Workplace) -> None:
    ran = workplace.run(
        SCRIPT
        + """
ok = scheduler.add_task(base, queue=queue, name="a", minute=5)
wrong = [
    scheduler.add_task(base, queue=queue, name="a", minute=5),
    scheduler.add_task(base, queue=queue, name="e", year=2001),
]
said = []
for impossible in (
    {"schedule_task_id": base, "name": "b", "minute": 5},
    {"queue": queue, "name": "c", "minute": 5},
    {"schedule_task_id": base, "queue": queue, "name": "d"},
    {"schedule_task_id": base, "queue": queue, "name": "f", "day": 1, "hour": 24},
    {"schedule_task_id": base, "queue": queue, "name": "g", "hour": 1, "weekdays": ["moonday"]},
):
    try:
        scheduler.add_task(**impossible)
    except ValueError as error:
        said.append(str(error))
scheduler.add_task(base, queue=queue, day=1)
scheduler.add_task(base, queue=queue, day=2)
names = [job.name for job in scheduler.get_scheduled_tasks()]
removed = [scheduler.remove_task("a"), scheduler.remove_task("nothing"), scheduler.remove_task(base)]
say(ok=ok, wrong=wrong, said=said, names=names, removed=removed, left=len(scheduler.get_scheduled_tasks()))
""",
        place.name,
        base := place.base(),
        place.queue,
    )
    assert ran.code == 0, ran.err
    assert ran.said["ok"] is True and ran.said["wrong"] == [False] * 2
    assert ran.said["names"] == ["a", base, f"{base} #2"]
    assert (ran.said["removed"], ran.said["left"]) == ([True, False, True], 0)
    assert "a: there is such an entry already" in ran.err
    assert "e: its time is over" in ran.err
    words = ("in which queue", "what is to run", "when is it", "at most 23", "moonday")
    assert len(ran.said["said"]) == len(words)
    for said, word in zip(ran.said["said"], words, strict=True):
        assert word in said


def test_a_schedule_goes_on_after_the_server_was_away(own_server: RunningServer, tmp_path: Path) -> None:
    place, workplace = Place(own_server, "schedules/away", "away"), Workplace(tmp_path, own_server)
    place.call("queues.create", name="away")
    base = place.base()
    with killed(started(place, workplace, ONE_ENTRY, base)):
        until(lambda: place.launched("often", status=["queued"]), "the first launch")
        until(lambda: "often" in place.plots().get("Executed Tasks", ""), "the note of it")
        own_server.kill()
        own_server.restart()
        (entry,) = place.entries("schedule")
        soon = (datetime.now(UTC) - timedelta(minutes=59, seconds=59)).isoformat()
        place.edit("schedule", [entry, {**entry, "name": "after", "minute": 60, "starting_time": soon}])
        until(lambda: place.launched("after", status=["queued"]), "the launch after the outage")
    assert len(place.launched("after")) == 1
