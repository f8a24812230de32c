"""pyplot: `show` reports all figures that are open. It may be imported later than the figures, or never."""

from __future__ import annotations

from clearml_sdk.bindings.matplotlib_figures import DOING, Figures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from clearml_sdk.bindings.frameworks import Capture
    from clearml_sdk.bindings.wrapping import Call


def connect(pyplot: ModuleType, capture: Capture) -> None:
    figures = capture.shared(Figures)

    def shown(call: Call) -> None:
        for manager in pyplot._pylab_helpers.Gcf.get_all_fig_managers():
            figures.report(manager.canvas.figure)

    capture.wraps.before(pyplot, "show", shown, doing=DOING)
