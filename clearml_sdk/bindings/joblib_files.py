"""joblib: what scripts dump and load with it, mostly models of scikit-learn, are models of the task."""

from __future__ import annotations

from clearml_sdk.models.frameworks import Framework

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from clearml_sdk.bindings.frameworks import Capture
    from clearml_sdk.bindings.wrapping import Call

SWITCHES = ("joblib", "scikit")
DOING = "recording a model dumped by joblib"


def connect(joblib: ModuleType, capture: Capture) -> None:
    def dumped(call: Call) -> None:
        if not call.caller.startswith("joblib."):  # its cache, and what it hands to its worker processes
            capture.files.saved(call.get("filename"), framework_of(call.get("value")), *SWITCHES)

    def loaded(call: Call) -> None:
        if not call.caller.startswith("joblib."):  # its cache, and what it hands to its worker processes
            capture.files.loaded(call.get("filename"), framework_of(call.result), *SWITCHES)

    for owner in (joblib, joblib.numpy_pickle):
        capture.wraps.after(owner, "dump", dumped, doing=DOING)
        capture.wraps.after(owner, "load", loaded, doing=DOING)


def framework_of(model: Any) -> str:
    """The framework of a model by where its class comes from; scikit-learn, whose models joblib is mostly used for."""
    package = type(model).__module__.partition(".")[0]
    known = {"xgboost": Framework.xgboost, "lightgbm": Framework.lightgbm, "catboost": Framework.catboost}
    return known.get(package, Framework.scikitlearn)
