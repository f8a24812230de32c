"""Machines with agents as tasks need them: `AutoScaler`, over a driver that starts and ends them."""

from clearml_sdk.automation.scaling.config import ScalerConfig, State
from clearml_sdk.automation.scaling.planning import WorkerId
from clearml_sdk.automation.scaling.supervising import AutoScaler

__all__ = ["AutoScaler", "ScalerConfig", "State", "WorkerId"]
