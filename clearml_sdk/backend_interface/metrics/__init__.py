"""Reporting below `Logger`: events one by one, to any task, for scripts that are frameworks themselves."""

from __future__ import annotations

from clearml_sdk.backend_interface.metrics.events import ImageEvent, PlotEvent, ScalarEvent, VectorEvent
from clearml_sdk.backend_interface.metrics.interface import Metrics
from clearml_sdk.backend_interface.metrics.reporter import Reporter

__all__ = ["ImageEvent", "Metrics", "PlotEvent", "Reporter", "ScalarEvent", "VectorEvent"]
