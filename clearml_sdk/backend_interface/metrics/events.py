"""Events as objects, for `Metrics.write_events`."""

from __future__ import annotations

import logging
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from clearml_sdk.reporting.images import Samples

__all__ = ["ConsoleEvent", "ImageEvent", "MediaEvent", "MetricsEventAdapter", "PlotEvent", "ScalarEvent", "VectorEvent"]


class MetricsEventAdapter:
    """What one report has in common with the others. timestamp: in ms since the epoch; None: now."""

    kind = ""

    def __init__(
        self,
        metric: str,
        variant: str,
        iter: int | None = None,
        timestamp: int | None = None,
        task: str | None = None,
        gen_timestamp_if_none: bool = True,
        model_event: Any = None,
    ) -> None:
        self.metric, self.variant = metric, variant
        self._iteration, self._task, self._model_event = iter, task, model_event
        self._timestamp = int(time.time() * 1000) if timestamp is None and gen_timestamp_if_none else timestamp

    def get_iteration(self) -> int | None:
        return self._iteration

    def update(self, task: str | None = None, iter_offset: int | None = None) -> None:
        """Make it a report of `task`, its iteration `iter_offset` higher."""
        self._task = task or self._task
        if iter_offset is not None and self._iteration is not None:
            self._iteration += iter_offset

    def get_api_event(self) -> Any:
        """The event as the API takes it: an object with `to_dict()`."""
        from clearml_sdk.documents import Document

        return Document(self.fields())

    def fields(self) -> dict[str, Any]:
        """The event as the API takes it."""
        event = {
            "type": self.kind,
            "task": self._task,
            "timestamp": self._timestamp,
            "iter": self._iteration,
            "metric": self.metric,
            "variant": self.variant,
            "model_event": True if self._model_event else None,
            **self._content(),
        }
        return {name: value for name, value in event.items() if value is not None}

    def _content(self) -> dict[str, Any]:
        return {}


class ScalarEvent(MetricsEventAdapter):
    """A point of a curve."""

    kind = "training_stats_scalar"

    def __init__(self, metric: str, variant: str, value: float, iter: int, **kwargs: Any) -> None:
        super().__init__(metric, variant, iter, **kwargs)
        self._value = float(value)

    def _content(self) -> dict[str, Any]:
        return {"value": self._value}


class VectorEvent(MetricsEventAdapter):
    """Several numbers of one iteration."""

    kind = "training_stats_vector"

    def __init__(self, metric: str, variant: str, values: Sequence[float], iter: int, **kwargs: Any) -> None:
        super().__init__(metric, variant, iter, **kwargs)
        self._values = [float(value) for value in values]

    def _content(self) -> dict[str, Any]:
        return {"values": self._values}


class PlotEvent(MetricsEventAdapter):
    """A plotly figure, as JSON text."""

    kind = "plot"

    def __init__(self, metric: str, variant: str, plot_str: str, iter: int | None = None, **kwargs: Any) -> None:
        super().__init__(metric, variant, iter, **kwargs)
        self._plot_str = plot_str

    def _content(self) -> dict[str, Any]:
        return {"plot_str": self._plot_str}


class ConsoleEvent(MetricsEventAdapter):
    """A text of the console."""

    kind = "log"

    def __init__(self, message: str, level: int, worker: str, **kwargs: Any) -> None:
        super().__init__("", "", None, **kwargs)
        self._message, self._level, self._worker = message, logging.getLevelName(level), worker

    def fields(self) -> dict[str, Any]:
        left = {name: value for name, value in super().fields().items() if name not in ("metric", "variant")}
        return {**left, "level": self._level, "worker": self._worker, "msg": self._message}


class UploadEvent(MetricsEventAdapter):
    """A debug sample: it is uploaded, and reported when it is there.

    image_data: a picture or a stream; None: the file `local_image_path`. upload_uri: None: the files server.
    """

    kind = "training_debug_image"

    def __init__(
        self,
        metric: str,
        variant: str,
        image_data: Any,
        local_image_path: str | None = None,
        iter: int = 0,
        upload_uri: str | None = None,
        file_history_size: int | None = None,
        delete_after_upload: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(metric, variant, iter, **kwargs)
        self.data, self.path, self.upload_uri = image_data, local_image_path, upload_uri
        self._history, self._delete = file_history_size, delete_after_upload

    def send(self, samples: Samples, iteration: int) -> None:
        """Have it uploaded and reported."""
        if self.data is None:
            path = str(self.path)
            samples.file(self.metric, self.variant, iteration, path, self._history, self._delete)
        elif hasattr(self.data, "read") or isinstance(self.data, bytes | str):
            samples.stream(self.metric, self.variant, iteration, self.data, self._extension(), self._history)
        else:
            samples.picture(self.metric, self.variant, iteration, self.data, self._history)

    def _extension(self) -> str:
        return ".jpg"


class ImageEvent(UploadEvent):
    """A picture."""


class MediaEvent(UploadEvent):
    """Audio, video, HTML: a stream, its kind by the name of `local_image_path`; or that file."""

    def __init__(self, metric: str, variant: str, stream: Any, local_image_path: str | None = None, **kwargs: Any):
        super().__init__(metric, variant, stream, local_image_path, **kwargs)

    def _extension(self) -> str:
        import os

        return os.path.splitext(self.path or "")[1] or ".bin"
