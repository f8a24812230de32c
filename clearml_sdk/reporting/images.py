"""Debug samples: a picture or another medium becomes a file that waits in the journal for its upload."""

from __future__ import annotations

import os
import shutil
import threading

from clearml_sdk.errors import UsageError
from clearml_sdk.reporting.figures import image
from clearml_sdk.reporting.json_text import dumps
from clearml_sdk.storage.locations import TaskFolder, file_stem, join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from clearml_sdk.reporting.reporter import Reporter

DEFAULT_HISTORY = 100
PLOT_DPI = 300
"""Of a matplotlib figure that is shown as a picture among the plots."""

SPOOL_LIMIT_BYTES = 64 << 20
"""A larger file of the user's is not copied first: it must stay until it is uploaded."""


class Samples:
    """Uploads the samples of one task: `<title>_<series>_<counter>.<extension>`, the counter starting again when it
    reaches the history's length, so that old files are overwritten."""

    def __init__(self, reporter: Reporter, folder: TaskFolder) -> None:
        self._reporter, self._folder = reporter, folder
        self.quality, self.format = 87, "JPEG"
        self._counters: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()
        self.history = DEFAULT_HISTORY
        self.destination: str | None = None
        """Where to; None: the files server."""

    def picture(self, title: str, series: str, iteration: int, picture: Any, history: int | None) -> None:
        """Report a PIL image, or an array (height, width[, channels]) of bytes, or of numbers from 0 to 1."""
        picture = to_picture(picture)
        if self.format == "JPEG" and picture.mode not in ("RGB", "L", "CMYK"):
            picture = flat(picture)
        path = self._spooled(f".{self.format.lower()}")
        picture.save(path, format=self.format, quality=self.quality, subsampling=0)
        self._send(title, series, iteration, path, history, is_spooled=True, delete=False)

    def picture_as_plot(self, title: str, series: str, iteration: int, picture: Any) -> None:
        """Report a PIL image among the plots."""
        path = self._spooled(".png")
        picture.save(path, format="PNG")
        place = self._place(title, series, ".png", None)
        url = join(self._base(), *place)
        figure = image(f"{title}/{series}" if series else title, url, *picture.size)
        fields = {"metric": title, "variant": series, "iter": iteration + self._reporter.iteration_offset}
        event = {"type": "plot", **fields, "plot_str": dumps(figure)}
        self._reporter.upload(path, url, event, is_spooled=True)

    def file(self, title: str, series: str, iteration: int, path: str, history: int | None, delete: bool) -> None:
        """Report a file as it is."""
        path = os.path.abspath(os.path.expanduser(path))
        if not os.path.isfile(path):
            raise UsageError(f"{title}/{series}: there is no file {path}")
        if os.stat(path).st_size <= SPOOL_LIMIT_BYTES:
            copy = self._spooled(os.path.splitext(path)[1].lower())
            shutil.copyfile(path, copy)
            if delete:
                os.unlink(path)
            self._send(title, series, iteration, copy, history, is_spooled=True, delete=False)
        else:
            self._send(title, series, iteration, path, history, is_spooled=False, delete=delete)

    def stream(
        self, title: str, series: str, iteration: int, data: bytes | str | Any, extension: str, history: int | None
    ) -> None:
        """Report bytes, a text, or what a stream still holds."""
        if hasattr(data, "read"):
            data = data.getvalue() if hasattr(data, "getvalue") else data.read()
        if isinstance(data, str):
            data = data.encode("utf-8", "replace")
        path = self._spooled(extension if extension.startswith(".") else f".{extension}")
        with open(path, "wb") as file:
            file.write(data)
        self._send(title, series, iteration, path, history, is_spooled=True, delete=False)

    def _spooled(self, extension: str) -> str:
        return os.path.join(self._reporter.spool_folder(), os.urandom(8).hex() + extension)

    def _send(
        self, title: str, series: str, iteration: int, path: str, history: int | None, *, is_spooled: bool, delete: bool
    ) -> None:
        place = self._place(title, series, os.path.splitext(path)[1], history)
        event = self._reporter.image_event(title, series, iteration, join(self._base(), *place))
        event["key"] = "/".join(place)
        self._reporter.upload(path, event["url"], event, is_spooled=is_spooled, delete=delete)

    def _base(self) -> str:
        """Where files go: the folder of an offline session, else the destination, else the files server."""
        session = self._reporter.session
        return session.storage_of(self._reporter.task_id) or self.destination or session.settings.files_server

    def _place(self, title: str, series: str, extension: str, history: int | None) -> tuple[str, ...]:
        """The folders and the name of the next file of a title and a series."""
        length = max(1, self.history if history is None else history)
        with self._lock:
            counter = self._counters.get((title, series), 0)
            self._counters[title, series] = counter + 1
        name = f"{file_stem(title)}_{file_stem(series)}_{counter % length:08d}{extension}"
        return (self._folder.path, "metrics", file_stem(title), file_stem(series), name)


def to_picture(picture: Any) -> Any:
    """A PIL image of a PIL image or an array."""
    if hasattr(picture, "save") and hasattr(picture, "mode"):
        return picture
    try:
        from PIL import Image
    except ImportError as error:
        raise UsageError("reporting an image from an array needs Pillow: pip install pillow") from error
    import numpy as np

    if hasattr(picture, "detach"):
        picture = picture.detach().cpu()
    array = np.asarray(picture)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise UsageError(f"an image is (height, width), or (height, width, 1, 3 or 4), not {array.shape}")
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    elif array.dtype != np.uint8:
        array = np.nan_to_num(array.astype(np.float64))
        scale = 255.0 if array.size == 0 or (array.min() >= 0 and array.max() <= 1) else 1.0
        array = np.clip(array * scale, 0, 255).astype(np.uint8)
    return Image.fromarray(array)


def flat(picture: Any) -> Any:
    """Without transparency (over white), for formats that have none."""
    from PIL import Image

    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    ground = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return Image.alpha_composite(ground, picture).convert("RGB")


def matplotlib_picture(figure: Any, *, dpi: float | None = None) -> Any:
    """A PIL image of a matplotlib figure, without a margin; of the current one where the module pyplot is given.

    dpi: None: the figure's own.
    """
    import io

    from PIL import Image

    if hasattr(figure, "gcf"):
        figure = figure.gcf()
    if not hasattr(figure, "savefig"):
        raise UsageError(f"not a matplotlib figure: {type(figure).__name__}")
    buffer = io.BytesIO()
    # savefig is watched: it is the user's
    figure.canvas.print_figure(buffer, format="png", bbox_inches="tight", pad_inches=0, dpi=dpi)
    buffer.seek(0)
    return Image.open(buffer)
