"""Optimization by BOHB (`pip install hpbandster ConfigSpace`)."""

from clearml_sdk.automation.hpbandster.bandster import OptimizerBOHB

__all__ = ["OptimizerBOHB"]
