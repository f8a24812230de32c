"""LightGBM: saved and loaded boosters are models, the metrics of each data set curves, the parameters the task's."""

from __future__ import annotations

import sys

from clearml_sdk.models.frameworks import Framework
from clearml_sdk.notices import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from clearml_sdk.bindings.frameworks import Capture
    from clearml_sdk.bindings.wrapping import Call

SWITCH = "lightgbm"
DOING = "recording a LightGBM training"
_PLAIN = (bool, int, float, str, list, tuple)
"""What can be recorded as text and come back: not an objective that is a function."""


def connect(lightgbm: ModuleType, capture: Capture) -> None:
    def begun(call: Call) -> None:
        _watch(call, capture)
        params = dict(call.get("params") or {})
        plain = {name: value for name, value in params.items() if value is None or isinstance(value, _PLAIN)}
        connected = capture.task.connect(dict(plain))
        call.set("params", {**params, **{name: connected[name] for name in plain}})  # no others of the section

    def begun_by_estimator(call: Call) -> None:
        _watch(call, capture)

    def saved(call: Call) -> None:
        capture.files.saved(call.get("filename"), Framework.lightgbm, SWITCH)

    def made(call: Call) -> None:
        if (file := call.get("model_file")) is not None:
            capture.files.loaded(file, Framework.lightgbm, SWITCH)

    for owner in (lightgbm, lightgbm.engine):
        capture.wraps.before(owner, "train", begun, doing=DOING)
    if (estimators := sys.modules.get("lightgbm.sklearn")) is not None:
        capture.wraps.before(estimators, "train", begun_by_estimator, doing=DOING)
    capture.wraps.after(lightgbm.Booster, "save_model", saved, doing="recording a LightGBM model")
    capture.wraps.after(lightgbm.Booster, "__init__", made, doing="recording a LightGBM model")


def _watch(call: Call, capture: Capture) -> None:
    """Have the training tell its metrics."""

    def evaluated(environment: Any) -> None:
        with harmless(DOING):
            for name, metric, value, *_ in environment.evaluation_result_list or ():
                capture.logger.report_scalar(name, metric, value, environment.iteration)

    evaluated.order = 25  # type: ignore[attr-defined]  # LightGBM's: after its own recording, before early stopping
    call.set("callbacks", [*(call.get("callbacks") or ()), evaluated])
