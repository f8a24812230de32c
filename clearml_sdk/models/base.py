"""What every model has in common: its fields, its weights, its metadata and its own reports."""

from __future__ import annotations

import os
import time
from pathlib import Path

from clearml_sdk import hocon_text, reporters
from clearml_sdk.errors import ClearmlError
from clearml_sdk.journal.calls import is_pending
from clearml_sdk.models.record import ARCHIVED, ModelRecord
from clearml_sdk.notices import harmless, warn_once
from clearml_sdk.outage import REPORT
from clearml_sdk.reporting.plots import Plots
from clearml_sdk.reporting.reporter import SINGLE_VALUE_ITERATION, SINGLE_VALUE_TITLE
from clearml_sdk.storage import cache
from clearml_sdk.storage.errors import StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

CASTS: dict[str, Any] = {
    "int": int,
    "float": float,
    "bool": lambda text: text.lower() in ("true", "1", "yes"),
    "str": str,
}


class BaseModel(Plots):
    """A model by its record."""

    archived_tag = ARCHIVED
    _model: ModelRecord | None = None
    _task: Any = None

    def __init__(self, task: Any = None) -> None:
        self._task = task

    def _record(self) -> ModelRecord:
        """The model on the server."""
        if self._model is None:
            raise ValueError("this model is not registered yet")
        return self._model

    def _get(self, field: str, default: Any = None) -> Any:
        value = self._record().document.get(field)
        return default if value is None else value

    # Fields.

    @property
    def id(self) -> str:
        """The model's id."""
        return self._record().id

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self._get("name", ""))

    @name.setter
    def name(self, value: str) -> None:
        self._record().edit(name=value)

    @property
    def project(self) -> str:
        """Id of the model's project."""
        return str(self._get("project", ""))

    @project.setter
    def project(self, value: str) -> None:
        self._record().edit(project=value)

    @property
    def comment(self) -> str:
        """The description."""
        return str(self._get("comment", ""))

    @comment.setter
    def comment(self, value: str) -> None:
        self._record().edit(comment=value)

    @property
    def tags(self) -> list[str]:
        """The user's tags."""
        return list(self._get("tags", []))

    @tags.setter
    def tags(self, value: Sequence[str]) -> None:
        self._record().edit(tags=list(value))

    @property
    def system_tags(self) -> list[str]:
        """Tags with a meaning to the system: `archived`, `package`."""
        return list(self._get("system_tags", []))

    @system_tags.setter
    def system_tags(self, value: Sequence[str]) -> None:
        self._record().edit(system_tags=list(value))

    @property
    def config_text(self) -> str:
        """The description of the network, as text."""
        design = self._get("design") or {}
        return str(design.get("design") or "") if isinstance(design, dict) else str(design)

    @property
    def config_dict(self) -> dict[str, Any]:
        """The description of the network, parsed."""
        parsed = hocon_text.read(self.config_text)
        return parsed if isinstance(parsed, dict) else {"value": parsed}

    @property
    def labels(self) -> dict[str, int]:
        """Label names and their numbers."""
        return dict(self._get("labels", {}))

    @property
    def task(self) -> str:
        """Id of the task that made the model."""
        return str(self._get("task", ""))

    @property
    def original_task(self) -> str:
        """Id of the task that made the model."""
        return self.task

    @property
    def url(self) -> str:
        """Where the weights are."""
        return str(self._get("uri", ""))

    @property
    def published(self) -> bool:
        """Whether the model is published, and so cannot be changed."""
        return bool(self._get("ready", False))

    @property
    def framework(self) -> str:
        """The framework of the weights."""
        return str(self._get("framework", ""))

    def publish(self) -> None:
        """Publish the model; the task that made it is left as it is."""
        record = self._record()
        record.call("models.set_ready", {"publish_task": False})
        record.reload()

    def archive(self) -> None:
        """Hide the model."""
        if ARCHIVED not in self.system_tags:
            self.system_tags = [*self.system_tags, ARCHIVED]

    def unarchive(self) -> None:
        """Show the model again."""
        self.system_tags = [tag for tag in self.system_tags if tag != ARCHIVED]

    # Weights.

    def get_weights(
        self, raise_on_error: bool = False, force_download: bool = False, extract_archive: bool = False
    ) -> str | None:
        """Path of a local copy of the weights; None when there is none to be had, unless `raise_on_error`."""
        try:
            path = cache.local_copy(self._record().session, self.url, context="models", force=force_download)
            return cache.extracted(path, force=force_download) if extract_archive and cache.is_archive(path) else path
        except (StorageError, ClearmlError) as error:
            if raise_on_error:
                raise ValueError(f"no local copy of the weights of model {self.id}: {error}") from error
            warn_once(f"weights copy {self.url}", f"no local copy of the weights of model {self.id}: {error}")
            return None

    def get_weights_package(
        self,
        return_path: bool = False,
        raise_on_error: bool = False,
        force_download: bool = False,
        extract_archive: bool = True,
    ) -> str | list[Path] | None:
        """The files of weights that were stored as a package, or with `return_path` their folder."""
        path = self.get_weights(raise_on_error, force_download, extract_archive)
        if path is None:
            return None
        if not os.path.isdir(path):
            return path if return_path else [Path(path)]
        return path if return_path else sorted(item for item in Path(path).rglob("*") if item.is_file())

    def get_offline_mode_folder(self) -> str | None:
        """The folder of the offline session that the model belongs to; None where there is a server."""
        model = self._model
        return model.session.storage_of(model.id) if model is not None else None

    # Metadata.

    def set_metadata(self, key: str, value: str, v_type: str | None = None) -> bool:
        """Store a value under `key`; its type is guessed unless given."""
        return self.set_all_metadata({str(key): {"value": value, "type": v_type}}, replace=False)

    def set_all_metadata(self, metadata: Mapping[str, Mapping[str, Any]], replace: bool = True) -> bool:
        """Store `{key: {"value": ..., "type": ...}}`; with `replace` nothing else is left."""
        items = []
        for key, entry in metadata.items():
            value = entry.get("value")
            kind = str(entry.get("type") or type(value).__name__)
            items.append({"key": str(key), "type": kind, "value": str(value)})
        record = self._record()
        body = {"metadata": items, "replace_metadata": replace}
        is_set = bool(record.call("models.add_or_update_metadata", body).get("updated"))
        record.reload()
        return is_set

    def get_all_metadata(self) -> dict[str, dict[str, str]]:
        """`{key: {"value": text, "type": name}}`."""
        entries = self._get("metadata", {})
        return {key: {"value": entry.get("value"), "type": entry.get("type")} for key, entry in entries.items()}

    def get_all_metadata_casted(self) -> dict[str, Any]:
        """The values by their keys, each in its type."""
        return {key: _cast(entry) for key, entry in self.get_all_metadata().items()}

    def get_metadata(self, key: str) -> str | None:
        """The text of a value; None when there is none."""
        return self.get_all_metadata().get(str(key), {}).get("value")

    def get_metadata_casted(self, key: str) -> Any:
        """A value in its type; None when there is none."""
        entry = self.get_all_metadata().get(str(key))
        return _cast(entry) if entry else None

    # Reports of the model's own.

    def report_scalar(self, title: str, series: str, value: float, iteration: int) -> None:
        """Report one point of a curve of this model."""
        self._report_event("training_stats_scalar", title, series, int(iteration), value=float(value))

    def report_single_value(self, name: str, value: float) -> None:
        """Report a number of this model."""
        self._report_event(
            "training_stats_scalar", SINGLE_VALUE_TITLE, name, SINGLE_VALUE_ITERATION, value=float(value)
        )

    def report_scatter2d(
        self,
        title: str,
        series: str,
        scatter: Any,
        iteration: int | None = None,
        xaxis: str | None = None,
        yaxis: str | None = None,
        labels: Sequence[str] | None = None,
        mode: str = "line",
        comment: str | None = None,
        extra_layout: Mapping[str, Any] | None = None,
    ) -> None:
        """Report points (n, 2) in the plane."""
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
    ) -> None:
        """Report a table: a DataFrame or a list of rows (the first is the header), a CSV file, or one at a URL."""
        self._report_table(title, series, iteration, table_plot, csv, url, extra_layout, None)

    def _report_figure(self, title: str, series: str, iteration: int | None, figure: Any) -> None:
        from clearml_sdk.reporting.json_text import figure_json

        self._report_event("plot", title, series, iteration or 0, plot_str=figure_json(figure))

    def _report_event(self, kind: str, title: str, series: str, iteration: int, **fields: Any) -> None:
        record = self._record()
        event = {"type": kind, "metric": title, "variant": series, "iter": iteration, "model_event": True, **fields}
        model_id = record.id
        if is_pending(model_id):  # it comes after the model itself, in the lane of calls
            with harmless(f"reporting to the model {self.name}"):
                record.session.call(REPORT, {"task": model_id, "timestamp": int(time.time() * 1000), **event})
            return
        reporters.reporter_of(record.session, model_id).event(event)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} id={self._model.id if self._model is not None else None}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BaseModel) or self._model is None or other._model is None:
            return self is other
        return self._model.id == other._model.id

    def __hash__(self) -> int:
        return hash(self._model.id) if self._model is not None else id(self)


def _cast(entry: Mapping[str, Any]) -> Any:
    text = entry.get("value")
    cast = CASTS.get(str(entry.get("type")))
    try:
        return cast(text) if cast is not None and text is not None else text
    except ValueError:
        return text
