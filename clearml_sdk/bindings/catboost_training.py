"""CatBoost: saved and loaded models are models of the task, the metrics of each data set curves (on the CPU)."""

from __future__ import annotations

from clearml_sdk.models.frameworks import Framework
from clearml_sdk.notices import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from clearml_sdk.bindings.frameworks import Capture
    from clearml_sdk.bindings.wrapping import Call

SWITCH = "catboost"
DOING = "recording a CatBoost training"


def connect(catboost: ModuleType, capture: Capture) -> None:
    def begun(call: Call) -> None:
        if str(call.args[0].get_params().get("task_type", "CPU")).upper() != "GPU":  # it refuses callbacks there
            call.set("callbacks", [*(call.get("callbacks") or ()), Recorder(capture)])

    def saved(call: Call) -> None:
        capture.files.saved(call.get("fname"), Framework.catboost, SWITCH)

    def loaded(call: Call) -> None:
        capture.files.loaded(call.get("fname"), Framework.catboost, SWITCH)

    for name in ("CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker"):
        if "fit" in vars(getattr(catboost, name)):
            capture.wraps.before(getattr(catboost, name), "fit", begun, doing=DOING)
    capture.wraps.after(catboost.CatBoost, "save_model", saved, doing="recording a CatBoost model")
    capture.wraps.after(catboost.CatBoost, "load_model", loaded, doing="recording a CatBoost model")


class Recorder:
    """What CatBoost calls after each iteration; True lets it go on."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def after_iteration(self, info: Any) -> bool:
        with harmless(DOING):
            for name, metrics in (info.metrics or {}).items():
                for metric, values in metrics.items():
                    self._capture.logger.report_scalar(name, metric, values[-1], info.iteration)
        return True
