"""Start a server, fill it with an example of everything, and take a picture of every page: light and dark, 1440 and
400 px wide, into `.run/screenshots`. Prints what the browser complained about, and exits with 1 if it did."""

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Response, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.conftest import RunningServer, running_server
from tests.e2e.browser.examples import Examples, fill

OUT = Path(__file__).parent.parent / ".run" / "screenshots"
TOO_WIDE = (
    "Math.max(...[document.documentElement, document.querySelector('main')]"
    ".map(one => one.scrollWidth - one.clientWidth))"
)
"""By how much the page is wider than the window, or what is in the frame than the frame."""
DRAWN = (
    "[...document.querySelectorAll('.plot')].every(one => one.querySelector('.main-svg') || !one.clientHeight"
    " || one.getBoundingClientRect().top > Math.min(innerHeight,"
    " one.closest('.charts')?.getBoundingClientRect().bottom ?? innerHeight) + 150)"
)
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def pages(examples: Examples) -> dict[str, str]:
    """Name of a picture -> address below the page's root."""
    project, task = examples.project, examples.trained
    of_task = f"projects/{project}/tasks/{task}"
    tabs = (
        "execution",
        "configuration/hyperparameters/Args",
        "configuration/objects/model",
        "artifacts",
        "info",
        "console",
        "scalars",
        "plots",
        "debug-samples",
    )
    return {
        "dashboard": "dashboard",
        "projects": "projects",
        "overview": f"projects/{project}/overview",
        "tasks": f"projects/{project}/tasks",
        "tasks-charts": f"projects/{project}/tasks?charts=scalars",
        "tasks-charts-plots": f"projects/{project}/tasks?charts=plots",
        "tasks-charts-selected": f"projects/{project}/tasks?charts=scalars&selected={','.join(examples.compared[:2])}",
        **{f"task-{tab.partition('/')[0]}{'-object' if 'objects' in tab else ''}": f"{of_task}/{tab}" for tab in tabs},
        "draft": f"projects/{project}/tasks/{examples.draft}/execution",
        "models": "models",
        "model": f"projects/{project}/models/{examples.model}/network",
        **{
            f"compare-{view}": f"projects/{project}/compare-tasks/{view}?ids={','.join(examples.compared)}"
            for view in ("details", "hyperparameters", "scalars", "values", "parallel", "scatter", "plots", "samples")
        },
        **{
            f"compare-models-{view}": f"projects/{project}/compare-models/{view}?ids={','.join(examples.models)}"
            for view in ("details", "metadata", "scalars", "plots")
        },
        "queues": "workers-and-queues/queues",
        "workers": "workers-and-queues/workers",
        "pipelines": "pipelines",
        "pipeline": f"pipelines/{examples.pipeline_project}/experiments/{examples.pipeline}",
        "datasets": "datasets",
        "dataset": f"datasets/simple/{examples.dataset_project}/experiments/{examples.dataset}",
        "model-scalars": f"projects/{project}/models/{examples.model}/scalars",
        "reports": "reports",
        "report": f"reports/{examples.report_project}/{examples.report}",
        "odd-tasks": f"projects/{examples.odd_project}/tasks",
        **{f"odd-{tab}": f"projects/*/tasks/{examples.odd}/{tab}" for tab in (*tabs[:2], "info", "console", "scalars")},
        "odd-compare": f"projects/*/compare-tasks/hyperparameters?ids={examples.odd},{task}",
        "odd-projects": "projects?q=odd",
        "settings": "settings/workspace-configuration",
        "users": "settings/users",
        "search": "search?q=train",
    }


def steps(examples: Examples) -> dict[str, tuple[str, Callable[[Page], None] | None]]:
    """Name of a picture -> address, and what is done there before it is taken."""
    tasks = f"projects/{examples.project}/tasks"
    draft = f"projects/{examples.project}/tasks/{examples.draft}"

    def button(name: str) -> Callable[[Page], None]:
        return lambda page: page.locator("main").get_by_role("button", name=name, exact=True).first.click()

    def edit(title: str) -> Callable[[Page], None]:
        def do(page: Page) -> None:
            part = page.locator(f'section[aria-label="{title}"]')
            part.hover()
            part.get_by_role("button", name="Edit", exact=True).click()

        return do

    return {
        "do-menu": (tasks, lambda page: page.locator(".grid-row").nth(1).click(button="right")),
        "do-many": (tasks, lambda page: page.get_by_label("Select all").check()),
        "do-columns": (tasks, button("Columns")),
        "do-tags": (tasks, lambda page: page.get_by_role("button", name="Filter by Tags").click()),
        "do-clone": (draft, button("Clone")),
        "do-enqueue": (draft, button("Enqueue")),
        "do-new": (tasks, button("New task")),
        "do-edit-code": (f"{draft}/execution", edit("Source code")),
        "do-edit-values": (f"{draft}/configuration/hyperparameters/Args", edit("Args")),
        "do-new-project": ("projects", button("New project")),
        "do-worker": ("workers-and-queues/workers", button("machine:gpu0")),
        "do-step": (
            f"pipelines/{examples.pipeline_project}/experiments/{examples.pipeline}",
            lambda page: page.locator(".dag-node").first.click(),
        ),
        "do-enlarge": (f"{tasks}/{examples.trained}/scalars", button("Enlarge loss")),
        "do-sample": (f"{tasks}/{examples.trained}/debug-samples", button("Open images / sample 0")),
        "do-filtered": (
            f"{tasks}?q=resnet&status=completed,failed&range.last_iteration=10..&tags=sweep,baseline",
            None,
        ),
        "do-nothing": (f"{tasks}?q=no-such-task", None),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description=__doc__)
    parser.add_argument("--only", action="append", default=[], help="pages whose name begins so")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("chromium is needed: scripts/_services installs it", file=sys.stderr)
        return 2
    OUT.mkdir(parents=True, exist_ok=True)
    complaints: list[str] = []
    with running_server() as server, sync_playwright() as play:
        examples = fill(server)
        browser = play.chromium.launch(executable_path=chromium, args=QUIET)
        for scheme in ("light", "dark"):
            for width, height in ((1440, 900), (400, 800)):
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                page.goto(f"{server.web}/login")
                page.get_by_role("button", name="Log in").wait_for()
                page.screenshot(path=str(OUT / f"login-{scheme}-{width}.png"))
                log_in(page, server, complaints)
                wanted = {**{name: (address, None) for name, address in pages(examples).items()}, **steps(examples)}
                for name, (address, do) in wanted.items():
                    if arguments.only and not name.startswith(tuple(arguments.only)):
                        continue
                    page.goto(f"{server.web}/{address}")
                    page.wait_for_timeout(900)  # pages are live: there is no moment when nothing comes any more
                    page.wait_for_function(DRAWN)
                    if do is not None:
                        do(page)
                        page.wait_for_timeout(600)
                    page.screenshot(path=str(OUT / f"{name}-{scheme}-{width}.png"))
                    if (wide := page.evaluate(TOO_WIDE)) > 0:
                        complaints.append(f"{name} at {width}: {wide} px too wide")
                page.close()
        browser.close()
    print("\n".join(complaints))
    print(f"pictures in {OUT}")
    return 1 if complaints else 0


def log_in(page: Page, server: RunningServer, complaints: list[str]) -> None:
    page.on("console", lambda said: complaints.append(f"{page.url}: {said.text}") if said.type == "error" else None)
    page.on("response", lambda answer: refused(answer, complaints))
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    page.goto(f"{server.web}/login")
    page.get_by_label("User or access key").fill(server.access_key)
    page.get_by_label("Password or secret key").fill(server.secret_key)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Log out").wait_for()


def refused(answer: Response, complaints: list[str]) -> None:
    if answer.status >= 400:
        complaints.append(f"{answer.status} {answer.url}: {answer.request.post_data} -> {answer.text()[:500]}")


if __name__ == "__main__":
    sys.exit(main())
