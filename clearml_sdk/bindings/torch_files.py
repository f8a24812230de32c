"""PyTorch: what `torch.save` writes is an output model, what `torch.load` reads is an input model.

Of the processes of a distributed training only the first records.
"""

from __future__ import annotations

import sys

from clearml_sdk.models.frameworks import Framework

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from clearml_sdk.bindings.frameworks import Capture
    from clearml_sdk.bindings.wrapping import Call

SWITCH = "pytorch"


def connect(torch: ModuleType, capture: Capture) -> None:
    def saved(call: Call) -> None:
        if is_first_rank():
            capture.files.saved(call.get("f"), Framework.pytorch, SWITCH)

    def loaded(call: Call) -> None:
        if is_first_rank():
            capture.files.loaded(call.get("f"), Framework.pytorch, SWITCH)

    for owner in (torch.serialization, torch):
        capture.wraps.after(owner, "save", saved, doing="recording a PyTorch model")
        capture.wraps.after(owner, "load", loaded, doing="recording a PyTorch model")
    capture.wraps.after(torch.jit, "save", saved, doing="recording a TorchScript model")
    capture.wraps.after(torch.jit, "load", loaded, doing="recording a TorchScript model")
    capture.wraps.after(torch.jit.RecursiveScriptModule, "save", saved, doing="recording a TorchScript model")


def is_first_rank() -> bool:
    """Whether this process is the first of a distributed training, or alone."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return True
    return bool(distributed.get_rank() == 0)
