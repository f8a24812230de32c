"""Reports from the call to the server, exactly once, whoever dies on the way."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk.journal import deliver
from clearml_sdk.reading import debug_samples
from clearml_sdk.record import TaskRecord
from clearml_sdk.reporting import Reporter
from clearml_sdk.reporting.images import Samples
from clearml_sdk.session import Session
from clearml_sdk.storage.locations import TaskFolder
from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import DELIVERED, QUIET, Ran, Workplace

from .conftest import Stored, new_task, session_of

INIT = f"""
import os, sys
from clearml import Task
task = Task.init("reporting/tests", "killed", reuse_last_task_id=False, {QUIET})
logger = task.get_logger()
say(id=task.id)
"""


@pytest.fixture
def reporter(session: Session, task_id: str) -> Iterator[Reporter]:
    opened = Reporter.open(session, task_id)
    yield opened
    opened.close(10)


def test_every_kind_of_report_can_be_read_back(reporter: Reporter, stored: Stored, server: RunningServer) -> None:
    for iteration in range(100):
        reporter.scalar("loss", "train", 1 / (iteration + 1), iteration)
    reporter.single_value("accuracy", 0.75)
    reporter.scalar_beside(":monitor:machine", "cpu_usage", 12.5, 900)
    reporter.log("warning", "first line\nsecond line")
    reporter.plot("curve", "s", 3, json.dumps({"data": [], "layout": {"title": "ü"}}))
    reporter.image("pictures", "one", 4, "https://elsewhere.test/a b.png")
    assert reporter.flush(60)
    assert stored.iterations("loss", "train") == list(range(100))
    assert stored.console() == ["first line", "second line"]
    assert json.loads(stored.plots()["curve", "s"]["plot_str"])["layout"]["title"] == "ü"
    (image,) = stored.images()
    assert (image["metric"], image["variant"], image["iter"]) == ("pictures", "one", 4)
    assert image["url"] == "https://elsewhere.test/a b.png"
    values = server.call("events.get_task_single_value_metrics", {"tasks": [stored.task_id]})["tasks"][0]["values"]
    assert [(value["variant"], value["value"]) for value in values] == [("accuracy", 0.75)]
    assert server.call("tasks.get_by_id", {"task": stored.task_id})["task"]["last_iteration"] == 99


def test_the_end_takes_no_time_when_everything_is_there(reporter: Reporter, stored: Stored) -> None:
    reporter.scalar("loss", "train", 1.0, 1)
    reporter.flush(60)  # the first call also logs in
    reporter.set_period(1000.0)  # its end does not wait for the time of the next sending
    reporter.scalar("loss", "train", 1.0, 2)
    assert reporter.close()
    assert stored.iterations("loss", "train") == [1, 2]
    assert os.listdir(os.environ["CLEARML_JOURNAL_DIR"]) == [], "a thread did not end when it was told to"


def test_pictures_are_uploaded_before_they_are_reported(
    reporter: Reporter, session: Session, stored: Stored, server: RunningServer, tmp_path: Path
) -> None:
    import numpy

    samples = Samples(reporter, TaskFolder(TaskRecord(session, stored.task_id)))
    samples.history = 2
    samples.picture("a/title", "se:ries", 1, numpy.zeros((4, 6, 3), dtype=numpy.uint8), None)
    samples.picture("a/title", "se:ries", 2, numpy.random.rand(4, 6, 4), None)
    samples.picture("a/title", "se:ries", 3, numpy.ones((4, 6), dtype=bool), None)
    samples.stream("html", "page", 1, "<b>x</b>", ".html", None)
    mine = tmp_path / "mine.txt"
    mine.write_text("text")
    samples.file("media", "text", 1, str(mine), None, delete=True)
    assert not mine.exists()
    assert reporter.flush(60)
    images = {(image["metric"], image["iter"]): image for image in stored.images()}
    names = [images["a/title", iteration]["url"].rpartition("/")[2] for iteration in (1, 2, 3)]
    assert names == [f"a.slash.title_se_ries_{number:08d}.jpeg" for number in (0, 1, 0)]
    assert read_file(server, images["a/title", 2]["url"])[:3] == b"\xff\xd8\xff"
    assert read_file(server, images["html", 1]["url"]) == b"<b>x</b>"
    assert read_file(server, images["media", 1]["url"]) == b"text"
    assert images["html", 1]["key"] in urllib.request.url2pathname(images["html", 1]["url"])


def test_pictures_of_a_killed_script_are_delivered_also_from_another_place(
    workplace: Workplace, session: Session, server: RunningServer
) -> None:
    code = """
logger.report_media("media", "first", iteration=1, stream="first", file_extension=".html")
logger.flush(wait=True)
settings = task._record.session.settings
logger.set_default_upload_destination(settings.files_server)
settings.api_server = "http://127.0.0.1:9"  # from here on nothing gets through
logger._reporter.scalar("loss", "train", 0.5, 1)
logger.flush()
logger.report_media("media", "second", iteration=1, stream="second", file_extension=".html")
os.kill(os.getpid(), 9)
"""
    killed = workplace.run(INIT + code)
    (workplace.folder / ".journal").rename(workplace.folder / "moved")
    done = deliver(workplace.folder / "moved", session)
    assert done.left == []
    images = {image["variant"]: image for image in Stored(session.call, killed.said["id"]).images()}
    assert {name: read_file(server, image["url"]) for name, image in images.items()} == {
        "first": b"first",
        "second": b"second",
    }
    assert list((workplace.folder / "moved").iterdir()) == []


def read_file(server: RunningServer, url: str) -> bytes:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {server.login()}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return bytes(answer.read())


def test_kill_9_of_the_script_loses_no_reported_point(workplace: Workplace, session: Session) -> None:
    process = workplace.start(
        INIT
        + """
iteration = 0
while True:
    for _ in range(500):
        logger.report_scalar("loss", "train", 0.5, iteration)
        iteration += 1
    print(f"line {iteration}")
    say(reported=iteration)
"""
    )
    assert process.stdout is not None
    task_id, reported, kill_at = "", 0, random.randrange(20, 300)
    with process:
        while reported < kill_at * 500:
            line = process.stdout.readline()
            assert line, process.communicate()
            if line.startswith("SAY "):
                said = json.loads(line[4:])
                task_id, reported = said.get("id", task_id), said.get("reported", reported)
        process.kill()
        for line in process.stdout:
            if line.startswith("SAY ") and line.endswith("\n"):
                reported = json.loads(line[4:]).get("reported", reported)
    done = deliver(workplace.folder / ".journal", session)
    assert (done.left, done.in_use) == ([], 0)
    stored = Stored(session.call, task_id)
    iterations = stored.iterations("loss", "train")
    assert iterations == list(range(len(iterations)))
    assert len(iterations) >= reported
    lines = [line for line in stored.console() if line.startswith("line ")]
    assert lines == [f"line {number}" for number in range(500, (len(lines) + 1) * 500, 500)]
    assert len(lines) >= reported // 500
    assert list((workplace.folder / ".journal").iterdir()) == []


def test_the_next_start_delivers_what_a_killed_script_left(workplace: Workplace, session: Session) -> None:
    killed = workplace.run(
        INIT + 'for i in range(1000):\n    logger.report_scalar("loss", "train", 0.5, i)\nos.kill(os.getpid(), 9)\n'
    )
    ran = workplace.run(INIT + DELIVERED)
    assert ran.code == 0, ran.err
    assert Stored(session.call, killed.said["id"]).iterations("loss", "train") == list(range(1000))


def test_clearml_sync_delivers_what_a_killed_script_left(workplace: Workplace, session: Session) -> None:
    killed = workplace.run(INIT + 'logger.report_scalar("loss", "train", 0.5, 1)\nos.kill(os.getpid(), 9)\n')
    command = [sys.executable, "-m", "clearml_sdk.cli", "sync"]
    done = subprocess.run(command, env=workplace.environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "of 1 journals" in done.stdout
    assert Stored(session.call, killed.said["id"]).iterations("loss", "train") == [1]


def test_children_of_every_kind_report_to_the_task(workplace: Workplace, session: Session) -> None:
    ran = workplace.run(
        INIT
        + """
import multiprocessing

def work(number):
    logger.report_scalar("loss", f"pool {number}", 0.5, number)
    print(f"from pool {number}")

with multiprocessing.get_context("fork").Pool(2) as pool:
    pool.map(work, [1, 2, 3])
process = multiprocessing.get_context("fork").Process(target=work, args=(4,))
process.start()
process.join()
if os.fork() == 0:
    logger.report_scalar("loss", "forked", 0.5, 5)
    os._exit(0)
os.wait()
logger.report_scalar("loss", "parent", 0.5, 6)
"""
    )
    assert ran.code == 0, ran.err
    stored = Stored(session.call, ran.said["id"])
    found = [stored.iterations("loss", name) for name in ("pool 1", "pool 2", "pool 3", "pool 4", "forked", "parent")]
    assert found == [[1], [2], [3], [4], [5], [6]]
    assert sorted(line for line in stored.console() if line.startswith("from pool")) == [
        f"from pool {number}" for number in (1, 2, 3, 4)
    ]


def test_kill_9_of_the_server_neither_loses_nor_doubles_a_report(own_server: RunningServer, tmp_path: Path) -> None:
    session = session_of(own_server)
    task_id = new_task(session)
    reporter = Reporter.open(session, task_id, journal_dir=str(tmp_path), period_s=0.05)
    lines = []
    for round_number in range(3):
        for iteration in range(2000):
            reporter.scalar("loss", "train", 0.5, round_number * 4000 + iteration)
            if iteration % 100 == 0:
                lines.append(f"line {round_number} {iteration}")
                reporter.log("info", lines[-1])
        own_server.kill()
        for iteration in range(2000, 4000):
            reporter.scalar("loss", "train", 0.5, round_number * 4000 + iteration)
        own_server.restart()
    assert reporter.close(60)
    stored = Stored(own_server.call, task_id)
    assert stored.iterations("loss", "train") == list(range(12_000))
    assert stored.console() == lines
    document = own_server.call("tasks.get_by_id", {"task": task_id})["task"]
    (series,) = [variant for metric in document["last_metrics"].values() for variant in metric.values()]
    assert series["count"] == 12_000
    session.close()


def test_a_script_ends_at_once_without_the_server_and_all_of_it_arrives_later(
    own_server: RunningServer, tmp_path: Path
) -> None:
    workplace = Workplace(tmp_path, own_server)
    process = workplace.start(
        INIT
        + """
import time
from pathlib import Path
from clearml_sdk import background, run
from clearml_sdk.reporting import live_journal
run.current().settle()
background.QUIET_S = live_journal.GIVE_UP_S = 1000.0  # so long a server would be waited for that is only slow
logger.report_scalar("loss", "train", 0.5, 0)
Path("ready").touch()
while not Path("go").exists():
    time.sleep(0.02)
for i in range(1, 10_001):
    logger.report_scalar("loss", "train", 0.5, i)
print("the last line", flush=True)
say(ended=True)
"""
    )
    while not (tmp_path / "ready").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    own_server.kill()
    (tmp_path / "go").touch()
    out, err = process.communicate(timeout=60)
    assert Ran(0, out, "").said["ended"] and process.returncode == 0 and "clearml sync" in err, err
    own_server.restart()
    command = [sys.executable, "-m", "clearml_sdk.cli", "sync"]
    subprocess.run(command, env=workplace.environment(), check=True, capture_output=True, timeout=60)
    id = Ran(0, out, "").said["id"]
    stored = Stored(own_server.call, id)
    assert stored.iterations("loss", "train") == list(range(10_001))
    assert "the last line" in stored.console()
    assert own_server.call("tasks.get_by_id", {"task": id})["task"]["status"] == "completed"


def test_reports_about_a_task_that_is_gone_do_not_block(session: Session, tmp_path: Path) -> None:
    reporter = Reporter.open(session, "0" * 32, journal_dir=str(tmp_path))
    reporter.scalar("loss", "train", 0.5, 1)
    assert reporter.close(60)
    assert os.listdir(tmp_path) == []


@pytest.mark.rows("S1-037")
def test_the_console_of_a_script_arrives_whole_and_in_order(workplace: Workplace, session: Session) -> None:
    ran = workplace.run(
        INIT
        + """
import logging
for number in range(300):
    print(f"line {number}")
print("\\r 10%", end="")
print("\\r 90%", end="")
print("\\r100%")
logging.getLogger("x").warning("logged")
logger.report_text("by hand")
print("last, without an end", end="")
"""
    )
    assert ran.code == 0, ran.err
    console = Stored(session.call, ran.said["id"]).console()
    assert [line for line in console if line.startswith("line ")] == [f"line {number}" for number in range(300)]
    assert console.count("100%") == 1
    assert "90%" not in " ".join(console)
    assert console.count("by hand") == 1
    assert "logged" in " ".join(console)
    assert console[-1].startswith("last, without an end") or "last, without an end" in console
    assert "line 299" in ran.out


@pytest.mark.rows("S1-040")
def test_the_logger_reports_every_plot(workplace: Workplace, session: Session) -> None:
    ran = workplace.run(
        INIT
        + """
from clearml import Logger
assert Logger.current_logger() is logger or Logger.current_logger()._task == task
logger.report_histogram("histogram", "s", [1, 2, 3], iteration=1)
logger.report_vector("vector", "s", [1, 2, 3])
logger.report_confusion_matrix("confusion", "s", [[1, 2], [3, 4]], iteration=1)
logger.report_matrix("matrix", "s", [[1, 2], [3, 4]], iteration=1)
logger.report_surface("surface", "s", [[1, 2], [3, 4]], iteration=1)
logger.report_scatter2d("scatter2d", "s", [(1, 2), (3, 4)], iteration=1)
logger.report_scatter3d("scatter3d", "s", [(1, 2, 3)], iteration=1)
logger.report_line_plot("lines", [Logger.SeriesInfo("a", [(1, 2)])], "x", "y")
logger.report_table("table", "s", iteration=1, table_plot=[["a"], [1]])
logger.report_plotly("plotly", "s", {"data": [{"x": [1], "y": [float("nan")]}]}, iteration=1)
logger.report_scalar("loss", "nan", float("nan"), 1)
logger.report_single_value("best", 3)
"""
    )
    assert ran.code == 0, ran.err
    plots = Stored(session.call, ran.said["id"]).plots()
    assert {metric for metric, _ in plots} == {
        *("histogram", "vector", "confusion", "matrix", "surface", "scatter2d", "scatter3d"),
        *("lines", "table", "plotly"),
    }
    figure: dict[str, Any] = json.loads(plots["plotly", "s"]["plot_str"])
    assert figure == {"data": [{"x": [1], "y": [None]}], "layout": {"title": "s"}}


def test_samples_are_paged_without_repeats(reporter: Reporter, stored: Stored, session: Session) -> None:
    for iteration in range(250):
        reporter.image("pictures", "one", iteration, f"https://elsewhere.test/{iteration}.png")
    assert reporter.flush(60)
    found = debug_samples(TaskRecord(session, stored.task_id), "pictures", "one", None)
    assert [image["iter"] for image in found] == list(reversed(range(250)))
