"""Lightning, under both of its names: checkpoints are models of the task.

It writes them through a buffer, of which the binding of PyTorch sees no file. (Its numbers come by TensorBoard.)
"""

from __future__ import annotations

from clearml_sdk.models.frameworks import Framework

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from clearml_sdk.bindings.frameworks import Capture
    from clearml_sdk.bindings.wrapping import Call


def connect(trainer: ModuleType, capture: Capture) -> None:
    def saved(call: Call) -> None:
        if call.args[0].is_global_zero:
            capture.files.saved(call.get("filepath"), Framework.pytorch, "pytorch")

    capture.wraps.after(trainer.Trainer, "save_checkpoint", saved, doing="recording a Lightning checkpoint")
