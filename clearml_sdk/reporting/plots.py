"""The plots that both a task's logger and a model offer: each method builds a figure and hands it on."""

from __future__ import annotations

from clearml_sdk.reporting import figures
from clearml_sdk.reporting.figures import SeriesInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class Plots:
    """Methods that report figures, to wherever `_report_figure` brings them.

    `iteration` None counts as 0; `extra_layout` is merged over the figure's layout.
    """

    def _report_figure(self, title: str, series: str, iteration: int | None, figure: Any) -> None:
        raise NotImplementedError

    def report_histogram(
        self,
        title: str,
        series: str,
        values: Any,
        iteration: int | None = None,
        labels: Sequence[str] | None = None,
        xlabels: Sequence[str] | None = None,
        xaxis: str | None = None,
        yaxis: str | None = None,
        mode: str | None = None,
        data_args: Mapping[str, Any] | None = None,
        extra_layout: Mapping[str, Any] | None = None,
    ) -> None:
        """Report bars: `values` (n,), or (m, n) for m groups. mode: "group", "stack" or "relative"."""
        figure = figures.histogram(
            title,
            series,
            values,
            labels=labels,
            xlabels=xlabels,
            xaxis=xaxis,
            yaxis=yaxis,
            mode=mode,
            data_args=data_args,
            extra_layout=extra_layout,
        )
        self._report_figure(title, series, iteration, figure)

    def report_vector(
        self,
        title: str,
        series: str,
        values: Any,
        iteration: int | None = None,
        labels: Sequence[str] | None = None,
        xlabels: Sequence[str] | None = None,
        xaxis: str | None = None,
        yaxis: str | None = None,
        mode: str | None = None,
        extra_layout: Mapping[str, Any] | None = None,
    ) -> None:
        """The older name of `report_histogram`."""
        self.report_histogram(
            title, series, values, iteration, labels, xlabels, xaxis, yaxis, mode, extra_layout=extra_layout
        )

    def report_confusion_matrix(
        self,
        title: str,
        series: str,
        matrix: Any,
        iteration: int | None = None,
        xaxis: str | None = None,
        yaxis: str | None = None,
        xlabels: Sequence[str] | None = None,
        ylabels: Sequence[str] | None = None,
        yaxis_reversed: bool = False,
        comment: str | None = None,
        extra_layout: Mapping[str, Any] | None = None,
    ) -> None:
        """Report a matrix (rows, columns) as a heat map with its numbers."""
        figure = figures.heatmap(
            title,
            series,
            matrix,
            xaxis=xaxis,
            yaxis=yaxis,
            xlabels=xlabels,
            ylabels=ylabels,
            yaxis_reversed=yaxis_reversed,
            comment=comment,
            extra_layout=extra_layout,
        )
        self._report_figure(title, series, iteration, figure)

    def report_matrix(
        self,
        title: str,
        series: str,
        matrix: Any,
        iteration: int | None = None,
        xaxis: str | None = None,
        yaxis: str | None = None,
        xlabels: Sequence[str] | None = None,
        ylabels: Sequence[str] | None = None,
        yaxis_reversed: bool = False,
        extra_layout: Mapping[str, Any] | None = None,
    ) -> None:
        """The older name of `report_confusion_matrix`."""
        self.report_confusion_matrix(
            title,
            series,
            matrix,
            iteration,
            xaxis,
            yaxis,
            xlabels,
            ylabels,
            yaxis_reversed,
            extra_layout=extra_layout,
        )

    def report_surface(
        self,
        title: str,
        series: str,
        matrix: Any,
        iteration: int | None = None,
        xaxis: str | None = None,
        yaxis: str | None = None,
        zaxis: str | None = None,
        xlabels: Sequence[str] | None = None,
        ylabels: Sequence[str] | None = None,
        camera: Sequence[float] | None = None,
        comment: str | None = None,
        extra_layout: Mapping[str, Any] | None = None,
    ) -> None:
        """Report heights over a grid (rows, columns) as a surface. camera: (x, y, z) of the eye."""
        figure = figures.surface(
            title,
            series,
            matrix,
            xaxis=xaxis,
            yaxis=yaxis,
            zaxis=zaxis,
            xlabels=xlabels,
            ylabels=ylabels,
            camera=camera,
            comment=comment,
            extra_layout=extra_layout,
        )
        self._report_figure(title, series, iteration, figure)

    def report_line_plot(
        self,
        title: str,
        series: Sequence[SeriesInfo | Mapping[str, Any]],
        xaxis: str,
        yaxis: str,
        mode: str = "lines",
        iteration: int | None = None,
        reverse_xaxis: bool = False,
        comment: str | None = None,
        extra_layout: Mapping[str, Any] | None = None,
    ) -> None:
        """Report several named lines in one plot: objects or dictionaries with `name`, `data` and maybe `labels`."""
        figure = figures.scatter2d(
            title,
            [one if isinstance(one, SeriesInfo) else SeriesInfo(**one) for one in series],
            xaxis=xaxis,
            yaxis=yaxis,
            mode=mode,
            reverse_xaxis=reverse_xaxis,
            comment=comment,
            extra_layout=extra_layout,
        )
        self._report_figure(title, "", iteration, figure)

    def report_scatter3d(
        self,
        title: str,
        series: str,
        scatter: Any,
        iteration: int | None = None,
        xaxis: str | None = None,
        yaxis: str | None = None,
        zaxis: str | None = None,
        labels: Any = None,
        mode: str = "markers",
        fill: bool = False,
        comment: str | None = None,
        extra_layout: Mapping[str, Any] | None = None,
    ) -> None:
        """Report points in space: (n, 3), or a list of such."""
        figure = figures.scatter3d(
            title,
            series,
            scatter,
            xaxis=xaxis,
            yaxis=yaxis,
            zaxis=zaxis,
            labels=labels,
            mode=mode,
            fill=fill,
            comment=comment,
            extra_layout=extra_layout,
        )
        self._report_figure(title, series, iteration, figure)

    def _report_scatter2d(
        self,
        title: str,
        series: str,
        scatter: Any,
        iteration: int | None,
        xaxis: str | None,
        yaxis: str | None,
        labels: Sequence[str] | None,
        mode: str,
        comment: str | None,
        extra_layout: Mapping[str, Any] | None,
    ) -> None:
        figure = figures.scatter2d(
            title,
            [SeriesInfo(series, scatter, labels)],
            xaxis=xaxis,
            yaxis=yaxis,
            mode="lines" if mode == "line" else mode,
            comment=comment,
            extra_layout=extra_layout,
        )
        self._report_figure(title, series, iteration, figure)

    def _report_table(
        self,
        title: str,
        series: str,
        iteration: int | None,
        table_plot: Any,
        csv: str | None,
        url: str | None,
        extra_layout: Mapping[str, Any] | None,
        extra_data: Mapping[str, Any] | None,
    ) -> None:
        from clearml_sdk.reporting.tables import read_table, table

        content = read_table(table_plot, csv, url)
        self._report_figure(title, series, iteration, table(title, series, content, extra_layout, extra_data))
