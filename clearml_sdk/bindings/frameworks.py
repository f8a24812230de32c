"""The libraries that a run records, and the modules that do it: each acts when its library is imported.

A binding is a module with `connect(library, capture)`. What it wraps is put back when the run ends.
"""

from __future__ import annotations

import functools
import sys
from importlib import import_module

from clearml_sdk.bindings.on_import import when_imported
from clearml_sdk.bindings.switches import Switches
from clearml_sdk.bindings.wrapping import Wraps
from clearml_sdk.notices import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType
    from typing import Any, TypeVar

    from clearml_sdk.bindings.model_files import ModelFiles
    from clearml_sdk.logger import Logger
    from clearml_sdk.task import Task

    T = TypeVar("T")


class Framework:
    """A library and what connects it.

    switches: all have to be on; none where the binding asks itself. library: the module whose import connects it.
    binding: our module.
    """

    def __init__(self, switches: tuple[str, ...], library: str, binding: str) -> None:
        self.switches, self.library, self.binding = switches, library, binding


FRAMEWORKS = (
    Framework(("matplotlib",), "matplotlib.figure", "matplotlib_figures"),
    Framework(("matplotlib",), "matplotlib.pyplot", "pyplot_figures"),
    Framework(("pytorch",), "torch", "torch_files"),
    Framework(("tensorboard",), "tensorboard.summary.writer.event_file_writer", "tensorboard_events"),
    Framework(("tensorboard",), "tensorboardX.event_file_writer", "tensorboard_events"),
    Framework(("pytorch",), "lightning.pytorch.trainer.trainer", "lightning_files"),
    Framework(("pytorch",), "pytorch_lightning.trainer.trainer", "lightning_files"),
    Framework(("joblib", "scikit"), "joblib", "joblib_files"),
    Framework(("xgboost",), "xgboost", "xgboost_training"),
    Framework(("lightgbm",), "lightgbm", "lightgbm_training"),
    Framework(("catboost",), "catboost", "catboost_training"),
    Framework((), "tensorflow", "tensorflow_summaries"),
    Framework(("tensorflow",), "keras", "keras_files"),
    Framework(("fastai",), "fastai.learner", "fastai_training"),
    Framework(("megengine",), "megengine", "megengine_files"),
    Framework(("gradio",), "gradio", "gradio_service"),
)


class Capture:
    """What the bindings of one run share."""

    def __init__(self, task: Task, switches: Switches) -> None:
        self.task, self.switches = task, switches
        self.wraps = Wraps()
        self.at_end: list[Callable[[], None]] = []
        """What bindings have to say when the run ends."""
        self._files: ModelFiles | None = None
        self._shared: dict[type, Any] = {}

    def shared(self, kind: type[T]) -> T:
        """The one object of `kind` of this run, for bindings that consist of several modules."""
        if kind not in self._shared:
            self._shared[kind] = kind(self)  # type: ignore[call-arg]  # made of the capture, as all of these are
        return self._shared[kind]  # type: ignore[no-any-return]

    @property
    def logger(self) -> Logger:
        """Reports to the run's task."""
        return self.task.get_logger()

    @property
    def files(self) -> ModelFiles:
        """Model files that the script writes and reads."""
        if self._files is None:
            from clearml_sdk.bindings.model_files import ModelFiles

            self._files = ModelFiles(self.task, self.switches)
        return self._files

    @property
    def iteration(self) -> int:
        """Where the run is: the last iteration that it reported."""
        return self.logger._reporter.last_iteration


_capture: Capture | None = None
_waiting: set[str] = set()


def connect(task: Task, choice: bool | Mapping[str, Any]) -> None:
    """Record what the libraries do from now on, those that are imported later too."""
    global _capture
    disconnect()
    _capture = Capture(task, Switches(choice))
    for framework in FRAMEWORKS:
        if framework.library in sys.modules:
            _imported(framework, sys.modules[framework.library])
        elif framework.library not in _waiting:
            _waiting.add(framework.library)
            when_imported(framework.library, functools.partial(_imported, framework))


def disconnect() -> None:
    """Leave the libraries alone from now on."""
    global _capture
    if _capture is not None:
        capture, _capture = _capture, None
        capture.wraps.undo()
        for finish in capture.at_end:
            with harmless("ending a binding"):
                finish()


def turn(name: str, *, is_off: bool) -> None:
    """Have a binding of the open run record nothing from now on, or what it was told to again."""
    if _capture is not None:
        _capture.switches.turn(name, is_off=is_off)


def when_run_ends(finish: Callable[[], None]) -> None:
    """Call `finish` when the open run ends."""
    if _capture is not None:
        _capture.at_end.append(finish)


def _imported(framework: Framework, library: ModuleType) -> None:
    """Connect a library that is there now. One that came while nothing was recorded is found by the next `connect`."""
    _waiting.discard(framework.library)
    capture = _capture
    if capture is None or not capture.switches.is_on(*framework.switches):
        return
    with harmless(f"connecting {framework.library}"):
        binding = import_module(f"clearml_sdk.bindings.{framework.binding}")
        binding.connect(library, capture)
