"""`Logger`: what a script reports by hand - numbers, texts, plots, pictures."""

from __future__ import annotations

import logging

from clearml_sdk import process_role, reporters
from clearml_sdk.errors import UsageError
from clearml_sdk.notices import say
from clearml_sdk.reporting.figures import SeriesInfo
from clearml_sdk.reporting.plots import Plots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from clearml_sdk.facade.base import TaskBase
    from clearml_sdk.reporting.images import Samples


class Logger(Plots):
    """Reports to one task; `Task.get_logger()` and `Logger.current_logger()` give it.

    A report is done when the call returns: it survives the death of the process, and is sent in the background.
    """

    SeriesInfo = SeriesInfo

    _nan_value: float = 0.0
    _inf_value: float = 0.0
    _warn_period = 1000
    _replaced = 0
    _tensorboard_groups_scalars = False
    _tensorboard_single_series = False
    _matplotlib_non_interactive = False

    def __init__(
        self,
        private_task: TaskBase,
        connect_stdout: bool = True,
        connect_stderr: bool = True,
        connect_logging: bool = False,
    ) -> None:
        # The console belongs to the run of the process (`reporting.console`): the three flags are for compatibility.
        self._task = private_task
        self._reporter = reporters.reporter_of(private_task._record.session, private_task.id)
        self._samples_of_task: Samples | None = None

    @classmethod
    def current_logger(cls) -> Logger | None:
        """The logger of this process's task; None when it has none."""
        from clearml_sdk.task import Task

        task = Task.current_task()
        return task.get_logger() if task is not None else None

    # Numbers.

    def report_scalar(self, title: str, series: str, value: float, iteration: int) -> None:
        """Report one point of the curve `series` in the plot `title`."""
        value = float(value)
        if value - value != 0.0:
            value = self._finite(value)
        self._reporter.scalar(title, series, value, int(iteration))

    def report_single_value(self, name: str, value: float) -> None:
        """Report a number of the whole run, shown in a table."""
        value = float(value)
        self._reporter.single_value(name, value if value - value == 0.0 else self._finite(value))

    # Text.

    def report_text(
        self, msg: str, level: int = logging.INFO, print_console: bool = True, *args: Any, **_: Any
    ) -> None:
        """Report a line of console text, also printed here unless `print_console` is False; `args` fill its `%s`."""
        from clearml_sdk.reporting.console import print_uncaptured

        text = str(msg) % args if args else str(msg)
        if print_console:
            print_uncaptured(text)
            if process_role.running_remotely() and not process_role.sends_console():
                return  # the agent has just read it
        name = logging.getLevelName(level) if isinstance(level, int) else str(level)
        self._reporter.log(name, text)

    # Plots.

    def report_plotly(self, title: str, series: str, figure: Any, iteration: int | None = None) -> None:
        """Report a plotly figure: an object of plotly's, or a dictionary with `data` and `layout`."""
        if hasattr(figure, "to_plotly_json"):
            figure = figure.to_plotly_json()
        if isinstance(figure, dict):
            figure = {**figure, "layout": {"title": series, **(figure.get("layout") or {})}}
        self._report_figure(title, series, iteration, figure)

    def report_scatter2d(
        self,
        title: str,
        series: str,
        scatter: Any,
        iteration: int | None = None,
        xaxis: str | None = None,
        yaxis: str | None = None,
        labels: Sequence[str] | None = None,
        mode: str = "lines",
        comment: str | None = None,
        extra_layout: Mapping[str, Any] | None = None,
    ) -> None:
        """Report points (n, 2) in the plane. mode: "lines", "markers" or "lines+markers"."""
        self._report_scatter2d(title, series, scatter, iteration, xaxis, yaxis, labels, mode, comment, extra_layout)

    def report_table(
        self,
        title: str,
        series: str,
        iteration: int | None = None,
        table_plot: Any = None,
        csv: str | None = None,
        url: str | None = None,
        extra_layout: Mapping[str, Any] | None = None,
        extra_data: Mapping[str, Any] | None = None,
    ) -> None:
        """Report a table: a DataFrame or a list of rows (the first is the header), a CSV file, or one at a URL."""
        self._report_table(title, series, iteration, table_plot, csv, url, extra_layout, extra_data)

    def report_matplotlib_figure(
        self,
        title: str,
        series: str,
        figure: Any,
        iteration: int | None = None,
        report_image: bool = False,
        report_interactive: bool = True,
    ) -> None:
        """Report a matplotlib figure (or the module pyplot, for the current one) as a plot.

        Args:
            report_image: as a debug sample instead.
            report_interactive: as one that can be zoomed, where plotly can draw it; else as a picture.
        """
        from clearml_sdk.bindings.plotly_of_matplotlib import plotly_figure
        from clearml_sdk.reporting.images import PLOT_DPI, matplotlib_picture

        figure = figure.gcf() if hasattr(figure, "gcf") else figure
        is_interactive = report_interactive and not report_image and not self._matplotlib_non_interactive
        if is_interactive and hasattr(figure, "axes") and (found := plotly_figure(figure)) is not None:
            self._report_figure(title, series, iteration, found)
            return
        if report_image:
            self._samples.picture(title, series, iteration or 0, matplotlib_picture(figure), None)
        else:
            self._samples.picture_as_plot(title, series, iteration or 0, matplotlib_picture(figure, dpi=PLOT_DPI))

    # Pictures and other media.

    def report_image(
        self,
        title: str,
        series: str,
        iteration: int | None = None,
        local_path: str | None = None,
        image: Any = None,
        matrix: Any = None,
        max_image_history: int | None = None,
        delete_after_upload: bool = False,
        url: str | None = None,
    ) -> None:
        """Report a picture: a file, a PIL image or an array, or one that is at `url` already.

        max_image_history: how many of this title and series are kept.
        """
        picture = image if image is not None else matrix
        if url is not None:
            self._reporter.image(title, series, iteration or 0, url)
        elif picture is not None:
            self._samples.picture(title, series, iteration or 0, picture, max_image_history)
        elif local_path is not None:
            self._samples.file(title, series, iteration or 0, local_path, max_image_history, delete_after_upload)
        else:
            raise UsageError("report_image needs one of local_path, image, matrix and url")

    def report_image_and_upload(
        self,
        title: str,
        series: str,
        iteration: int | None = None,
        path: str | None = None,
        matrix: Any = None,
        max_image_history: int | None = None,
        delete_after_upload: bool = False,
    ) -> None:
        """The older name of `report_image`."""
        self.report_image(title, series, iteration, path, None, matrix, max_image_history, delete_after_upload)

    def report_media(
        self,
        title: str,
        series: str,
        iteration: int | None = None,
        local_path: str | None = None,
        stream: Any = None,
        file_extension: str | None = None,
        max_history: int | None = None,
        delete_after_upload: bool = False,
        url: str | None = None,
    ) -> None:
        """Report audio, video, HTML ...: a file, a stream (or bytes, or text) with its extension, or a URL."""
        if url is not None:
            self._reporter.image(title, series, iteration or 0, url)
        elif stream is not None:
            if not file_extension:
                raise UsageError("report_media of a stream needs file_extension, such as .html")
            self._samples.stream(title, series, iteration or 0, stream, file_extension, max_history)
        elif local_path is not None:
            self._samples.file(title, series, iteration or 0, local_path, max_history, delete_after_upload)
        else:
            raise UsageError("report_media needs one of local_path, stream and url")

    # How it is sent.

    def flush(self, wait: bool = False) -> bool:
        """Send what was reported so far; with `wait`, return when all of it, files included, has arrived."""
        return self._reporter.flush(None if wait else 5.0)

    def set_flush_period(self, period: float) -> None:
        """Send at least every `period` seconds."""
        self._reporter.set_period(float(period))

    def get_flush_period(self) -> float | None:
        """Reports are sent at least this often, in seconds."""
        return self._reporter.period_s

    def set_default_upload_destination(self, uri: str) -> None:
        """Store pictures and media under `uri` instead of on the files server."""
        self._samples.destination = str(uri).rstrip("/") if uri else None

    def get_default_upload_destination(self) -> str:
        """Where pictures and media are stored."""
        return self._samples.destination or self._reporter.session.settings.files_server

    def set_default_debug_sample_history(self, max_history: int) -> None:
        """Keep so many pictures of each title and series."""
        self._samples.history = int(max_history)

    def get_default_debug_sample_history(self) -> int:
        """How many pictures of each title and series are kept."""
        return self._samples.history

    def capture_logging(self) -> Any:
        """A context in which everything that goes through `logging` is reported."""
        from clearml_sdk.reporting.console import LoggingCapture

        return LoggingCapture(self._reporter)

    # What stands for numbers that cannot be drawn, and switches of bindings.

    @classmethod
    def set_reporting_nan_value(cls, value: float, warn_period: int = 1000) -> None:
        """Report `value` where NaN is given; every `warn_period`-th time a line says so."""
        Logger._nan_value, Logger._warn_period = float(value), warn_period

    @classmethod
    def set_reporting_inf_value(cls, value: float, warn_period: int = 1000) -> None:
        """Report `value` where an infinity is given; every `warn_period`-th time a line says so."""
        Logger._inf_value, Logger._warn_period = float(value), warn_period

    @classmethod
    def tensorboard_auto_group_scalars(cls, group_scalars: bool = False) -> None:
        """Put all TensorBoard scalars without a prefix into one plot."""
        Logger._tensorboard_groups_scalars = group_scalars

    @classmethod
    def tensorboard_single_series_per_graph(cls, single_series: bool = False) -> None:
        """Give each TensorBoard scalar a plot of its own."""
        Logger._tensorboard_single_series = single_series

    @classmethod
    def matplotlib_force_report_non_interactive(cls, force: bool) -> None:
        """Report matplotlib figures as pictures."""
        Logger._matplotlib_non_interactive = force

    # Inside.

    def _report_figure(self, title: str, series: str, iteration: int | None, figure: Any) -> None:
        from clearml_sdk.reporting.json_text import figure_json

        self._reporter.plot(title, series, iteration or 0, figure_json(figure))

    @property
    def _samples(self) -> Samples:
        if self._samples_of_task is None:
            from clearml_sdk.reporting.images import Samples
            from clearml_sdk.storage.locations import TaskFolder

            samples = Samples(self._reporter, TaskFolder(self._task._record))
            config = self._reporter.session.config
            if config is not None:
                samples.history = int(config.number("sdk.metrics.file_history_size", samples.history))
                samples.quality = int(config.number("sdk.metrics.images.quality", samples.quality))
                samples.format = str(config.get("sdk.metrics.images.format", samples.format)).upper()
            self._samples_of_task = samples
        return self._samples_of_task

    @staticmethod
    def _finite(value: float) -> float:
        """What is reported for NaN or an infinity."""
        name, shown = ("NaN", Logger._nan_value) if value != value else ("infinity", Logger._inf_value)
        if Logger._warn_period > 0 and Logger._replaced % Logger._warn_period == 0:
            setter = f"set_reporting_{'nan' if value != value else 'inf'}_value"
            say(f"Logger: {name} is reported as {shown} (Logger.{setter})")
        Logger._replaced += 1
        return shown
