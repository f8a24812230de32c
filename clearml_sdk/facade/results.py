"""`Task`: what a task reported - scalars, plots, console, artifacts, models - written and read back."""

from __future__ import annotations

import sys

from clearml_sdk import reading, reporters
from clearml_sdk.facade.base import TaskBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from clearml_sdk.artifacts.uploads import ArtifactUploads
    from clearml_sdk.logger import Logger
    from clearml_sdk.models.task_models import TaskModels


class TaskResults(TaskBase):
    """Outputs of a task."""

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

    # Artifacts and models.

    @property
    def output_uri(self) -> str:
        """Where output models and artifacts are stored; "" means the files server, for artifacts only."""
        return str(self._record.get("output.destination") or "")

    @output_uri.setter
    def output_uri(self, value: str | bool | None) -> None:
        self._record.edit(output_dest=reading.destination(self._record.session, value))
        self._record.forget()

    @property
    def artifacts(self) -> Mapping[str, Any]:
        """The task's artifacts by name, read-only."""
        from types import MappingProxyType

        from clearml_sdk.artifacts.artifact import artifacts_of

        self._settle()
        self._wait_for_uploads(None)
        self._record.read_fields("execution")
        return MappingProxyType(artifacts_of(self._record.session, self._record.document))

    def upload_artifact(
        self,
        name: str,
        artifact_object: Any,
        metadata: Any = None,
        delete_after_upload: bool = False,
        auto_pickle: bool | None = None,
        preview: Any = None,
        wait_on_upload: bool = False,
        extension_name: str | None = None,
        serialization_function: Callable[[Any], bytes | bytearray] | None = None,
        retries: int = 0,
        sort_keys: bool = True,
    ) -> bool:
        """Store an object or a file with the task under `name`, in the background unless `wait_on_upload`.

        Returns whether it was accepted, or with `wait_on_upload` whether it was uploaded. Raises ValueError for an
        object that cannot be stored.
        """
        self._check_open()
        return self._get_uploads().upload(
            name,
            artifact_object,
            metadata=metadata,
            delete_after_upload=delete_after_upload,
            auto_pickle=auto_pickle,
            preview=preview,
            wait=wait_on_upload,
            extension=extension_name,
            serialize=serialization_function,
            retries=retries,
            sort_keys=sort_keys,
        )

    def _send_reports(self) -> None:
        """Before reading back: have what this process reported arrive first."""
        reporters.flush(self.id, 30.0)

    @property
    def models(self) -> TaskModels:
        """The task's models: `models["output"]`, `models.output[-1]`, `models.input["name"]`."""
        return self.get_models()

    def get_models(self) -> TaskModels:
        """The task's input and output models, see `models`."""
        from clearml_sdk.model import task_models

        self._settle()
        return task_models(self._record)

    @property
    def input_models_id(self) -> Mapping[str, str]:
        """Ids of the input models by name."""
        return self._model_ids("input")

    @property
    def output_models_id(self) -> Mapping[str, str]:
        """Ids of the output models by name."""
        return self._model_ids("output")

    def _model_ids(self, kind: str) -> dict[str, str]:
        found = (self._record.read_fields("models").get("models") or {}).get(kind) or []
        return {str(entry.get("name")): str(entry.get("model")) for entry in found}

    def get_labels_enumeration(self) -> Mapping[str, int]:
        """The label names and their numbers."""
        return dict(self._record.get("execution.model_labels") or {})

    def get_label_num_description(self) -> dict[int, str]:
        """The labels by number."""
        return {number: name for name, number in self.get_labels_enumeration().items()}

    def get_num_of_classes(self) -> int:
        """How many classes the labels name: the highest number."""
        return max((number for number in self.get_labels_enumeration().values()), default=0)

    def set_model_label_enumeration(self, enumeration: Mapping[str, int] | None = None) -> None:
        """Set the label names and their numbers."""
        self._record.edit(execution={"model_labels": dict(enumeration or {})})

    def _get_uploads(self) -> ArtifactUploads:
        from clearml_sdk.artifacts.uploads import ArtifactUploads

        found: ArtifactUploads | None = self.__dict__.get("_uploads")
        if found is None:
            config = self._record.session.config
            auto_pickle = config is None or config.flag("sdk.development.artifacts.auto_pickle", True)
            found = self.__dict__["_uploads"] = ArtifactUploads(self._record, auto_pickle=auto_pickle)
        return found

    def _wait_for_uploads(self, timeout_s: float | None) -> None:
        uploads: ArtifactUploads | None = self.__dict__.get("_uploads")
        if uploads is not None:
            uploads.flush(timeout_s)
        weights = sys.modules.get("clearml_sdk.models.weights")
        if weights is not None:
            weights.uploads.flush(timeout_s)
