"""A schedule and a trigger fire, and agents run what they launch - the scheduler itself, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.agent.core.conftest import Agent, Tasks, until
from tests.integration.sdk.core.conftest import Workplace
from tests.integration.sdk.schedules.conftest import Place

pytestmark = pytest.mark.timeout(240)

SCHEDULER = """
import sys
from clearml import Task
from clearml.automation import TaskScheduler

task = Task.init(sys.argv[1] if len(sys.argv) > 1 else None, "the scheduler", Task.TaskTypes.service,
                 auto_resource_monitoring=False)
arguments = task.connect({"base": "", "queue": "", "project": ""} if len(sys.argv) < 3 else
                         {"base": sys.argv[2], "queue": sys.argv[3], "project": sys.argv[1]})
scheduler = TaskScheduler(sync_frequency_minutes=0.02)
scheduler.add_task(arguments["base"], queue=arguments["queue"], name="soon", minute=30, execute_immediately=True,
                   target_project=arguments["project"] + "/out")
scheduler.start_remotely(queue=arguments["queue"])
"""

TRIGGER = """
import sys
from clearml.automation import TriggerScheduler

project, base, queue = sys.argv[1:4]
scheduler = TriggerScheduler(pooling_frequency_minutes=10, force_create_task_name="the trigger",
                             force_create_task_project=project)
scheduler.add_task_trigger(base, schedule_queue=queue, name="after", trigger_project=project + "/out",
                           trigger_on_status=["completed"], target_project=project + "/later",
                           task_parameters={"Args/of": "${task.id}"}, trigger_name="^base$")
print("READY", flush=True)
scheduler.start()
"""

CODE = "import time\nprint('launched')\ntime.sleep(5)  # longer than a trigger needs to see it run\n"


def test_a_schedule_and_a_trigger_fire_and_agents_run_their_tasks(
    place: Place, workplace: Workplace, new_agent: Callable[..., Agent], server: Any
) -> None:
    tasks = Tasks(server, place.queue)
    base = place.base(script={"entry_point": "main.py", "binary": "python3", "diff": CODE})
    agent = new_agent(server)
    agent.start("--services-mode", queue=place.queue)
    place.project(f"{place.name}/out")
    later = place.project(f"{place.name}/later")
    with workplace.start(TRIGGER, place.name, base, place.queue) as trigger:
        try:
            until(
                lambda: place.call("tasks.get_all", name="^the trigger$", project=[place.project(place.name)])["tasks"]
            )
            ran = workplace.run(SCHEDULER, place.name, base, place.queue, name="scheduler.py")
            assert ran.code == 0, ran.err  # its process is over; an agent goes on
            (launched,) = until(lambda: place.launched("soon"), 90, "the schedule")
            found = tasks.finished(launched["id"], 60)
            assert found["status"] == "completed" and "launched" in tasks.console(launched["id"])

            def followed() -> list[dict[str, Any]]:
                return list(place.call("tasks.get_all", project=[later], search_hidden=True)["tasks"])

            # Polled only every ten minutes: what woke the trigger is the change of status.
            (after,) = until(followed, 60, "the trigger")
            assert after["hyperparams"]["Args"]["of"]["value"] == launched["id"]
            assert tasks.finished(after["id"], 60)["status"] == "completed"
            scheduler = place.scheduler()
            assert scheduler["status"] == "in_progress" and scheduler["last_worker"].startswith("tester")
            place.call("tasks.stop", task=scheduler["id"])
            assert tasks.finished(scheduler["id"], 60)["status"] == "stopped"
        finally:
            trigger.kill()
            trigger.communicate()
