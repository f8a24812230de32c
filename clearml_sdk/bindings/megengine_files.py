"""MegEngine: what `megengine.save` writes is an output model, what `megengine.load` reads an input model."""

from __future__ import annotations

from clearml_sdk.models.frameworks import Framework

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from clearml_sdk.bindings.frameworks import Capture
    from clearml_sdk.bindings.wrapping import Call

SWITCH = "megengine"


def connect(megengine: ModuleType, capture: Capture) -> None:
    def saved(call: Call) -> None:
        capture.files.saved(call.get("f"), Framework.megengine, SWITCH)

    def loaded(call: Call) -> None:
        capture.files.loaded(call.get("f"), Framework.megengine, SWITCH)

    capture.wraps.after(megengine, "save", saved, doing="recording a MegEngine model")
    capture.wraps.after(megengine, "load", loaded, doing="recording a MegEngine model")
