"""What the clients of the soak report, turn by turn: the same for who sends it and for who checks it. Run as a module,
it is one of these clients: our SDK in a process of its own, which reports until its stdin ends.

    python -m tests.integration.segments.workload TASK CLIENT      # prints how many turns were acknowledged
"""

from __future__ import annotations

import json
import random
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

POINTS, LINES = 10, 3
SERIES = ("train", "test", "late")
FLUSH_S = 240.0

Series = tuple[str, str]
Point = tuple[Series, int, float]
Plot = tuple[Series, int, str]


@dataclass
class Turn:
    """What a client reports at a time."""

    points: list[Point]
    lines: list[str]
    plots: list[Plot]


def turn(client: str, number: int) -> Turn:
    """A turn of a client: new points, now and then late ones that overwrite, lines, and plots of two kinds."""
    draw = random.Random(f"{client} {number}")
    points: list[Point] = [
        ((client, name), number * POINTS + k, draw.gauss(0, 1)) for name in SERIES for k in range(POINTS)
    ]
    if number % 7 == 3:
        points += [((client, "late"), draw.randrange(number * POINTS), draw.gauss(5, 1)) for _ in range(3)]
    plots: list[Plot] = [((client, "newest"), 0, json.dumps({"data": [number]}))]
    if number % 5 == 0:
        plots.append(((client, "history"), number, json.dumps({"data": [number, draw.random()]})))
    return Turn(points, [f"{client} {number} {k}" for k in range(LINES)], plots)


@dataclass
class Reported:
    """Everything that some turns of some clients left, overwritten points and plots left out."""

    points: dict[Series, dict[int, float]] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    plots: dict[tuple[Series, int], str] = field(default_factory=dict)

    def add(self, client: str, turns: int) -> None:
        """What one client reported in so many turns."""
        for one in _turns(client, turns):
            for series, step, value in one.points:
                self.points.setdefault(series, {})[step] = value
            self.lines.setdefault(client, []).extend(one.lines)
            for series, step, text in one.plots:
                self.plots[series, step] = text


def _turns(client: str, turns: int) -> Iterator[Turn]:
    return (turn(client, number) for number in range(turns))


def main(task: str, client: str) -> int:
    """Report through our SDK until stdin ends, and wait until the server has everything."""
    from clearml_sdk.reporting.reporter import Reporter
    from clearml_sdk.session import Session

    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), name="until stdin ends", daemon=True).start()
    reporter = Reporter.open(Session.default(), task, period_s=0.1)
    number = 0
    while not over.wait(0.01):
        one = turn(client, number)
        for (title, series), step, value in one.points:
            reporter.scalar(title, series, value, step)
        for text in one.lines:
            reporter.log("info", text)
        for (title, series), step, text in one.plots:
            reporter.plot(title, series, step, text)
        number += 1
    print(json.dumps({"turns": number, "is_flushed": reporter.flush(FLUSH_S)}), flush=True)
    return 0 if reporter.close(FLUSH_S) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
