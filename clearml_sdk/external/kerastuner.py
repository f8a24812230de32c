"""KerasTuner: its trials as tables of a task. `tuner.search(..., callbacks=[ClearmlTunerCallback(tuner)])`."""

from __future__ import annotations

from clearml_sdk.errors import UsageError
from clearml_sdk.notices import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Self

    from clearml_sdk.task import Task

    Callback: Any = object
    TrialLogger: Any = object
else:
    try:
        from keras.callbacks import Callback
    except ImportError:
        Callback = object
    try:  # KerasTuner before 1.3 took a logger
        from kerastuner.engine.logger import Logger as TrialLogger
    except ImportError:
        TrialLogger = object

__all__ = ["ClearmlTunerCallback", "ClearmlTunerLogger"]


class ClearmlTunerCallback(Callback):  # type: ignore[misc]  # keras is not installed where types are checked
    """After each training, reports a table of the best trials: their hyperparameters, scores and states.

    Args:
        best_trials_reported: how many.
        task: None: that of this process.
    """

    def __init__(self, tuner: Any, best_trials_reported: int = 100, task: Task | None = None) -> None:
        super().__init__()
        self.tuner, self._count, self.task = tuner, best_trials_reported, _task(task)

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # the tuner copies callbacks for each trial

    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        """Report the table as it is now."""
        with harmless("reporting the trials of a tuner"):
            oracle = self.tuner.oracle
            trials = list(oracle.trials.values())
            best = [trial for trial in trials if trial.score is not None]
            best.sort(key=lambda trial: trial.score, reverse=getattr(oracle.objective, "direction", "min") == "max")
            left = [trial for trial in trials if trial.score is None]
            states = [trial.get_state() for trial in [*best, *left][: self._count]]
            _report(self.task, states)


class ClearmlTunerLogger(TrialLogger):  # type: ignore[misc]  # as above
    """The same for KerasTuner before 1.3: `Tuner(..., logger=ClearmlTunerLogger())`. task: None: of this process."""

    def __init__(self, task: Task | None = None) -> None:
        super().__init__()
        self.task = _task(task)
        self._states: dict[str, Mapping[str, Any]] = {}

    def register_tuner(self, tuner_state: dict[str, Any]) -> None:
        """Record what is searched for as a configuration of the task."""
        self.task.connect_configuration(dict(tuner_state), name="tuner")

    def register_trial(self, trial_id: str, trial_state: dict[str, Any]) -> None:
        """Report a new trial."""
        self.report_trial_state(trial_id, trial_state)

    def report_trial_state(self, trial_id: str, trial_state: dict[str, Any]) -> None:
        """Report what has become of a trial."""
        with harmless("reporting the trials of a tuner"):
            self._states[trial_id] = {"trial_id": trial_id, **trial_state}
            _report(self.task, self._states.values())

    def exit(self) -> None:
        """Have everything sent."""
        self.task.flush(wait_for_uploads=True)


def _task(given: Task | None) -> Task:
    from clearml_sdk.task import Task

    task = given or Task.current_task()
    if task is None:
        raise UsageError("the trials of a tuner need a task: call Task.init() first, or pass task=")
    return task


def _report(task: Task, states: Iterable[Mapping[str, Any]]) -> None:
    """The table of these trials, one a row."""
    states = list(states)
    values = [dict((state.get("hyperparameters") or {}).get("values") or {}) for state in states]
    names = list(dict.fromkeys(name for one in values for name in one))
    rows: list[list[Any]] = [["trial id", *names, "score", "status"]]
    for state, found in zip(states, values, strict=True):
        rows.append(
            [state.get("trial_id"), *(found.get(name) for name in names), state.get("score"), str(state.get("status"))]
        )
    task.get_logger().report_table("summary", "trial", 0, table_plot=rows)
