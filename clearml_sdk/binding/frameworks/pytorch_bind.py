"""The binding of PyTorch, under the name that integrations turn it off by."""

from __future__ import annotations

from clearml_sdk.binding.switch import BindingSwitch

__all__ = ["PatchPyTorchModelIO"]


class PatchPyTorchModelIO(BindingSwitch):
    """Model files of `torch.save` and `torch.load`."""

    framework = "pytorch"
