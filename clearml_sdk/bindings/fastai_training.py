"""fastai: losses and metrics of a `Learner` become curves. Its models are PyTorch's, which are recorded as such."""

from __future__ import annotations

from clearml_sdk.notices import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from clearml_sdk.bindings.frameworks import Capture
    from clearml_sdk.bindings.wrapping import Call

DOING = "recording a fastai training"
TITLE = "metrics"


def connect(learner: ModuleType, capture: Capture) -> None:
    """learner: `fastai.learner`."""
    recorder = _recorder_class(learner)

    def begun(call: Call) -> None:
        added = call.get("cbs")
        given = list(added) if isinstance(added, list | tuple) else [added] if added is not None else []
        call.set("cbs", [*given, recorder(capture)])

    capture.wraps.before(learner.Learner, "fit", begun, doing=DOING)


def _recorder_class(learner: ModuleType) -> Any:
    class ClearmlRecorder(learner.Callback):  # type: ignore[name-defined,misc]  # known at run time only
        order = 60  # after fastai's own Recorder

        def __init__(self, capture: Capture) -> None:
            self._capture = capture

        def after_batch(self) -> None:
            with harmless(DOING):
                if self.learn.training:
                    self._capture.logger.report_scalar(TITLE, "train_loss", float(self.learn.loss.detach()), self._step)

        def after_epoch(self) -> None:
            with harmless(DOING):
                names = self.learn.recorder.metric_names[1:-1]  # between the epoch and the time
                for name, value in zip(names, self.learn.recorder.log[1:-1], strict=False):
                    if name != "train_loss" and isinstance(value, int | float):
                        self._capture.logger.report_scalar(TITLE, name, value, self._step)

        @property
        def _step(self) -> int:
            return int(self.learn.train_iter)

    return ClearmlRecorder
