"""Keras 3, on any backend: saved and loaded models and weights are models of the task, with their network's design."""

from __future__ import annotations

from clearml_sdk.models.frameworks import Framework

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from clearml_sdk.bindings.frameworks import Capture
    from clearml_sdk.bindings.wrapping import Call

SWITCH = "tensorflow"
DOING = "recording a Keras model"


def connect(keras: ModuleType, capture: Capture) -> None:
    def saved(call: Call) -> None:
        capture.files.saved(call.get("filepath"), Framework.keras, SWITCH, design=design_of(call.args[0]))

    def loaded(call: Call) -> None:
        capture.files.loaded(call.get("filepath"), Framework.keras, SWITCH)

    for name in ("save", "save_weights"):
        capture.wraps.after(keras.Model, name, saved, doing=DOING)
    capture.wraps.after(keras.Model, "load_weights", loaded, doing=DOING)
    for owner in (keras.saving, keras.models):
        capture.wraps.after(owner, "save_model", saved, doing=DOING)
        capture.wraps.after(owner, "load_model", loaded, doing=DOING)


def design_of(model: Any) -> str | None:
    """The network as JSON; None for a model that cannot describe itself (a subclass without `get_config`)."""
    try:
        return str(model.to_json(indent=2))
    except (NotImplementedError, TypeError, ValueError):
        return None
