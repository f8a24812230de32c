"""`auto_connect_frameworks`."""

from __future__ import annotations

import pytest

from clearml_sdk.bindings.switches import Switches


@pytest.mark.parametrize("choice", [True, {"other": False}, {"pytorch": True}, {"pytorch": "*.pt"}, {"pytorch": {}}])
def test_on(choice: object) -> None:
    assert Switches(choice).is_on("pytorch")  # type: ignore[arg-type]


@pytest.mark.parametrize("choice", [False, {}, {"pytorch": False}, {"pytorch": None}, {"pytorch": []}])
def test_off(choice: object) -> None:
    assert not Switches(choice).is_on("pytorch")  # type: ignore[arg-type]


def test_all_of_several_have_to_be_on() -> None:
    assert Switches({"joblib": True}).is_on("joblib", "scikit")
    assert not Switches({"scikit": False}).is_on("joblib", "scikit")


def test_wildcards_are_for_the_path_or_the_name() -> None:
    switches = Switches({"pytorch": ["*.pt", "/models/*"], "joblib": ".pkl"})
    assert switches.accepts("/a/b.pt", "pytorch") and switches.accepts("/models/b.bin", "pytorch")
    assert not switches.accepts("/a/b.bin", "pytorch")
    assert switches.accepts("/a/b.pkl", "joblib") and not switches.accepts("/a/b.pt", "joblib")
    assert switches.accepts("/a/b.any", "xgboost")


def test_options_of_a_binding() -> None:
    switches = Switches({"tensorboard": {"report_hparams": False}})
    assert switches.is_on("tensorboard") and not switches.option("tensorboard", "report_hparams", True)
    assert Switches(True).option("tensorboard", "report_hparams", True)


def test_an_integration_turns_one_off_and_leaves_it_to_the_choice_again() -> None:
    switches = Switches({"joblib": False})
    switches.turn("pytorch", is_off=True)
    assert not switches.accepts("/a/b.pt", "pytorch") and switches.is_on("matplotlib")
    for name in ("pytorch", "joblib"):
        switches.turn(name, is_off=False)
    assert switches.is_on("pytorch") and not switches.is_on("joblib")
