"""The bindings of TensorFlow and Keras, under the names that integrations turn them off by; histograms of weights."""

from __future__ import annotations

from clearml_sdk.binding.switch import BindingSwitch
from clearml_sdk.bindings import frameworks
from clearml_sdk.bindings.histogram_surface import BINS, Surfaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from clearml_sdk.bindings.histogram_surface import Bucket

__all__ = [
    "PatchKerasModelIO",
    "PatchTensorFlowModelIO",
    "PatchTensorflow2ModelIO",
    "PatchTensorflowModelIO",
    "WeightsGradientHistHelper",
]


class PatchTensorflowModelIO(BindingSwitch):
    """Model files of TensorFlow and Keras."""

    framework = "tensorflow"


PatchKerasModelIO = PatchTensorFlowModelIO = PatchTensorflow2ModelIO = PatchTensorflowModelIO


class WeightsGradientHistHelper:
    """Histograms over the course of a training, as surfaces: reported at the 1st, 2nd, 4th ... and at the run's end.

    logger: of the task. The others are accepted for compatibility.
    """

    def __init__(
        self,
        logger: Any,
        report_freq: int = 100,
        histogram_update_freq_multiplier: int = 10,
        histogram_granularity: int = BINS,
    ) -> None:
        self._logger = logger
        self._surfaces = Surfaces(self._report)
        frameworks.when_run_ends(self._surfaces.finish)

    def add_histogram(
        self,
        title: str,
        series: str,
        step: int,
        hist_data: Any,
        increase_histogram_update_call_counter: bool = True,
    ) -> None:
        """Take the values of an iteration: an array of any shape, or counts by value."""
        self._surfaces.add((title, series), int(step), _buckets(hist_data))

    def add_histograms(self, histograms: Iterable[Mapping[str, Any]]) -> None:
        """Take several: the arguments of `add_histogram`."""
        for one in histograms:
            self.add_histogram(**one)

    def _report(self, name: tuple[str, str], step: int, figure: dict[str, Any]) -> None:
        self._logger.report_plotly(name[0], name[1], figure, step)


def _buckets(data: Any) -> list[Bucket]:
    if isinstance(data, dict):
        return [(float(value), float(value), float(count)) for value, count in data.items()]
    import numpy as np

    values = np.asarray(data, dtype=np.float64).ravel()
    counts, edges = np.histogram(values[np.isfinite(values)], bins=BINS)
    return [
        (float(left), float(right), float(count))
        for left, right, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
