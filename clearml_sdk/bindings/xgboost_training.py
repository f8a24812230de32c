"""XGBoost: saved and loaded boosters are models, the metrics of each evaluation set curves.

The first training of a run has the sets' names as titles, later ones a number after it.
"""

from __future__ import annotations

import itertools
import sys

from clearml_sdk.models.frameworks import Framework
from clearml_sdk.notices import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from clearml_sdk.bindings.frameworks import Capture
    from clearml_sdk.bindings.wrapping import Call

SWITCH = "xgboost"
DOING = "recording an XGBoost training"


def connect(xgboost: ModuleType, capture: Capture) -> None:
    trainings = itertools.count()

    def begun(call: Call) -> None:
        recorder = recorder_class(xgboost)(capture, next(trainings))
        call.set("callbacks", [*(call.get("callbacks") or ()), recorder])

    def saved(call: Call) -> None:
        capture.files.saved(call.get("fname"), Framework.xgboost, SWITCH)

    def loaded(call: Call) -> None:
        capture.files.loaded(call.get("fname"), Framework.xgboost, SWITCH)

    # The module of the estimators has a name of its own for the function.
    for owner in (xgboost, xgboost.training, sys.modules.get("xgboost.sklearn")):
        if owner is not None:
            capture.wraps.before(owner, "train", begun, doing=DOING)
    for owner in (xgboost.Booster, getattr(xgboost, "XGBModel", None)):
        if owner is not None:
            capture.wraps.after(owner, "save_model", saved, doing="recording an XGBoost model")
            capture.wraps.after(owner, "load_model", loaded, doing="recording an XGBoost model")


def recorder_class(xgboost: ModuleType) -> Any:
    """The class of our callback: XGBoost takes instances of its own class only."""

    class Recorder(xgboost.callback.TrainingCallback):  # type: ignore[name-defined,misc]  # known at run time only
        def __init__(self, capture: Capture, number: int) -> None:
            super().__init__()
            self._capture, self._suffix = capture, f" - {number}" if number else ""

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            with harmless(DOING):
                for name, metrics in evals_log.items():
                    for metric, values in metrics.items():
                        last = values[-1]
                        value = last[0] if isinstance(last, tuple) else last  # (mean, deviation) of several folds
                        self._capture.logger.report_scalar(f"{name}{self._suffix}", metric, value, epoch)
            return False

    return Recorder
