"""matplotlib: figures that are shown or saved become plots of the task, pictures shown with `imshow` debug samples.

A figure is reported once for each state that it is shown in. Seaborn and pandas draw through matplotlib.
"""

from __future__ import annotations

import hashlib
import itertools
import weakref

from clearml_sdk.bindings.plotly_of_matplotlib import plotly_figure
from clearml_sdk.reporting.images import matplotlib_picture
from clearml_sdk.reporting.json_text import figure_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from clearml_sdk.bindings.frameworks import Capture
    from clearml_sdk.bindings.wrapping import Call

DOING = "recording a matplotlib figure"
SERIES, PICTURE = "plot", "plot image"


def connect(library: ModuleType, capture: Capture) -> None:
    """library: `matplotlib.figure`."""
    figures = capture.shared(Figures)

    def used(call: Call) -> None:
        figures.report(call.args[0])

    capture.wraps.after(library.Figure, "savefig", used, doing=DOING)
    capture.wraps.before(library.Figure, "show", used, doing=DOING)


class Figures:
    """The figures of one run."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._reported: weakref.WeakKeyDictionary[Any, bytes] = weakref.WeakKeyDictionary()
        self._taken: dict[str, tuple[int, int]] = {}
        """By title: the iteration of its last report, and how many of it there were in that iteration."""
        self._untitled = itertools.count()
        self._names: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()

    def report(self, figure: Any) -> None:
        """Report a figure as it looks now, unless it was reported so already, or is empty."""
        if not figure.axes or not self._capture.switches.is_on("matplotlib"):
            return
        logger = self._capture.logger
        interactive = None if logger._matplotlib_non_interactive else plotly_figure(figure)
        picture = matplotlib_picture(figure) if interactive is None else None
        looks = picture.tobytes() if picture is not None else figure_json(interactive).encode()
        mark = hashlib.blake2b(looks, digest_size=16).digest()
        if self._reported.get(figure) == mark:
            return
        self._reported[figure] = mark
        iteration = self._capture.iteration
        title = self._title(figure, iteration)
        if interactive is not None:
            logger._report_figure(title, SERIES, iteration, interactive)
        elif any(axes.images for axes in figure.axes):
            logger._samples.picture(title, PICTURE, iteration, picture, None)
        else:
            logger._samples.picture_as_plot(title, PICTURE, iteration, picture)

    def _title(self, figure: Any, iteration: int) -> str:
        """The figure's own title, else that of its axes; numbered where others of this iteration have it."""
        above = getattr(figure, "_suptitle", None)
        title = above.get_text() if above is not None else ""
        titles = [axes.get_title() for axes in figure.axes]
        title = title or next((text for text in titles if text), "") or self._names.get(figure, "")
        if not title:
            title = self._names[figure] = f"untitled {next(self._untitled):02d}"
        last, count = self._taken.get(title, (iteration, 0))
        count = count if last == iteration else 0
        self._taken[title] = (iteration, count + 1)
        return f"{title}/{count}" if count else title
