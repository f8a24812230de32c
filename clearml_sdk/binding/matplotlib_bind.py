"""The binding of matplotlib, under the name that integrations turn it off by."""

from __future__ import annotations

from clearml_sdk.binding.switch import BindingSwitch

__all__ = ["PatchedMatplotlib"]


class PatchedMatplotlib(BindingSwitch):
    """Figures that are shown or saved."""

    framework = "matplotlib"
