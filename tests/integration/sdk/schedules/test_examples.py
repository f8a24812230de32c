"""The examples of `examples/scheduling`, run as they are; and `Monitor`, which one of them shows."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.sdk.core.conftest import Workplace

from .conftest import Place, killed, until

pytestmark = pytest.mark.timeout(120)

EXAMPLES = Path(__file__).resolve().parents[4] / "examples" / "scheduling"


@contextlib.contextmanager
def example(workplace: Workplace, name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    with subprocess.Popen(
        command,
        cwd=workplace.folder,
        env=workplace.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_example_of_a_schedule_keeps_it_on_the_server(place: Place, workplace: Workplace) -> None:
    base = place.base()
    with example(workplace, "nightly.py", base, "--queue", place.queue):

        def entries() -> dict[str, str]:
            found = place.call("tasks.get_all", name="^nightly$", type=["service"])["tasks"]
            return {name: entry["value"] for task in found for name, entry in task["configuration"].items()}

        text = until(lambda: entries().get("schedule"), "the schedule")
    for part in ('"name": "nightly"', '"name": "monthly"', '"day": 31', '"execution_limit_hours": 4', base):
        assert part in text


def test_the_example_of_a_trigger_launches(place: Place, workplace: Workplace) -> None:
    watched = place.project(f"{place.name}/watched")
    entry = {"section": "Args", "name": "model", "value": ""}
    base = place.base(hyperparams={"Args": {"model": entry}})
    model = place.call("models.create", name="published", uri="http://h/1", project=watched, ready=False)["id"]
    arguments = (base, "--queue", place.queue, "--project", f"{place.name}/watched")
    code = (EXAMPLES / "on_publish.py").read_text()
    often = code.replace("pooling_frequency_minutes=1)", "pooling_frequency_minutes=0.01)")
    assert often != code
    with killed(workplace.start(often, *arguments)):

        def looked() -> list[str]:
            found = place.call("tasks.get_all", name="^on publish$", type=["service"])["tasks"]
            return [task["id"] for task in found if any(a["key"] == "state" for a in task["execution"]["artifacts"])]

        until(looked, "the scheduler to look")
        place.call("models.set_ready", model=model)

        def launched() -> list[str]:
            found = place.call("tasks.get_all", parent=base, status=["queued"])["tasks"]
            return [task["hyperparams"]["Args"]["model"]["value"] for task in found]

        assert until(launched, "the launch") == [model]


def test_the_example_of_a_monitor_tells_of_each_failure_once(place: Place, workplace: Workplace) -> None:
    code = (EXAMPLES / "monitor.py").read_text()
    shown = code.replace('"^examples"', f'"^{place.name}"').replace("pool_period=15.0", "pool_period=0.3")
    assert shown.count(place.name) == 1 and "0.3" in shown
    shown = shown.replace("monitor.monitor(", "monitor.monitor_step()\nprint('READY', flush=True)\nmonitor.monitor(")
    project = place.project(place.name)
    old = place.call("tasks.create", name="failed before", type="training", project=project)["id"]
    place.call("tasks.failed", task=old, force=True)
    with workplace.start(shown) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "READY\n"
            for name in ("first", "second"):
                task = place.call("tasks.create", name=name, type="training", project=project)["id"]
                place.call("tasks.failed", task=task, status_reason="it broke", force=True)
                assert process.stdout.readline() == f"{name} ({task}) failed: it broke\n"
                place.call("tasks.edit", task=task, comment="changed", force=True)
        finally:
            process.kill()
        out, err = process.communicate()
    assert (out, err) == ("", "")
