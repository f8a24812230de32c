"""What scripts import from below `clearml`, beside the classes that the package itself names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from clearml_sdk.backend_api.session import BatchRequest, CompoundRequest, DataModel, NonStrictDataModel, StringEnum
from clearml_sdk.backend_api.session import Request as ApiCall
from clearml_sdk.task_parameters import TaskParameters, param, percent_param, range_validator

from .conftest import QUIET, Workplace
from .test_remote import remote_env

PARAMETERS = f"""
from clearml import Task
from clearml.task_parameters import TaskParameters, param, percent_param

class Limits(TaskParameters):
    steps = param(type=int, desc="how many", range=(0, 100))
    target = percent_param(default=0.5)

task = Task.init("sdk/paths", "parameters", {QUIET}, reuse_last_task_id=False)
limits = Limits(steps=7)
same = task.connect(limits)
values = limits.to_dict()
say(id=task.id, same=same is limits, values=values, types=[type(one).__name__ for one in values.values()])
"""


def test_declared_parameters_are_recorded_and_overridden_in_their_types(
    workplace: Workplace, read: Callable[[str], dict[str, Any]]
) -> None:
    ran = workplace.run(PARAMETERS)
    assert ran.code == 0, ran.err
    assert ran.said["same"] and ran.said["values"] == {"steps": 7, "target": 0.5}
    recorded = read(ran.said["id"])["hyperparams"]["General"]
    assert {name: (one["value"], one["type"]) for name, one in recorded.items()} == {
        "steps": ("7", "int"),
        "target": ("0.5", "float"),
    }
    call = workplace.server.call
    copy = str(call("tasks.clone", {"task": ran.said["id"]})["id"])
    edit = {"task": copy, "hyperparams": [{"section": "General", "name": "steps", "value": "9"}]}
    call("tasks.edit_hyper_params", edit)
    call("tasks.started", {"task": copy, "force": True})
    again = workplace.run(PARAMETERS, **remote_env(workplace, copy))
    assert again.code == 0, again.err
    assert again.said["values"] == {"steps": 9, "target": 0.5} and again.said["types"] == ["int", "float"]


class Limits(TaskParameters):
    steps = param(type=int, range=(0, 10))
    target = percent_param(default=0.25)


def test_declared_parameters_are_checked_when_they_are_made() -> None:
    made = Limits(3, target=0.5)
    assert made == Limits(steps=3, target=0.5) != Limits(3)
    assert repr(made) == "Limits(steps=3, target=0.5)"
    made.update_from_dict({"steps": 4})
    assert made.to_dict() == {"steps": 4, "target": 0.5}
    with pytest.raises(ValueError, match="unknown key 'other'"):
        made.update_from_dict({"other": 1})
    for values, error in (((11,), ValueError), (("3",), TypeError), ((3, 1.5), ValueError), ((3, 1), TypeError)):
        with pytest.raises(error):
            Limits(*values)
    with pytest.raises(TypeError, match="missing steps"):
        Limits()
    with pytest.raises(TypeError, match="no parameter 'zzz'"):
        Limits(1, zzz=2)
    with pytest.raises(ValueError, match="in range"):
        range_validator(1, None)(None, Limits._declared["steps"], 0)
    with pytest.raises(ValueError, match="declare it first"):
        type("Broken", (TaskParameters,), {"a": param(default=1), "b": param()})


SESSION = """
from clearml.backend_api import Session
from clearml.backend_api.services import tasks
from clearml.backend_api.session.session import LoginError
session = Session()
answer = session.send_request("tasks", "get_all", json={"only_fields": ["id"], "page_size": 1, "page": 0})
refused = session.send_request("tasks", "get_by_id", json={"task": "none"})
typed = session.send(tasks.GetAllRequest(page=0, page_size=1))
batch = session.send_request_batch("events", "add_batch", json=[])
before = session.token
session.refresh_token()
try:
    Session(api_key="none", secret_key="wrong")
except LoginError as error:
    login = error.code
short = Session(req_token_expiration_sec=4000)
say(status=answer.status_code, ok=answer.ok, tasks=len(answer.json()["data"]["tasks"]), refused=refused.status_code,
    typed=typed.ok(), batch=batch.json()["meta"]["result_code"], login=login, lives=short.get_token_valid_period_sec(),
    new=[Session.check_min_api_version("2.9"), Session.check_min_api_version("99.0")],
    hosts=[Session.get_api_server_host(), Session.get_app_server_host(), Session.get_files_server_host()],
    claims="identity" in Session.get_decoded_token(session.token), headers=session.add_auth_headers({}))
"""


def test_a_session_of_the_scripts_own_calls_the_server(workplace: Workplace) -> None:
    ran = workplace.run(SESSION)
    assert ran.code == 0, ran.err
    said, server = ran.said, workplace.server
    assert (said["status"], said["ok"], said["refused"], said["typed"], said["login"]) == (200, True, 400, True, 401)
    assert said["tasks"] <= 1 and said["new"] == [True, False] and said["claims"]
    assert said["hosts"] == [server.facts["api_server"], server.web, server.files]
    assert said["headers"]["Authorization"].startswith("Bearer ")
    assert 3000 < said["lives"] <= 4000


WATCHED = """
import time
from clearml import Task
from clearml.config import config, config_obj, get_cache_dir, running_remotely
from clearml.utilities.pyhocon import ConfigFactory
from clearml.utilities.resource_monitor import ResourceMonitor

class Often(ResourceMonitor):
    def __init__(self, task):
        super().__init__(task, sample_frequency_per_sec=20, report_frequency_sec=0.2,
                         wait_for_first_iteration_to_start_sec=0, report_mem_used_per_process=False)

task = Task.init("sdk/paths", "watched", auto_resource_monitoring=Often, reuse_last_task_id=False)
deadline = time.monotonic() + 30
while not any(title.startswith(":monitor") for title in task.get_reported_scalars()) and time.monotonic() < deadline:
    task.get_logger().flush(); time.sleep(0.1)
say(titles=sorted(task.get_reported_scalars()), alive=task.resource_monitor.is_alive(), remote=running_remotely(),
    period=config.get("development.worker.report_period_sec"), missing=config.get("no.such", 5),
    cache=str(get_cache_dir()), same=config_obj.get("sdk.development.worker.report_period_sec"),
    parsed=ConfigFactory.parse_string("a { b = 1 }")["a.b"])
"""


def test_a_monitor_of_the_scripts_own_reports_and_settings_are_read(workplace: Workplace) -> None:
    ran = workplace.run(WATCHED)
    assert ran.code == 0, ran.err
    said = ran.said
    assert ":monitor:machine" in said["titles"] and said["alive"] and not said["remote"]
    assert said["period"] == said["same"] > 0 and said["missing"] == 5 and said["parsed"] == 1
    assert said["cache"] == str(workplace.folder / ".cache")


class Point(NonStrictDataModel):
    _schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "required": ["x"],
        "properties": {
            "x": {"type": "integer"},
            "kind": {"enum": ["a", "b"]},
            "more": {"type": "array", "items": {"type": "string"}},
        },
    }


class Colour(StringEnum):
    red = "r"


def test_data_models_are_plain_data_and_checked_by_their_schema() -> None:
    point = Point(x=1, kind="a", colour=Colour.red, inner=Point(x=2), unset=None)
    assert point.to_dict() == {"x": 1, "kind": "a", "colour": "r", "inner": {"x": 2}}
    assert point.to_dict(only=["x", "kind"], except_=["kind"]) == {"x": 1}
    point.validate()
    for fields, said in (({}, "lacks x"), ({"x": True}, "integer"), ({"x": 1, "kind": "c"}, "one of")):
        with pytest.raises(ValueError, match=said):
            Point(**fields).validate()
    with pytest.raises(ValueError, match=r"more\[1\]"):
        Point(x=1, more=["a", 2]).validate()
    assert Point.from_dict({"x": 1, "other": 2}).to_dict() == {"x": 1}
    with pytest.raises(ValueError, match="other"):
        Point.from_dict({"x": 1, "other": 2}, strict=True)
    assert Colour.has_value("r") and not Colour.has_value("red") and DataModel.normalize_key("a.b") == "a__b"
    DataModel.assert_isinstance([1, 2], "numbers", int, is_array=True)
    for value, is_array in (("1", False), ([1, "2"], True), (1, True), (None, False)):
        with pytest.raises(TypeError, match="numbers"):
            DataModel.assert_isinstance(value, "numbers", int, is_array)


class AddEvent(ApiCall):
    _service, _action = "events", "add"


def test_requests_of_the_scripts_own_are_sent(workplace: Workplace) -> None:
    with pytest.raises(ValueError, match="Unsupported"):
        AddEvent(x=1)
    assert AddEvent().endpoint == "events.add" and AddEvent().method == "get"
    whole = CompoundRequest()
    whole._item, whole.extra = Point(x=1), 2  # type: ignore[assignment, attr-defined]  # as a script would
    assert whole.to_dict() == {"x": 1, "extra": 2}
    with pytest.raises(TypeError, match="not a request"):
        BatchRequest([object()], validate_requests=True).to_dict()
    ran = workplace.run(
        f"""
from clearml import Task
from clearml.backend_api.session import BatchRequest, Session
class AddBatch(BatchRequest):
    _service, _action = "events", "add_batch"
task = Task.init("sdk/paths", "requests", {QUIET}, reuse_last_task_id=False)
event = {{"type": "training_stats_scalar", "task": task.id, "metric": "m", "variant": "v", "iter": 1, "value": 0.5}}
result = Session().send(AddBatch([event, json.dumps({{**event, "iter": 2}})]))
say(ok=result.ok(), added=result.response.added, curve=task.get_reported_scalars()["m"]["v"])
"""
    )
    assert ran.code == 0, ran.err
    assert ran.said["ok"] and ran.said["added"] == 2 and ran.said["curve"]["x"] == [1, 2]
