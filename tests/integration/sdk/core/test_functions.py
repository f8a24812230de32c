"""Functions of a script as tasks of their own, registered tables, and the random seed."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import QUIET, Workplace, download

Read = Callable[[str], dict[str, Any]]

FUNCTION = f"""
from clearml import Task
task = Task.init("sdk/functions", "main", {QUIET}, reuse_last_task_id=False)
def work(size=1, name="x"):
    try:
        task.create_function_task(work)
    except Exception as error:
        say(nested=str(error))
    say(size=size, name=name)
def other(): say(other=True)
skipped = task.create_function_task(other)
made = task.create_function_task(work, size=5, name="five")
say(id=task.id, made=made and made.id, skipped=skipped and skipped.id)
"""


def remotely(workplace: Workplace, task_id: str) -> dict[str, str]:
    workplace.server.call("tasks.started", {"task": task_id, "force": True})
    return {"CLEARML_TASK_ID": task_id, "CLEARML_LOG_TASK_TO_BACKEND": "0"}


@pytest.mark.rows("S2-013", "S1-070", "S1-071")
def test_a_function_runs_as_a_task(workplace: Workplace, read: Read) -> None:
    local = workplace.run(FUNCTION).said
    made = read(local["made"])
    assert made["name"] == "main <work>" and made["parent"] == local["id"] and "func" in made["system_tags"]
    assert made["script"]["diff"] == read(local["id"])["script"]["diff"] != ""
    assert made["hyperparams"]["Function"]["size"]["value"] == "5"
    item = {"section": "Function", "name": "size", "value": "8", "type": "int"}
    workplace.server.call("tasks.edit_hyper_params", {"task": made["id"], "hyperparams": [item]})
    ran = workplace.run(FUNCTION, **remotely(workplace, made["id"]))
    assert ran.code == 0, ran.err
    assert ran.said == {"nested": ran.said["nested"], "size": 8, "name": "five"}  # not `other`, and nothing after it
    assert "cannot make another" in ran.said["nested"]


@pytest.mark.rows("S1-072")
def test_a_function_task_needs_the_task_of_this_process(workplace: Workplace) -> None:
    ran = workplace.run("""
from clearml import Task
task = Task.create("sdk/functions", "drawn up")
try: task.create_function_task(print)
except Exception as error: say(refused=str(error))
""")
    assert "call Task.init() first" in ran.said["refused"]


TABLE = f"""
import pandas
from clearml import Task
task = Task.init("sdk/functions", "table", {QUIET}, reuse_last_task_id=False)
table = pandas.DataFrame({{"a": [1, 1], "b": [1, 2]}})
task.register_artifact("table", table, metadata={{"k": "v"}}, uniqueness_columns=["a"])
task.register_artifact("left alone", table.copy())
task.get_registered_artifacts()["left alone"].loc[2] = [7, 7]
task.unregister_artifact("left alone")
for wrong in ([1], {{"a": 1}}):
    try: task.register_artifact("wrong", wrong)
    except ValueError as error: say(refused=str(error))
table.loc[2] = [5, 6]
say(id=task.id, names=list(task.get_registered_artifacts()))
task.close()
import threading
say(left=[thread.name for thread in threading.enumerate() if thread.name == "clearml-tables"])
"""


@pytest.mark.rows("S2-102", "S2-143", "S2-059")
def test_a_registered_table_is_kept_in_step(workplace: Workplace, read: Read) -> None:
    pytest.importorskip("pandas", reason="registered artifacts are pandas tables")
    ran = workplace.run(TABLE)
    assert ran.code == 0, ran.err
    assert ran.said["names"] == ["table"] and "pandas.DataFrame" in ran.said["refused"]
    assert ran.said["left"] == [], "nobody looks at the tables of a closed task"
    entries = {entry["key"]: entry for entry in read(ran.said["id"])["execution"]["artifacts"]}
    assert sorted(entries) == ["left alone", "table"]
    text = gzip.decompress(download(workplace.server, entries["table"]["uri"])).decode()
    assert [row[-2:] for row in csv.reader(io.StringIO(text))][1:] == [["1", "1"], ["1", "2"], ["5", "6"]]
    assert entries["table"]["display_data"] == [["k", "v"]]
    assert entries["table"]["type"] == "data-audit-table"
    assert "[table]: shape=(3, 2), 2 unique rows, 66.7% uniqueness" in entries["table"]["type_data"]["preview"]
    alone = gzip.decompress(download(workplace.server, entries["left alone"]["uri"])).decode()
    assert alone.splitlines()[-1].endswith("7,7")


SEED = f"""
import random, sys, numpy
from clearml import Task
if len(sys.argv) > 1: Task.set_random_seed(eval(sys.argv[1]))
task = Task.init("sdk/functions", "seed", {QUIET}, reuse_last_task_id=False)
say(values=[random.random(), numpy.random.rand()])
"""


@pytest.mark.rows("S2-128")
def test_runs_repeat_their_random_numbers(workplace: Workplace) -> None:
    default, again, seven, free = (
        workplace.run(SEED, *given).said["values"] for given in ((), ("True",), ("7",), ("None",))
    )
    assert default == again and len({tuple(values) for values in (default, seven, free)}) == 3
