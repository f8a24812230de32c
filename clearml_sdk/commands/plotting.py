"""`clearml plot`: scalars of tasks as curves in the terminal."""

from __future__ import annotations

import math
import shutil

from clearml_sdk.commands import lookup, output
from clearml_sdk.commands.errors import CommandError
from clearml_sdk.commands.options import TASK_HELP, at_least, parser
from clearml_sdk.reading import scalars
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Curves = dict[str, dict[str, tuple[list[float], list[float]]]]  # title -> name -> (x, y)

COLOURS = ("cyan", "magenta", "yellow", "green", "red", "blue", "white")
MARKS = "ox+*#@%"
HEIGHT = 15
ROOM = 30
"""Columns beside the curves: numbers, and the name of the axis."""


def main(name: str, arguments: Sequence[str]) -> int:
    """Run the command."""
    command = parser(name)
    add = command.add_argument
    add("task", nargs="+", metavar="TASK", help=TASK_HELP)
    add("-m", "--metric", action="append", metavar="TITLE[/SERIES]", help="only this; again for another one")
    add("-x", choices=("iter", "timestamp"), default="iter", help="the horizontal axis")
    add("--log", action="store_true", help="the logarithm (base 10) of the values")
    add("--height", type=at_least(1), default=HEIGHT, metavar="LINES", help=f"height of each plot ({HEIGHT})")
    add("--width", type=at_least(1), metavar="COLUMNS", help="width (default: of the terminal)")
    add("--samples", type=at_least(1), default=1000, metavar="N", help="points a curve at most (1000)")
    given = command.parse_args(arguments)
    session = Session.default()
    tasks = lookup.find_all(session, given.task)
    curves: Curves = {}
    for task in tasks:
        found = scalars(TaskRecord(session, str(task["id"])), max_samples=given.samples, x_axis=given.x)
        _add(curves, found, given.metric, f" {output.shown_id(task['id'])}" if len(tasks) > 1 else "")
    if not curves:
        names = " or ".join(given.metric) if given.metric else "any scalar"
        raise CommandError(f"no task has reported {names}")
    if given.json:
        output.print_json(
            {title: {n: {"x": x, "y": y} for n, (x, y) in lines.items()} for title, lines in curves.items()}
        )
        return 0
    colours, axis = output.is_terminal(), "iteration" if given.x == "iter" else "time, ms"
    width = given.width or shutil.get_terminal_size((100, 24)).columns
    for title, lines in sorted(curves.items()):
        print(drawn(title, lines, width=width, height=given.height, log=given.log, colours=colours, x_label=axis))
    return 0


def _add(curves: Curves, found: dict[str, Any], wanted: Sequence[str] | None, suffix: str) -> None:
    for title, series in found.items():
        if title.startswith(":monitor:") and not any(name.startswith(title) for name in wanted or []):
            continue
        for name, points in series.items():
            if wanted and not any(one in (title, f"{title}/{name}") for one in wanted):
                continue
            curves.setdefault(title, {})[f"{name}{suffix}"] = (points.get("x") or [], points.get("y") or [])


def drawn(
    title: str,
    lines: dict[str, tuple[list[float], list[float]]],
    *,
    width: int,
    height: int,
    log: bool = False,
    colours: bool = False,
    x_label: str = "iteration",
) -> str:
    """One plot as text; points that are no numbers are left out. Without colours, marks tell the curves apart."""
    try:
        import plotille  # type: ignore[import-untyped]  # publishes no types
    except ModuleNotFoundError:
        raise CommandError("plots need plotille: pip install 'clearml-lean[cli]'") from None
    figure = plotille.Figure()
    figure.width, figure.height = max(20, width - ROOM), max(4, height)
    figure.color_mode, figure.with_colors = "names", colours
    figure.x_label, figure.y_label = x_label, "log10" if log else "value"
    figure.register_label_formatter(float, lambda value, chars, delta, left: _label(value, chars, left))
    figure.register_label_formatter(int, lambda value, chars, delta, left: _label(value, chars, left))
    figure.origin = False
    all_x: list[float] = []
    all_y: list[float] = []
    for number, (name, (xs, ys)) in enumerate(sorted(lines.items())):
        colour = COLOURS[number % len(COLOURS)]
        points = [(x, y) for x, y in zip(xs, ys, strict=False) if _is_drawn(y, log)]
        if points:
            x, y = [float(p[0]) for p in points], [math.log10(p[1]) if log else float(p[1]) for p in points]
            mark = MARKS[number % len(MARKS)] if len(lines) > 1 and not colours else None
            figure.plot(x, y, label=name, lc=colour if colours else None, marker=mark)
            all_x, all_y = [*all_x, *x], [*all_y, *y]
    if not all_x:
        return f"{title}\n  (no points)\n"
    for limits, values in ((figure.set_x_limits, all_x), (figure.set_y_limits, all_y)):
        room = (max(values) - min(values)) * 0.02 or 0.5
        limits(min_=min(values) - room, max_=max(values) + room)
    body = figure.show(legend=len(lines) > 1 or next(iter(lines)) != title)
    return f"{title}\n{body}\n"


def _is_drawn(value: Any, log: bool) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and (not log or value > 0)


def _label(value: float, chars: int, left: bool) -> str:
    text = f"{value:.4g}"
    return text.ljust(chars) if left else text.rjust(chars)
