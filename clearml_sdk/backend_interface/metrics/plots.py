"""`Reporter`: plots, tables and figures."""

from __future__ import annotations

from clearml_sdk.reporting.json_text import figure_json
from clearml_sdk.reporting.plots import Plots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any


class _Figures(Plots):
    def __init__(self, report: Callable[[str, str, int, str], None]) -> None:
        self._report = report

    def _report_figure(self, title: str, series: str, iteration: int | None, figure: Any) -> None:
        self._report(title, series, iteration or 0, figure_json(figure))

    def scatter2d(self, title: str, series: str, data: Any, iteration: int, **how: Any) -> None:
        self._report_scatter2d(title, series, data, iteration, **how)

    def table(self, title: str, series: str, table: Any, iteration: int, layout: Any, data: Any) -> None:
        self._report_table(title, series, iteration, table, None, None, layout, data)


class PlotReports:
    """Methods that report figures, to wherever `_plot` brings their JSON text."""

    max_float_num_digits = -1
    """Digits of the numbers of a plot; -1: all."""

    def _plot(self, title: str, series: str, iteration: int, text: str) -> None:
        raise NotImplementedError

    @property
    def _figures(self) -> _Figures:
        return _Figures(self._plot)

    def report_plot(
        self,
        title: str,
        series: str,
        plot: str | dict[str, Any],
        iter: int,
        round_digits: int | None = None,
        nan_as_null: bool = True,
    ) -> None:
        """A plotly figure, as a dictionary or JSON text.

        round_digits: of its numbers; None: `max_float_num_digits`. NaN is always null: JSON has none.
        """
        import json

        digits = self.max_float_num_digits if round_digits is None else round_digits
        if digits is not None and digits >= 0:
            plot = _rounded(json.loads(plot if isinstance(plot, str) else figure_json(plot)), digits)
        self._plot(title, series, iter, figure_json(plot))

    def report_histogram(
        self,
        title: str,
        series: str,
        histogram: Any,
        iter: int,
        labels: Sequence[str] | None = None,
        xlabels: Sequence[str] | None = None,
        xtitle: str | None = None,
        ytitle: str | None = None,
        comment: str | None = None,
        mode: str = "group",
        data_args: Mapping[str, Any] | None = None,
        layout_config: Mapping[str, Any] | None = None,
    ) -> None:
        """Bars, see `Logger.report_histogram`. comment: under the title."""
        extra = {**({"title": f"{title}<br><sup>{comment}</sup>"} if comment else {}), **(layout_config or {})}
        self._figures.report_histogram(
            title, series, histogram, iter, labels, xlabels, xtitle, ytitle, mode, data_args, extra or None
        )

    def report_table(
        self,
        title: str,
        series: str,
        table: Any,
        iteration: int,
        layout_config: Mapping[str, Any] | None = None,
        data_config: Mapping[str, Any] | None = None,
    ) -> None:
        """A table: a DataFrame or a list of rows, the first the header."""
        self._figures.table(title, series, table, iteration, layout_config, data_config)

    def report_line_plot(
        self,
        title: str,
        series: Iterable[Any],
        iter: int,
        xtitle: str,
        ytitle: str,
        mode: str = "lines",
        reverse_xaxis: bool = False,
        comment: str | None = None,
        layout_config: Mapping[str, Any] | None = None,
    ) -> None:
        """Named lines in one plot: `SeriesInfo`, or dictionaries like them."""
        self._figures.report_line_plot(
            title, list(series), xtitle, ytitle, mode, iter, reverse_xaxis, comment, layout_config
        )

    def report_2d_scatter(
        self,
        title: str,
        series: str,
        data: Any,
        iter: int,
        mode: str = "lines",
        xtitle: str | None = None,
        ytitle: str | None = None,
        labels: Sequence[str] | None = None,
        comment: str | None = None,
        layout_config: Mapping[str, Any] | None = None,
    ) -> None:
        """Points in the plane, (n, 2)."""
        self._figures.scatter2d(
            title,
            series,
            data,
            iter,
            xaxis=xtitle,
            yaxis=ytitle,
            labels=labels,
            mode=mode,
            comment=comment,
            extra_layout=layout_config,
        )

    def report_3d_scatter(
        self,
        title: str,
        series: str,
        data: Any,
        iter: int,
        labels: Sequence[str] | None = None,
        mode: str = "lines",
        color: Sequence[tuple[int, int, int, float]] = ((217, 217, 217, 0.14),),
        marker_size: int = 5,
        line_width: float = 0.8,
        xtitle: str | None = None,
        ytitle: str | None = None,
        ztitle: str | None = None,
        fill: Any = None,
        comment: str | None = None,
        layout_config: Mapping[str, Any] | None = None,
    ) -> None:
        """Points in space, (n, 3), or a list of such. Their looks are the page's: color, marker_size and line_width
        are accepted for compatibility."""
        self._figures.report_scatter3d(
            title, series, data, iter, xtitle, ytitle, ztitle, labels, mode, bool(fill), comment, layout_config
        )

    def report_value_matrix(
        self,
        title: str,
        series: str,
        data: Any,
        iter: int,
        xtitle: str | None = None,
        ytitle: str | None = None,
        xlabels: Sequence[str] | None = None,
        ylabels: Sequence[str] | None = None,
        yaxis_reversed: bool = False,
        comment: str | None = None,
        layout_config: Mapping[str, Any] | None = None,
    ) -> None:
        """A matrix as a heat map."""
        self._figures.report_confusion_matrix(
            title, series, data, iter, xtitle, ytitle, xlabels, ylabels, yaxis_reversed, comment, layout_config
        )

    def report_value_surface(
        self,
        title: str,
        series: str,
        data: Any,
        iter: int,
        xlabels: Sequence[str] | None = None,
        ylabels: Sequence[str] | None = None,
        xtitle: str | None = None,
        ytitle: str | None = None,
        ztitle: str | None = None,
        camera: tuple[float, float, float] | None = None,
        comment: str | None = None,
        layout_config: Mapping[str, Any] | None = None,
    ) -> None:
        """Heights over a grid as a surface."""
        self._figures.report_surface(
            title, series, data, iter, xtitle, ytitle, ztitle, xlabels, ylabels, camera, comment, layout_config
        )


def _rounded(value: Any, digits: int) -> Any:
    if isinstance(value, float):
        return round(value, digits)
    if isinstance(value, dict):
        return {name: _rounded(item, digits) for name, item in value.items()}
    return [_rounded(item, digits) for item in value] if isinstance(value, list) else value
