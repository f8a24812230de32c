"""Parameters, configurations and labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clearml_sdk import OutputModel, Task

Read = Callable[[Task], dict[str, Any]]


def stored(read: Read, task: Task) -> dict[str, str]:
    return {
        f"{section}/{name}": entry["value"]
        for section, entries in read(task)["hyperparams"].items()
        for name, entry in entries.items()
    }


@pytest.mark.rows("S2-123", "S2-146", "S2-052")
def test_parameters_are_replaced_and_merged(task: Task, read: Read) -> None:
    task.set_parameters({"Args/old": 1})
    task.set_parameters({"Args/lr": 0.1}, [("Args/n", 3)], top=True)
    assert stored(read, task) == {"Args/lr": "0.1", "Args/n": "3", "General/top": "True"}
    task.update_parameters({"Args/n": 4, "Extra/x": "y"})
    assert stored(read, task) == {"Args/lr": "0.1", "Args/n": "4", "General/top": "True", "Extra/x": "y"}
    assert task.get_parameters() == stored(read, task)
    assert task.get_parameters(cast=True) == {"Args/lr": 0.1, "Args/n": 4, "General/top": True, "Extra/x": "y"}


@pytest.mark.rows("S2-122", "S2-051", "S2-018")
def test_one_parameter(running: Task, read: Read) -> None:
    running.set_parameter("Args/size", 4, description="how large", value_type=int)
    entry = read(running)["hyperparams"]["Args"]["size"]
    assert (entry["value"], entry["type"], entry["description"]) == ("4", "int", "how large")
    assert running.get_parameter("Args/size") == "4" and running.get_parameter("Args/size", cast=True) == 4
    assert running.get_parameter("Args/none", default="d") == "d"
    assert running.delete_parameter("Args/size", force=True)
    assert "size" not in (read(running)["hyperparams"].get("Args") or {})


@pytest.mark.rows("S2-053", "S2-124")
def test_parameters_as_nested_dictionaries(task: Task, read: Read) -> None:
    given = {"Args": {"lr": 0.5, "deep": {"x": 1}}}
    task.set_parameters_as_dict(given)
    given["Args"]["lr"] = 9.9
    assert stored(read, task) == {"Args/lr": "0.5", "Args/deep/x": "1"}
    assert task.get_parameters_as_dict() == {"Args": {"lr": "0.5", "deep": {"x": "1"}}}
    assert task.get_parameters_as_dict(cast=True) == {"Args": {"lr": 0.5, "deep": {"x": 1}}}


@pytest.mark.rows("S2-113", "S2-032", "S2-034")
def test_configuration_objects(task: Task, read: Read) -> None:
    task.set_configuration_object("text", "any text", description="about", config_type="yaml")
    task.set_configuration_object("tree", config_dict={"k": {"v": [1, 2]}})
    entry = read(task)["configuration"]["text"]
    assert (entry["value"], entry["description"], entry["type"]) == ("any text", "about", "yaml")
    assert task.get_configuration_object("text") == "any text" and task.get_configuration_object("none") is None
    assert set(task.get_configuration_objects()) == {"text", "tree"}
    with pytest.raises(ValueError):
        task.set_configuration_object("both", "text", config_dict={"a": 1})


@pytest.mark.rows("S2-033")
def test_configurations_are_parsed(task: Task) -> None:
    task.set_configuration_object("hocon", "a { b = 1 }")
    task.set_configuration_object("json", '[1, {"c": 2}]')
    assert task.get_configuration_object_as_dict("hocon") == {"a": {"b": 1}}
    assert task.get_configuration_object_as_dict("json") == [1, {"c": 2}]
    assert task.get_configuration_object_as_dict("none") is None


@pytest.mark.rows("S2-011", "S2-038", "S2-118")
def test_labels_are_inherited_by_models(running: Task, read: Read) -> None:
    labels = {"background": 0, "cat": 1}
    assert running.connect_label_enumeration(labels) == labels
    assert read(running)["execution"]["model_labels"] == labels == running.get_labels_enumeration()
    assert OutputModel(running, name="inherits").labels == labels
    running.set_model_label_enumeration({"dog": 2})
    assert OutputModel(running, name="inherits the new").labels == {"dog": 2} == running.get_labels_enumeration()


@pytest.mark.rows("S2-037", "S2-047", "S2-082")
def test_what_labels_tell(task: Task) -> None:
    assert task.labels_stats == {} and task.get_num_of_classes() == 0
    task.set_model_label_enumeration({"cat": 0, "dog": 1})
    assert task.get_num_of_classes() == 2
    task.set_model_label_enumeration({"cat": 1, "dog": 2})
    assert task.get_num_of_classes() == 3, "numbers begin with that of the background"
    assert task.get_label_num_description() == {1: "cat", 2: "dog"}


@pytest.mark.rows("S2-045", "S2-091", "S2-094")
def test_the_models_of_a_task(running: Task) -> None:
    for name in ("one", "two"):
        OutputModel(running, name=name).update_weights(register_uri=f"https://example.org/{name}.pt")
    models = running.models
    assert models["output"][-1].name == models.output[-1].name == running.get_models()["output"][-1].name == "two"
    assert models.output["one"].url == "https://example.org/one.pt" and len(models["input"]) == 0
    assert running.output_models_id == {model.name: model.id for model in models["output"]}


@pytest.mark.rows("S2-078")
def test_input_models_have_ids(running: Task) -> None:
    made = OutputModel(running, name="made")
    made.update_weights(register_uri="https://example.org/made.pt")
    other = Task.clone(running)
    other.set_input_model(model_id=made.id, name="used")
    assert other.input_models_id == {"used": made.id}
