"""TensorFlow 2: what `tf.summary` writes is reported like any TensorBoard event; saved models are models of the task.

What a graph writes (inside `tf.function`) is only in the event files: there are no numbers yet when it is written down.
"""

from __future__ import annotations

import sys

from clearml_sdk.bindings.tensorboard_events import Events
from clearml_sdk.models.frameworks import Framework

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from clearml_sdk.bindings.frameworks import Capture
    from clearml_sdk.bindings.wrapping import Call

DOING = "recording a TensorFlow summary"
FOLDER = "_clearml_folder"
"""Attribute of a writer: where it writes."""


class Once:
    """A tensor that is made when it is written, and kept for us."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self.found: Any = None

    def __call__(self) -> Any:
        self.found = self._make()
        return self.found


def connect(tensorflow: ModuleType, capture: Capture) -> None:
    if capture.switches.is_on("tensorboard"):
        _connect_summaries(tensorflow, capture)
    if capture.switches.is_on("tensorflow"):
        _connect_models(tensorflow, capture)


def _connect_summaries(tensorflow: ModuleType, capture: Capture) -> None:
    events = capture.shared(Events)
    formats = tensorflow.compat.v1

    def made(call: Call) -> None:
        setattr(call.result, FOLDER, str(call.get("logdir")))

    def begun(call: Call) -> None:
        if callable(tensor := call.get("tensor")):
            call.set("tensor", Once(tensor))

    def written(call: Call) -> None:
        tensor = call.get("tensor")
        tensor = tensor.found if isinstance(tensor, Once) else tensor
        if tensor is None or not tensorflow.executing_eagerly():
            return
        content = tensorflow.make_tensor_proto(tensor.numpy() if hasattr(tensor, "numpy") else tensor)
        metadata = call.get("metadata") or b""
        text = metadata if isinstance(metadata, bytes) else metadata.SerializeToString()
        described = formats.SummaryMetadata.FromString(text)  # it may be of TensorBoard's own class
        value = formats.Summary.Value(tag=str(call.get("tag")), tensor=content, metadata=described)
        report(call, formats.Summary(value=[value]))

    def written_whole(call: Call) -> None:
        if tensorflow.executing_eagerly():
            tensor = call.get("tensor")
            text = tensor.numpy() if hasattr(tensor, "numpy") else tensor
            report(call, formats.Summary.FromString(text))

    def report(call: Call, summary: Any) -> None:
        step = call.get("step")
        if step is None:
            step = tensorflow.summary.experimental.get_step()
        folder = getattr(_writer(), FOLDER, None)
        if folder is not None and step is not None:
            events.add(formats.Event(step=int(step), summary=summary), folder)

    summary, wraps = tensorflow.summary, capture.wraps
    for owner, name in _places_of(summary.create_file_writer, "create_file_writer", "create_file_writer_v2"):
        wraps.after(owner, name, made, doing=DOING)
    for owner, name in _places_of(summary.write, "write"):
        wraps.after(owner, name, written, doing=DOING)
        wraps.before(owner, name, begun, doing=DOING)
    for owner, name in _places_of(summary.experimental.write_raw_pb, "write_raw_pb"):
        wraps.after(owner, name, written_whole, doing=DOING)


def _connect_models(tensorflow: ModuleType, capture: Capture) -> None:
    def saved(call: Call) -> None:
        capture.files.saved(call.get("export_dir"), Framework.tensorflow, "tensorflow")

    def loaded(call: Call) -> None:
        capture.files.loaded(call.get("export_dir"), Framework.tensorflow, "tensorflow")

    capture.wraps.after(tensorflow.saved_model, "save", saved, doing="recording a TensorFlow model")
    capture.wraps.after(tensorflow.saved_model, "load", loaded, doing="recording a TensorFlow model")


def _places_of(function: Any, *names: str) -> list[tuple[ModuleType, str]]:
    """Where TensorFlow keeps a function: where it is defined, and in each version of its interface.

    Keras imports one more copy of `tensorflow.summary` later, which takes the functions from where they are defined.
    """
    return [
        (module, name)
        for module in list(sys.modules.values())
        if str(getattr(module, "__name__", "")).startswith("tensorflow.")
        for name in names
        if vars(module).get(name) is function
    ]


def _writer() -> Any:
    """The writer that is the default one now."""
    operations = sys.modules.get("tensorflow.python.ops.summary_ops_v2")
    return getattr(getattr(operations, "_summary_state", None), "writer", None)
