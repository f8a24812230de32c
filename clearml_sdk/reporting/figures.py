"""Plotly figures as plain dictionaries, in the shapes that the official clients send; plotly itself is not needed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Figure = dict[str, Any]

SPIKES = {"showspikes": True, "spikethickness": 1, "spikesnap": "cursor", "spikemode": "toaxis+across"}
SURFACE_COLORS = [
    [0, "rgb(71, 17, 100)"],
    [0.1, "rgb(53, 92, 140)"],
    [0.2, "rgb(37, 139, 141)"],
    [0.6, "rgb(66, 189, 112)"],
    [0.9, "rgb(141, 214, 68)"],
    [1.0, "rgb(221, 226, 24)"],
]


PICTURE_WIDTH = 640
"""Of a picture that is shown as a plot, in the plot's units."""


class SeriesInfo:
    """A named line for `Logger.report_line_plot`: data is (n, 2), x and y; labels are shown at the points."""

    def __init__(self, name: str = "", data: Any = (), labels: Sequence[str] | None = None) -> None:
        self.name, self.data, self.labels = name, data, labels


def histogram(
    title: str,
    series: str,
    values: Any,
    *,
    labels: Sequence[str] | None,
    xlabels: Sequence[str] | None,
    xaxis: str | None,
    yaxis: str | None,
    mode: str | None,
    data_args: Mapping[str, Any] | None,
    extra_layout: Mapping[str, Any] | None,
) -> Figure:
    """Bars: one group for values (n,), one a row for (m, n). mode: "group", "stack" or "relative"."""
    rows = matrix_of(values)
    names = list(labels or [])
    data = []
    for number, row in enumerate(rows):
        bar = {
            "name": names[number] if number < len(names) else series,
            "y": row,
            "x": list(xlabels) if xlabels else list(range(len(row))),
            "type": "bar",
        }
        data.append({**bar, **(data_args or {})})
    layout = {
        "title": series if labels else title,
        "xaxis": {"title": xaxis},
        "yaxis": {"title": yaxis},
        "barmode": mode or "group",
        "bargap": 0.08,
        "bargroupgap": 0,
    }
    return _figure(data, layout, extra_layout)


def scatter2d(
    title: str,
    lines: Sequence[SeriesInfo],
    *,
    xaxis: str | None,
    yaxis: str | None,
    mode: str,
    reverse_xaxis: bool = False,
    comment: str | None = None,
    extra_layout: Mapping[str, Any] | None = None,
) -> Figure:
    """Points or lines in the plane; mode: "lines", "markers" or "lines+markers"."""
    data = []
    for line in lines:
        rows = matrix_of(line.data)
        if any(len(row) != 2 for row in rows):
            raise ValueError(f"{title}: points in the plane have two coordinates, not {len(rows[0])}")
        data.append(
            {
                "name": line.name,
                "x": [row[0] for row in rows],
                "y": [row[1] for row in rows],
                "mode": mode,
                "text": list(line.labels) if line.labels is not None else None,
                "type": "scatter",
            }
        )
    layout: dict[str, Any] = {
        "title": with_comment(title, comment),
        "xaxis": {"title": xaxis, **SPIKES},
        "yaxis": {"title": yaxis, **SPIKES},
        "name": None,
    }
    if reverse_xaxis:
        layout["xaxis"]["autorange"] = "reversed"
    return _figure(data, layout, extra_layout)


def scatter3d(
    title: str,
    series: str,
    scatter: Any,
    *,
    xaxis: str | None,
    yaxis: str | None,
    zaxis: str | None,
    labels: Any,
    mode: str,
    fill: bool,
    comment: str | None,
    extra_layout: Mapping[str, Any] | None,
) -> Figure:
    """Points in space: (n, 3), or a list of such for several series with a list of labels for each."""
    groups = list(scatter) if _is_list_of_tables(scatter) else [scatter]
    data = []
    for number, group in enumerate(groups):
        rows = matrix_of(group)
        if any(len(row) != 3 for row in rows):
            raise ValueError(f"{title}: points in space have three coordinates, not {len(rows[0])}")
        is_nested = bool(labels) and len(groups) > 1 and not isinstance(labels[0], str)
        point: dict[str, Any] = {
            "name": series if len(groups) == 1 else f"{series} {number}",
            "x": [row[0] for row in rows],
            "y": [row[1] for row in rows],
            "z": [row[2] for row in rows],
            "text": list(labels[number] if is_nested else labels) if labels else None,
            "type": "scatter3d",
            "mode": mode,
            "marker": {"size": 5, "line": {"color": "rgba(217, 217, 217, 0.14)", "width": 0.8}, "opacity": 0.8},
        }
        if fill:
            point["surfaceaxis"] = 1
        data.append(point)
    scene = {"xaxis": {"title": xaxis}, "yaxis": {"title": yaxis}, "zaxis": {"title": zaxis}}
    layout = {"showlegend": True, "title": with_comment(title, comment), "scene": scene, "name": None}
    return _figure(data, layout, extra_layout)


def heatmap(
    title: str,
    series: str,
    matrix: Any,
    *,
    xaxis: str | None,
    yaxis: str | None,
    xlabels: Sequence[str] | None,
    ylabels: Sequence[str] | None,
    yaxis_reversed: bool,
    comment: str | None,
    extra_layout: Mapping[str, Any] | None,
) -> Figure:
    """A confusion matrix, or any matrix, with its numbers in the cells."""
    data = {
        "x": list(xlabels) if xlabels is not None else None,
        "y": list(ylabels) if ylabels is not None else None,
        "z": [[float(value) for value in row] for row in matrix_of(matrix)],
        "type": "heatmap",
        "texttemplate": "%{z}",
    }
    layout: dict[str, Any] = {
        "showlegend": True,
        "title": with_comment(title, comment),
        "xaxis": {"title": xaxis},
        "yaxis": {"title": yaxis},
        "name": series,
        "texttemplate": "%{z}",
    }
    if yaxis_reversed:
        layout["yaxis"]["autorange"] = "reversed"
    return _figure([data], layout, extra_layout)


def surface(
    title: str,
    series: str,
    matrix: Any,
    *,
    xaxis: str | None,
    yaxis: str | None,
    zaxis: str | None,
    xlabels: Sequence[str] | None,
    ylabels: Sequence[str] | None,
    camera: Sequence[float] | None,
    comment: str | None,
    extra_layout: Mapping[str, Any] | None,
) -> Figure:
    """A surface over a grid: matrix (rows, columns) of heights. camera: x, y and z of the eye."""
    data = {
        "z": [[float(value) for value in row] for row in matrix_of(matrix)],
        "type": "surface",
        "contours": {"y": {"show": False, "highlightcolor": "#fff4ff", "project": {"y": True}}},
        "showscale": False,
        "colorscale": SURFACE_COLORS,
        "colorbar": {"tick0": 0, "tickmode": "array", "tickvals": [0.1, 0.2, 0.6, 0.9, 1.0]},
    }
    scene: dict[str, Any] = {
        "xaxis": {"title": xaxis, "showgrid": False, "nticks": 10, **_ticks(xlabels)},
        "yaxis": {"title": yaxis, "showgrid": False, "nticks": 10, **_ticks(ylabels)},
        "zaxis": {"title": zaxis, "nticks": 5},
    }
    if camera:
        scene["camera"] = {"eye": dict(zip("xyz", camera, strict=True))}
    name = f"{title}/{series}" if series else title
    layout = {"scene": scene, "showlegend": False, "title": with_comment(name, comment), "name": series}
    return _figure([data], layout, extra_layout)


def image(title: str, url: str, width: int, height: int) -> Figure:
    """A picture shown as a plot; width, height: in pixels, of which the plot has their proportion."""
    wide, high = PICTURE_WIDTH, round(PICTURE_WIDTH * height / width)
    placed = {"sizex": wide, "sizey": high, "xref": "x", "yref": "y", "opacity": 1.0, "x": 0, "y": high}
    layout = {
        "images": [{**placed, "sizing": "contain", "layer": "below", "source": url}],
        "showlegend": False,
        "margin": {"l": 0, "r": 0, "t": 64, "b": 0},
        "title": title,
        "xaxis": {"visible": False, "range": [0, wide]},
        "yaxis": {"visible": False, "range": [0, high], "scaleanchor": "x"},
        "name": None,
    }
    return {"data": [], "layout": layout}


def with_comment(title: str, comment: str | None) -> str:
    """A title with a smaller line under it."""
    return f"{title}<br><sup>{comment}</sup>" if comment else title


def matrix_of(values: Any) -> list[list[Any]]:
    """Numbers in rows, as plain lists: of an array, a tensor, or nested sequences; one row becomes a list of it."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    plain = values.tolist() if hasattr(values, "tolist") else [_plain(item) for item in values]
    if not isinstance(plain, list):
        return [[plain]]
    if plain and isinstance(plain[0], list):
        return plain
    return [plain] if plain else []


def _plain(item: Any) -> Any:
    if hasattr(item, "tolist"):
        return item.tolist()
    return [_plain(part) for part in item] if isinstance(item, list | tuple) else item


def _is_list_of_tables(values: Any) -> bool:
    if not isinstance(values, list | tuple) or not values:
        return False
    first = values[0]
    if hasattr(first, "ndim"):
        return bool(first.ndim == 2)
    return isinstance(first, list | tuple) and bool(first) and isinstance(first[0], list | tuple)


def _ticks(labels: Sequence[str] | None) -> dict[str, Any]:
    return {"ticktext": list(labels), "tickvals": list(range(len(labels)))} if labels else {}


def _figure(data: list[dict[str, Any]], layout: dict[str, Any], extra: Mapping[str, Any] | None) -> Figure:
    return {"data": data, "layout": {**layout, **(extra or {})}}
