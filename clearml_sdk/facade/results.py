"""`Task`: what a task reported - scalars, plots, console - written and read back."""

from __future__ import annotations

from clearml_sdk import reading, reporters
from clearml_sdk.facade.base import TaskBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from clearml_sdk.logger import Logger


class TaskResults(TaskBase):
    """Reports of a task."""

    def get_logger(self) -> Logger:
        """The logger that reports to this task."""
        return self._get_logger()

    @property
    def logger(self) -> Logger:
        """The logger that reports to this task."""
        return self._get_logger()

    def _get_logger(self) -> Logger:
        from clearml_sdk.logger import Logger

        found: Logger | None = self.__dict__.get("_logger")
        if found is None:
            found = self.__dict__["_logger"] = Logger(self)
        return found

    def flush(self, wait_for_uploads: bool = False) -> bool:
        """Send what was reported so far; with `wait_for_uploads` wait until it and all files have arrived."""
        run = self._run
        if run is not None:
            run.outbox.flush(30)
        if wait_for_uploads:
            self._wait_for_uploads(None)
        return reporters.flush(self.id, None if wait_for_uploads else 5.0)

    def get_reported_scalars(
        self, max_samples: int = 0, x_axis: str = "iter"
    ) -> Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]:
        """`{title: {series: {"x", "y", "name"}}}`, averaged to at most `max_samples` (0: 5000) points a series.

        x_axis: "iter", "timestamp" (ms since epoch) or "iso_time".
        """
        self._send_reports()
        return reading.scalars(self._record, max_samples=max_samples, x_axis=x_axis)

    def get_all_reported_scalars(
        self, x_axis: str = "iter"
    ) -> Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]:
        """`{title: {series: {"x", "y", "name"}}}` with every point."""
        self._send_reports()
        return reading.all_scalars(self._record, x_axis=x_axis)

    def get_last_scalar_metrics(self) -> dict[str, dict[str, dict[str, float]]]:
        """`{title: {series: {"last", "min", "max"}}}`."""
        self._send_reports()
        return reading.last_metrics(self._record)

    def get_reported_single_values(self) -> dict[str, float]:
        """The numbers reported without iterations, by name."""
        self._send_reports()
        return reading.single_values(self._record)

    def get_reported_single_value(self, name: str) -> float | None:
        """One number reported without iterations; None when there is none of that name."""
        return self.get_reported_single_values().get(name)

    def get_reported_plots(self, max_iterations: int | None = None) -> list[dict[str, Any]]:
        """The plots, plotly figures as text in `plot_str`; of the last `max_iterations` (None: 1) of each."""
        self._send_reports()
        return reading.plots(self._record, max_iterations)

    def get_reported_console_output(self, number_of_reports: int = 1) -> Sequence[str]:
        """The last console reports, oldest first."""
        self._send_reports()
        return reading.console(self._record, number_of_reports)

    def get_debug_samples(self, title: str, series: str, n_last_iterations: int | None = None) -> list[dict[str, Any]]:
        """The images of a title and a series, newest first; of the last iterations only where a number is given."""
        if n_last_iterations is not None and (not isinstance(n_last_iterations, int) or n_last_iterations <= 0):
            raise TypeError(f"n_last_iterations is a positive integer, not {n_last_iterations!r}")
        self._send_reports()
        return reading.debug_samples(self._record, title, series, n_last_iterations)

    def get_last_iteration(self) -> int:
        """The highest iteration reported, asked from the server."""
        self._send_reports()
        return int(self._record.read_fields("last_iteration").get("last_iteration") or 0)

    def get_initial_iteration(self) -> int:
        """What is added to every reported iteration."""
        return reporters.reporter_of(self._record.session, self.id).iteration_offset

    def set_initial_iteration(self, offset: int = 0) -> int:
        """Add `offset` to every iteration reported from now on; returns it."""
        if not isinstance(offset, int):
            raise ValueError(f"the offset is an integer, not {offset!r}")
        reporters.reporter_of(self._record.session, self.id).iteration_offset = offset
        return offset

    def _send_reports(self) -> None:
        """Before reading back: have what this process reported arrive first."""
        reporters.flush(self.id, 30.0)
