"""TensorBoard: what is written to event files is reported to the task too, whichever library writes them.

Tags become titles and series as the official SDK makes them: `loss/train` is the series `train` of `loss`.
"""

from __future__ import annotations

import os

from clearml_sdk import parameters
from clearml_sdk.bindings import tensorboard_values as values
from clearml_sdk.bindings.histogram_surface import Surfaces
from clearml_sdk.reporting import figures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from clearml_sdk.bindings.frameworks import Capture
    from clearml_sdk.bindings.wrapping import Call

SWITCH = "tensorboard"
HPARAMS = "TB_hparams"
"""Section of the hyperparameters that `add_hparams` writes."""


def connect(library: ModuleType, capture: Capture) -> None:
    """library: a module with an `EventFileWriter`."""
    events = capture.shared(Events)

    def written(call: Call) -> None:
        writer, event = call.args[0], call.args[1] if len(call.args) > 1 else call.kwargs["event"]
        events.add(event, str(getattr(writer, "_logdir", "") or ""))

    capture.wraps.after(library.EventFileWriter, "add_event", written, doing="recording a TensorBoard event")


class Events:
    """The events of all writers of one run."""

    def __init__(self, capture: Capture) -> None:
        self._capture, self._logger = capture, capture.logger
        self._places: dict[tuple[str, str], str] = {}
        """The folder of the writer that a series belongs to: the first that wrote it."""
        self._surfaces = Surfaces(self._report_surface)
        capture.at_end.append(self._surfaces.finish)
        self._by_kind = {
            "scalar": self._scalar,
            "image": self._images,
            "histogram": self._histogram,
            "audio": self._audio,
            "text": self._text,
            "pr_curve": self._pr_curve,
        }

    def add(self, event: Any, folder: str) -> None:
        """Report what an event holds; `folder` is where its writer writes."""
        if event.WhichOneof("what") != "summary":
            return
        for value in event.summary.value:
            kind = values.kind_of(value)
            if kind == "hparams":
                self._hparams(values.hparams(value, event))
            elif kind:
                self._by_kind[kind](value, int(event.step), folder)

    def _scalar(self, value: Any, step: int, folder: str) -> None:
        title, series = self._scalar_name(value.tag, folder)
        self._logger.report_scalar(title, series, values.number(value), step)

    def _scalar_name(self, tag: str, folder: str) -> tuple[str, str]:
        logger, member = self._logger, member_of(tag, folder)
        if member and "/" not in tag and not logger._tensorboard_single_series:
            return tag, member
        if "/" not in tag and logger._tensorboard_groups_scalars:
            title, series = "Scalars", tag
        else:
            title, series = split_last(tag)
        first = self._places.setdefault((title, series), folder)
        if first == folder:
            return title, series
        other = member or _below(first, folder)
        return (f"{title} {other}", series) if logger._tensorboard_single_series else (title, f"{other}: {series}")

    def _images(self, value: Any, step: int, folder: str) -> None:
        title, series = split_media(value.tag, "Images")
        for number, picture in enumerate(values.pictures(value)):
            name = series if number == 0 else f"{series}/{number}"
            self._logger._samples.stream(title, name, step, picture, _extension(picture), None)

    def _audio(self, value: Any, step: int, folder: str) -> None:
        title, series = split_media(value.tag, "Audio")
        for number, sound in enumerate(values.sounds(value)):
            name = series if number == 0 else f"{series}/{number}"
            self._logger._samples.stream(title, name, step, sound, ".wav", None)

    def _text(self, value: Any, step: int, folder: str) -> None:
        title, series = split_media(value.tag, "Text")
        text = b"\n".join(values.texts(value.tensor))
        self._logger._samples.stream(title, series, step, text, ".txt", None)

    def _histogram(self, value: Any, step: int, folder: str) -> None:
        title, series = split_last(value.tag)
        name = ("Histograms" if "/" not in value.tag else title, series)
        self._surfaces.add(name, step, values.histogram(value))

    def _report_surface(self, name: tuple[str, str], step: int, figure: dict[str, Any]) -> None:
        self._logger._report_figure(*name, step, figure)

    def _pr_curve(self, value: Any, step: int, folder: str) -> None:
        precision, recall = values.pr_curve(value)
        line = figures.SeriesInfo("", list(zip(recall, precision, strict=True)))
        figure = figures.scatter2d(value.tag, [line], xaxis="recall", yaxis="precision", mode="lines")
        self._logger._report_figure(value.tag, "", step, figure)

    def _hparams(self, found: dict[str, Any]) -> None:
        if not found or not self._capture.switches.option(SWITCH, "report_hparams", True):
            return
        items = [parameters.item(HPARAMS, name, value) for name, value in found.items()]
        task = self._capture.task
        task._later(f"recording {HPARAMS} {sorted(found)}", lambda: parameters.write(task._record, items))


def member_of(tag: str, folder: str) -> str:
    """The name of a member of a group written by `add_scalars`, which has a writer for each; "" for other scalars.

    Its folder is `<group>_<name>` with torch and `<group>/<name>` with tensorboardX.
    """
    path = folder.replace(os.sep, "/").rstrip("/")
    above, _, name = path.rpartition("/")
    group = f"{tag.replace('/', '_')}_"
    if name.startswith(group):
        return name[len(group) :]
    return name if above.endswith(f"/{tag}") else ""


def split_last(tag: str) -> tuple[str, str]:
    """(title, series) of a number or a histogram: the last part of the tag is the series."""
    *above, last = tag.split("/")
    return "_".join(above) or last, last


def split_media(tag: str, default: str) -> tuple[str, str]:
    """(title, series) of a picture, a sound or a text: up to three last parts of the tag are the series."""
    parts = tag.split("/")
    if len(parts) == 1:
        return default, tag
    count = min(3, len(parts) - 1)
    return "_".join(parts[:-count]), "_".join(parts[-count:])


def _below(first: str, folder: str) -> str:
    """What tells the folder of a writer from that of the first: its path below what they share."""
    try:
        common = os.path.commonpath([os.path.abspath(first), os.path.abspath(folder)])
    except ValueError:
        return folder  # on another drive
    return os.path.relpath(folder, common).replace(os.sep, "/")


def _extension(picture: bytes) -> str:
    if picture.startswith(b"GIF8"):
        return ".gif"
    return ".jpeg" if picture.startswith(b"\xff\xd8") else ".png"
