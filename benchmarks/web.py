"""How long a person waits at the web page among very many tasks: in a real browser, its files already there.

`scripts/bench web`, or with a size: `python -m benchmarks.web --tasks 100000 --json FILE`. The tasks are those of
`benchmarks.queries`. Each figure is the time from the click, the key or the change to what it brings into sight,
measured in the page by a `MutationObserver`, and stands beside its goal.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import math
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright
from rich.table import Table

from benchmarks.measure import console
from benchmarks.queries import fill
from control_plane.store import EmbeddedStore
from tests.conftest import RunningServer, running_server

TASKS = 100_000
SERIES, POINTS = 20, 1_000
GOALS_MS = {
    "first rows of the table": 500,
    "search that leaves a few": 300,
    "task page": 400,
    f"scalars, {SERIES} series": 700,
    "change on the server, seen": 1000,
}
WHEN = """([selector, text]) => new Promise(done => {
  const began = performance.now();
  const there = () => [...document.querySelectorAll(selector)].some(one => one.textContent.includes(text));
  if (there()) return done(0);
  const observer = new MutationObserver(() => {
    if (!there()) return;
    observer.disconnect();
    requestAnimationFrame(() => done(performance.now() - began));
  });
  observer.observe(document.body, {subtree: true, childList: true, characterData: true});
})"""
"""The ms from now until an element with this text is there, and drawn."""


TYPED = (
    "const box = document.querySelector('.search-box input'); box.value = '#%s'; box.dispatchEvent(new Event('input'))"
)


def seen(page: Page, act: Callable[[], Any] | str, selector: str, text: str = "") -> float:
    """The ms from an act to what it brings into sight. A text is done in the page: no way there and back is counted."""
    if isinstance(act, str):
        return float(
            page.evaluate(
                f"async given => {{ const found = ({WHEN})(given); {act}; return await found; }}", [selector, text]
            )
        )
    began = time.perf_counter()
    act()
    page.evaluate(WHEN, [selector, text])
    return (time.perf_counter() - began) * 1e3


def curves(server: RunningServer) -> str:
    """A task with many series."""
    task = str(server.call("tasks.create", {"name": "with curves", "type": "training"})["id"])
    for series in range(SERIES):
        point = {"type": "training_stats_scalar", "task": task, "metric": f"metric {series}", "variant": "v"}
        lines = [{**point, "iter": n, "value": math.sin(n / 50), "timestamp": n} for n in range(POINTS)]
        body = "\n".join(map(json.dumps, lines)).encode()
        server.call("events.add_batch", body, headers={"Content-Type": "application/json-lines"})
    return task


def walk(page: Page, server: RunningServer, task: str, rounds: int) -> dict[str, list[float]]:
    """Everything, `rounds` times; a first one is not counted: it fetches the page's files."""
    found: dict[str, list[float]] = {name: [] for name in GOALS_MS}
    first, search, opened, scalars, live = GOALS_MS
    click = "document.querySelector('{}').click()"
    for number in range(rounds + 1):
        times: dict[str, float] = {}
        page.goto(f"{server.web}/dashboard")
        page.get_by_text("Recent tasks").wait_for()
        times[first] = seen(page, click.format('a[href="/projects/*/tasks"]'), ".grid-row .task-name")
        wanted = f"{number + 41}{number + 37}"
        times[search] = seen(page, TYPED % wanted, ".grid-row:first-child .task-name", f"#{wanted}")
        times[opened] = seen(page, click.format(".grid-row"), ".task-title h1")
        page.goto(f"{server.web}/projects/*/tasks/{task}/execution")
        page.get_by_role("heading", name="with curves").wait_for()
        drawn = ".plot-card:nth-child(4) svg.main-svg"
        times[scalars] = seen(page, click.format('a[href$="/scalars"]'), drawn)
        page.goto(f"{server.web}/projects/*/tasks?sort=-last_update")
        page.locator(".grid-row .task-name").first.wait_for()
        page.wait_for_timeout(1500)  # as when somebody looks at it: nothing else goes on
        changed = f"with curves {number}"
        rename = functools.partial(server.call, "tasks.update", {"task": task, "name": changed})
        times[live] = seen(page, rename, ".grid-row .task-name", changed)
        server.call("tasks.update", {"task": task, "name": "with curves"})
        if number:
            for name, ms in times.items():
                found[name].append(ms)
    return found


def measure(tasks: int, rounds: int) -> dict[str, Any]:
    """A store of that many tasks, a server over it, a browser at its page."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("chromium is needed: scripts/_services installs it")

    def browse(url: str) -> dict[str, list[float]]:
        with running_server("--redis", url) as server, sync_playwright() as play:
            task = curves(server)
            server.call("tasks.get_all_ex", {"page": 0, "page_size": 1, "order_by": ["-last_update"]})
            browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(120_000)
            page.goto(f"{server.web}/login")
            page.get_by_label("User or access key").fill(server.access_key)
            page.get_by_label("Password or secret key").fill(server.secret_key)
            page.get_by_role("button", name="Log in").click()
            page.get_by_role("button", name="Log out").wait_for()
            try:
                return walk(page, server, task, rounds)
            finally:
                browser.close()

    async def with_store() -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True) as folder:
            async with EmbeddedStore(Path(folder) / "store") as embedded:
                await fill(embedded.url, tasks)
                return {"tasks": tasks, "ms": await asyncio.to_thread(browse, embedded.url)}

    return asyncio.run(with_store())


def show(title: str, found: dict[str, Any]) -> None:
    table = Table(title=f"{title}: {found['tasks']:,} tasks", title_justify="left")
    for column in ("what", "ms, median [min..max]", "goal"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, ms in found["ms"].items():
        table.add_row(name, f"{statistics.median(ms):.0f} [{min(ms):.0f}..{max(ms):.0f}]", f"<= {GOALS_MS[name]}")
    console.print(table)


def run(title: str, *, rounds: int) -> None:
    show(title, measure(TASKS, rounds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = measure(arguments.tasks, arguments.rounds)
    show("the web page", found)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
