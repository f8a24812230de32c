"""`Reporter`: reports to a task by name and iteration, below `Logger`."""

from __future__ import annotations

import logging

from clearml_sdk.backend_interface.metrics.interface import Metrics
from clearml_sdk.backend_interface.metrics.plots import PlotReports
from clearml_sdk.errors import UsageError
from clearml_sdk.facade.upload_setup import UploadSetup
from clearml_sdk.logger import Logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Self

    from clearml_sdk.session import Session

__all__ = ["Reporter"]


class Reporter(PlotReports, UploadSetup):
    """Reports to the task of `metrics`.

    async_enable: reporting is never waited for, whatever this says. for_model: see `Metrics`.
    """

    async_enable = False

    def __init__(self, metrics: Metrics, task: Any, async_enable: bool = False, for_model: bool = False) -> None:
        metrics.for_model = metrics.for_model or for_model
        self._metrics, self._task, self.async_enable = metrics, task, async_enable
        self._max_iteration = 0
        self._is_stopped = False

    # Numbers.

    def report_scalar(self, title: str, series: str, value: float, iter: int) -> None:
        """A point of a curve."""
        if self._metrics.for_model:
            self._event("training_stats_scalar", title, series, iter, value=float(value))
        else:
            self._metrics.reporter.scalar(title, series, float(value), self._at(iter))

    def report_vector(self, title: str, series: str, values: Iterable[float], iter: int) -> None:
        """Several numbers of one iteration."""
        self._event("training_stats_vector", title, series, iter, values=[float(value) for value in values])

    # Pictures, media, text.

    def report_matplotlib(
        self,
        title: str,
        series: str,
        figure: Any,
        iter: int,
        force_save_as_image: bool | str = False,
        logger: Any = None,
    ) -> None:
        """A matplotlib figure. force_save_as_image: True: as a debug sample; a text: as a picture among the plots."""
        how = {"report_image": force_save_as_image is True, "report_interactive": not force_save_as_image}
        self._logger(logger).report_matplotlib_figure(title, series, figure, self._at(iter), **how)

    def report_image(self, title: str, series: str, src: str, iter: int) -> None:
        """A picture that is at the URL `src`."""
        self._metrics.reporter.image(title, series, self._at(iter), src)

    def report_media(self, title: str, series: str, src: str, iter: int) -> None:
        """A medium that is at the URL `src`."""
        self.report_image(title, series, src, iter)

    def report_image_and_upload(
        self,
        title: str,
        series: str,
        iter: int,
        path: str | None = None,
        image: Any = None,
        upload_uri: str | None = None,
        max_image_history: int | None = None,
        delete_after_upload: bool = False,
    ) -> None:
        """A picture: a PIL image or an array, or the file `path`."""
        samples = self._metrics.samples(upload_uri)
        if (path is None) == (image is None):
            raise UsageError("report_image_and_upload needs one of path and image")
        if image is not None:
            samples.picture(title, series, self._at(iter), image, max_image_history)
        else:
            samples.file(title, series, self._at(iter), str(path), max_image_history, delete_after_upload)

    def report_image_plot_and_upload(
        self,
        title: str,
        series: str,
        iter: int,
        path: str | None = None,
        matrix: Any = None,
        upload_uri: str | None = None,
        max_image_history: int | None = None,
        delete_after_upload: bool = False,
    ) -> None:
        """A picture among the plots."""
        from clearml_sdk.reporting.images import to_picture

        if (path is None) == (matrix is None):
            raise UsageError("report_image_plot_and_upload needs one of path and matrix")
        if path is not None:
            import os

            from PIL import Image

            with Image.open(path) as file:
                picture = file.copy()
            if delete_after_upload:
                os.unlink(path)
        else:
            picture = to_picture(matrix)
        self._metrics.samples(upload_uri).picture_as_plot(title, series, self._at(iter), picture)

    def report_media_and_upload(
        self,
        title: str,
        series: str,
        iter: int,
        path: str | None = None,
        stream: Any = None,
        upload_uri: str | None = None,
        file_extension: str | None = None,
        max_history: int | None = None,
        delete_after_upload: bool = False,
    ) -> None:
        """Audio, video, HTML: a stream with its extension, or the file `path`."""
        samples = self._metrics.samples(upload_uri)
        if (path is None) == (stream is None) or (stream is not None and not file_extension):
            raise UsageError("report_media_and_upload needs a path, or a stream with its file_extension")
        if stream is not None:
            samples.stream(title, series, self._at(iter), stream, str(file_extension), max_history)
        else:
            samples.file(title, series, self._at(iter), str(path), max_history, delete_after_upload)

    def report_console(self, message: str, level: int = logging.INFO) -> None:
        """A text of the console, which is not printed."""
        self._metrics.reporter.log(logging.getLevelName(level), str(message))

    @classmethod
    def matplotlib_force_report_non_interactive(cls, force: bool) -> None:
        """Report figures as pictures, as `Logger.matplotlib_force_report_non_interactive`."""
        Logger.matplotlib_force_report_non_interactive(force)

    # How it is sent.

    def flush(self) -> None:
        """Have the reports sent now."""
        self._metrics.reporter.flush(0.0)

    def wait_for_events(self, timeout: float | None = None) -> None:
        """Wait until everything reported, files included, is at the server."""
        self._metrics.reporter.flush(timeout)

    def wait_for_results(self, *args: Any, **kwargs: Any) -> None:
        """`wait_for_events`."""
        self.wait_for_events(*args, **kwargs)

    def events_waiting(self) -> bool:
        """Whether something reported is not at the server yet."""
        return not self._metrics.reporter.flush(0.0)

    def get_num_results(self) -> int:
        """How many of the answers of `write_events` are not there yet: none is kept."""
        return 0

    def stop(self) -> None:
        """Wait for what was reported; a later report begins anew."""
        self.wait_for_events()
        self._is_stopped = True

    def is_constructed(self) -> bool:
        """Whether reports can be taken."""
        return True

    def is_alive(self) -> bool:
        """Whether reports are sent in the background."""
        return not self._is_stopped

    @property
    def max_iteration(self) -> int:
        """The highest iteration that was reported through this object."""
        return self._max_iteration

    @property
    def storage_uri(self) -> str | None:
        """Where files go; None: the files server."""
        return self._metrics.storage_uri

    @storage_uri.setter
    def storage_uri(self, uri: str | None) -> None:
        self._metrics.storage_uri = uri

    @property
    def session(self) -> Session:
        return self._metrics.session

    @property
    def default_session(self) -> Session:
        return self._metrics.default_session

    @property
    def log(self) -> logging.Logger:
        """The logger of the SDK's own messages."""
        return logging.getLogger("clearml.Reporter")

    def send(
        self, req: Any, ignore_errors: bool = False, raise_on_errors: bool = True, async_enable: bool = False
    ) -> Any:
        """Send a request of `clearml.backend_api.services`, as `Task.send`."""
        return self._metrics.send(req, ignore_errors, raise_on_errors, async_enable)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: object, exc_val: object, exc_tb: object) -> None:
        self.wait_for_events()

    # Inside.

    def _at(self, iteration: int) -> int:
        self._is_stopped = False
        self._max_iteration = max(self._max_iteration, int(iteration))
        return self._metrics.at(iteration)

    def _event(self, kind: str, title: str, series: str, iteration: int, **content: Any) -> None:
        x = self._at(iteration) + self._metrics.reporter.iteration_offset
        event = {"type": kind, "metric": title, "variant": series, "iter": x, **content}
        self._metrics.reporter.event({**event, **self._metrics.mark()})

    def _plot(self, title: str, series: str, iteration: int, text: str) -> None:
        self._event("plot", title, series, iteration, plot_str=text)

    def _logger(self, given: Any) -> Any:
        return given if given is not None else self._task.get_logger()
