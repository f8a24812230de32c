"""A matplotlib figure as a plotly one, so that its curves can be zoomed and read; None where a picture says more.

Only what is drawn exactly is translated: a figure with anything else in it (pictures, contours, 3-D or polar axes,
arrows) is not, as a whole.
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_POINTS = 200_000
"""Of all curves together; more of them are quicker to look at as a picture."""

_PIXELS = 4 / 3
"""Pixels of a point of matplotlib's (1/72 inch) on a page (96 dots an inch)."""
_DASHES = {"-": "solid", "--": "dash", "-.": "dashdot", ":": "dot"}
_STEPS = {"steps": "vh", "steps-pre": "vh", "steps-mid": "hvh", "steps-post": "hv"}
_SYMBOLS = {
    "o": "circle",
    ".": "circle",
    ",": "circle",
    "s": "square",
    "D": "diamond",
    "d": "diamond-tall",
    "^": "triangle-up",
    "v": "triangle-down",
    "<": "triangle-left",
    ">": "triangle-right",
    "+": "cross-thin-open",
    "x": "x-thin-open",
    "P": "cross",
    "X": "x",
    "*": "star",
    "p": "pentagon",
    "h": "hexagon",
    "H": "hexagon2",
    "8": "octagon",
}


class _Untranslatable(Exception):
    """Something in the figure has no exact counterpart."""


def plotly_figure(figure: Any) -> dict[str, Any] | None:
    """The plotly figure of a matplotlib figure; None when it cannot be translated exactly."""
    try:
        return _translate(figure)
    except _Untranslatable:
        return None


def _translate(figure: Any) -> dict[str, Any]:
    loose = [*figure.lines, *figure.patches, *figure.images, *figure.artists, *getattr(figure, "subfigs", ())]
    title = getattr(figure, "_suptitle", None)
    if loose or figure.legends or any(text is not title for text in figure.texts if text.get_text()):
        raise _Untranslatable
    layout: dict[str, Any] = {"showlegend": False, "annotations": []}  # no size: it fills the place where it is shown
    layout |= {"plot_bgcolor": "white", "hovermode": "closest", "margin": {"l": 0, "r": 0, "t": 0, "b": 0, "pad": 0}}
    if title is not None and title.get_text():
        layout["title"] = {"text": title.get_text()}
    data: list[dict[str, Any]] = []
    axes = [one for one in figure.axes if one.get_visible()]
    for number, one in enumerate(axes, start=1):
        _Axes(one, number, axes[: number - 1], layout, data).translate()
    if sum(len(trace.get("x") or ()) for trace in data) > MAX_POINTS or not data:
        raise _Untranslatable
    return {"data": data, "layout": layout}


class _Axes:
    """One pair of axes and what is drawn on it."""

    def __init__(
        self, axes: Any, number: int, earlier: list[Any], layout: dict[str, Any], data: list[dict[str, Any]]
    ) -> None:
        if axes.name != "rectilinear" or axes.images or axes.tables or axes.artists or axes.child_axes:
            raise _Untranslatable
        self.axes, self.layout, self.data = axes, layout, data
        suffix = "" if number == 1 else str(number)
        self.x, self.y = f"x{suffix}", f"y{suffix}"
        box = axes.get_position()
        self.box = box
        below = next((i for i, other in enumerate(earlier, start=1) if _same_place(other.get_position(), box)), 0)
        self.over = ("" if below == 1 else str(below)) if below else None

    def translate(self) -> None:
        self._place_axis(self.axes.xaxis, self.x, self.y, self.axes.get_xlim(), (self.box.x0, self.box.x1))
        self._place_axis(self.axes.yaxis, self.y, self.x, self.axes.get_ylim(), (self.box.y0, self.box.y1))
        if self.axes.get_aspect() == 1.0:
            self.layout[f"yaxis{self.y[1:]}"]["scaleanchor"] = self.x
        if self.axes.get_legend() is not None:
            self.layout["showlegend"] = True
        from matplotlib import collections
        from matplotlib.container import BarContainer

        bars = [one for one in self.axes.containers if isinstance(one, BarContainer)]
        in_bars = {id(patch) for container in bars for patch in container.patches}
        for container in bars:
            self._bars(container)
        for patch in self.axes.patches:
            if id(patch) not in in_bars and patch.get_visible():
                self._polygons([patch.get_path()], patch.get_transform(), patch, patch.get_facecolor())
        for collection in self.axes.collections:
            if not collection.get_visible():
                continue
            if isinstance(collection, collections.PathCollection):
                self._scatter(collection)
            elif isinstance(collection, collections.LineCollection):
                self._segments(collection)
            elif isinstance(collection, collections.QuadMesh):
                self._mesh(collection)
            elif isinstance(collection, collections.PolyCollection) and len(collection.get_facecolor()) == 1:
                color = collection.get_facecolor()[0]
                self._polygons(collection.get_paths(), collection.get_transform(), collection, color)
            else:
                raise _Untranslatable
        for line in self.axes.lines:
            if line.get_visible():
                self._line(line)
        self._texts()

    def _place_axis(self, axis: Any, name: str, anchor: str, limits: Any, domain: tuple[float, float]) -> None:
        scale = axis.get_scale()
        if scale not in ("linear", "log"):
            raise _Untranslatable
        low, high = (math.log10(value) for value in limits) if scale == "log" else (float(value) for value in limits)
        found: dict[str, Any] = {
            "domain": [max(0.0, float(domain[0])), min(1.0, float(domain[1]))],
            "anchor": anchor,
            "type": scale,
            "range": [low, high],
            "title": {"text": axis.get_label_text()},
            "showgrid": bool(axis.get_gridlines() and axis.get_gridlines()[0].get_visible()),
            "zeroline": False,
            "showline": True,
            "linecolor": "black",
            "ticks": "outside",
            "visible": bool(self.axes.axison and axis.get_visible()),
            "side": axis.get_ticks_position() if axis.get_ticks_position() in ("top", "right") else None,
        }
        if self.over is not None:
            found["overlaying"] = f"{name[0]}{self.over}"
        formatter = type(axis.get_major_formatter()).__name__
        if "ScalarFormatter" not in formatter and "LogFormatter" not in formatter:
            places = list(axis.get_majorticklocs())
            found |= {"tickmode": "array", "tickvals": [float(place) for place in places]}
            found["ticktext"] = [str(text) for text in axis.get_major_formatter().format_ticks(places)]
        self.layout[f"{name[0]}axis{name[1:]}"] = {key: value for key, value in found.items() if value is not None}

    def _add(self, artist: Any, **trace: Any) -> None:
        label = str(artist.get_label() or "")
        shown = {"name": label, "showlegend": True} if label and not label.startswith("_") else {"showlegend": False}
        self.data.append({**shown, "xaxis": self.x, "yaxis": self.y, **trace})

    def _points(self, points: Any, transform: Any) -> tuple[list[float | None], list[float | None]]:
        """Data coordinates of `points` (n, 2), whatever coordinates they are given in."""
        import numpy as np

        places: Any = np.ma.filled(np.ma.asarray(points, dtype=float), np.nan)
        if transform != self.axes.transData and len(places):
            places = (transform - self.axes.transData).transform(places)
        return _numbers(places[:, 0]), _numbers(places[:, 1])

    def _line(self, line: Any) -> None:
        x, y = self._points(line.get_xydata(), line.get_transform())
        style, marker = line.get_linestyle(), line.get_marker()
        has_marker = marker not in (None, "", " ", "None", "none")
        has_line = style not in (None, "", " ", "None", "none")
        if (has_marker and marker not in _SYMBOLS) or not (has_marker or has_line):
            if has_marker:
                raise _Untranslatable
            return
        width = line.get_linewidth() * _PIXELS
        shape = _STEPS.get(line.get_drawstyle(), "linear")
        trace: dict[str, Any] = {"type": "scatter", "x": x, "y": y, "opacity": _opacity(line)}
        trace["mode"] = "+".join(part for part, is_on in (("lines", has_line), ("markers", has_marker)) if is_on)
        if has_line:
            dash = _DASHES.get(style, "dash")
            trace["line"] = {"color": _color(line.get_color()), "width": width, "dash": dash, "shape": shape}
        if has_marker:
            edge = {"color": _color(line.get_markeredgecolor()), "width": line.get_markeredgewidth() * _PIXELS}
            size = line.get_markersize() * _PIXELS * (0.5 if marker == "." else 1.0)
            trace["marker"] = {
                "symbol": _SYMBOLS[marker],
                "size": size,
                "color": _color(line.get_markerfacecolor()),
                "line": edge,
            }
        self._add(line, **trace)

    def _scatter(self, collection: Any) -> None:
        offsets = collection.get_offsets()
        if not len(offsets):
            return
        x, y = self._points(offsets, collection.get_offset_transform())
        collection.update_scalarmappable()
        colors = collection.get_facecolor()
        if not len(colors):
            colors = collection.get_edgecolor()
        sizes = [math.sqrt(float(size)) * _PIXELS for size in collection.get_sizes()]
        marker = {
            "color": [_color(color) for color in colors] if len(colors) > 1 else _color(colors[0]),
            "size": sizes if len(sizes) > 1 else sizes[0],
        }
        self._add(collection, type="scatter", mode="markers", x=x, y=y, marker=marker)

    def _segments(self, collection: Any) -> None:
        x: list[float | None] = []
        y: list[float | None] = []
        for path in collection.get_paths():
            xs, ys = self._points(path.vertices, collection.get_transform())
            x += [*xs, None]
            y += [*ys, None]
        if not x:
            return
        colors, widths = collection.get_color(), collection.get_linewidth()
        if len({tuple(color) for color in colors}) > 1:
            raise _Untranslatable
        line = {"color": _color(colors[0]), "width": float(widths[0]) * _PIXELS}
        self._add(collection, type="scatter", mode="lines", x=x, y=y, line=line)

    def _polygons(self, paths: Any, transform: Any, artist: Any, color: Any) -> None:
        x: list[float | None] = []
        y: list[float | None] = []
        for path in paths:
            for polygon in path.transformed(transform - self.axes.transData).to_polygons():
                xs, ys = self._points(polygon, self.axes.transData)
                x += [*xs, None]
                y += [*ys, None]
        edge = artist.get_edgecolor()
        edge = edge[0] if getattr(edge, "ndim", 1) == 2 and len(edge) else edge
        line = {"color": _color(edge) if len(edge) else "rgba(0,0,0,0)", "width": 1}
        self._add(artist, type="scatter", mode="lines", fill="toself", x=x, y=y, fillcolor=_color(color), line=line)

    def _bars(self, container: Any) -> None:
        boxes = [(patch.get_x(), patch.get_y(), patch.get_width(), patch.get_height()) for patch in container.patches]
        if not boxes:
            return
        colors = [_color(patch.get_facecolor()) for patch in container.patches]
        marker = {"color": colors if len(set(colors)) > 1 else colors[0]}
        lies = getattr(container, "orientation", "vertical") == "horizontal"
        places = [float(y + h / 2 if lies else x + w / 2) for x, y, w, h in boxes]
        lengths = [float(w if lies else h) for x, y, w, h in boxes]
        trace = {
            "base": [float(x if lies else y) for x, y, w, h in boxes],
            "width": [float(h if lies else w) for x, y, w, h in boxes],
            "orientation": "h" if lies else "v",
        }
        x, y = (lengths, places) if lies else (places, lengths)
        self.layout["barmode"] = "overlay"
        self._add(container, type="bar", x=x, y=y, marker=marker, **trace)

    def _mesh(self, mesh: Any) -> None:
        import numpy as np
        from matplotlib.colors import Normalize

        corners, values = mesh.get_coordinates(), mesh.get_array()
        rows, columns = corners.shape[0] - 1, corners.shape[1] - 1
        is_grid = np.allclose(corners[:, :, 0], corners[0, :, 0]) and np.allclose(corners[:, :, 1].T, corners[:, 0, 1])
        if values is None or not is_grid or values.size != rows * columns or type(mesh.norm) is not Normalize:
            raise _Untranslatable
        table: Any = np.ma.filled(np.ma.asarray(values, dtype=float), np.nan).reshape(rows, columns)
        shades = [[step / 16, _color(mesh.cmap(step / 16))] for step in range(17)]
        low, high = mesh.get_clim()
        self._add(
            mesh,
            type="heatmap",
            x=_numbers(corners[0, :, 0]),
            y=_numbers(corners[:, 0, 1]),
            z=[_numbers(row) for row in table],
            colorscale=shades,
            zmin=float(low),
            zmax=float(high),
            showscale=False,
        )

    def _texts(self) -> None:
        for text in self.axes.texts:
            if not text.get_text() or not text.get_visible():
                continue
            if getattr(text, "arrow_patch", None) is not None or getattr(text, "anncoords", "data") != "data":
                raise _Untranslatable
            (x,), (y,) = self._points([text.get_unitless_position()], text.get_transform())
            if x is None or y is None:
                continue
            if self.axes.get_xscale() == "log":
                x = math.log10(x)
            if self.axes.get_yscale() == "log":
                y = math.log10(y)
            where: dict[str, Any] = {"x": x, "y": y, "xref": self.x, "yref": self.y, "showarrow": False}
            where |= {"xanchor": text.get_horizontalalignment(), "yanchor": _anchor(text.get_verticalalignment())}
            self._note(text, **where)
        middle = (self.box.x0 + self.box.x1) / 2
        if self.axes.get_title():
            where = {"x": middle, "y": self.box.y1, "xref": "paper", "yref": "paper", "showarrow": False}
            self._note(self.axes.title, **where, xanchor="center", yanchor="bottom")

    def _note(self, text: Any, **where: Any) -> None:
        font = {"size": text.get_fontsize() * _PIXELS, "color": _color(text.get_color())}
        self.layout["annotations"].append({"text": text.get_text().replace("\n", "<br>"), "font": font, **where})


def _same_place(one: Any, other: Any) -> bool:
    return all(abs(a - b) < 1e-6 for a, b in zip(one.bounds, other.bounds, strict=True))


def _numbers(values: Any) -> list[float | None]:
    """Plain numbers; None, a gap, for NaN and infinities."""
    return [float(value) if math.isfinite(value) else None for value in values]


def _opacity(artist: Any) -> float:
    alpha = artist.get_alpha()
    return 1.0 if alpha is None else float(alpha)


def _anchor(alignment: str) -> str:
    return {"top": "top", "bottom": "bottom", "baseline": "bottom"}.get(alignment, "middle")


def _color(color: Any) -> str:
    from matplotlib.colors import to_rgba

    red, green, blue, alpha = to_rgba(color)
    return f"rgba({round(red * 255)},{round(green * 255)},{round(blue * 255)},{alpha:.4g})"
