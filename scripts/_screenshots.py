"""Start a server, fill it with an example of everything, and take a picture of every page: light and dark, 1440 and
400 px wide, into `.run/screenshots`. Prints what the browser complained about, and exits with 1 if it did."""

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, Response, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.conftest import RunningServer, running_server
from tests.e2e.browser.examples import Examples, fill

OUT = Path(__file__).parent.parent / ".run" / "screenshots"
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
        **{f"task-{tab.partition('/')[0]}{'-object' if 'objects' in tab else ''}": f"{of_task}/{tab}" for tab in tabs},
        "draft": f"projects/{project}/tasks/{examples.draft}/execution",
        "models": "models",
        "model": f"projects/{project}/models/{examples.model}/network",
        **{
            f"compare-{view}": f"projects/{project}/compare-tasks/{view}?ids={','.join(examples.compared)}"
            for view in ("details", "hyperparameters", "scalars", "values", "parallel", "scatter", "plots", "samples")
        },
        "queues": "workers-and-queues/queues",
        "workers": "workers-and-queues/workers",
        "pipelines": "pipelines",
        "pipeline": f"pipelines/{examples.pipeline_project}/experiments/{examples.pipeline}",
        "datasets": "datasets",
        "settings": "settings/workspace-configuration",
        "users": "settings/users",
        "search": "search?q=train",
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
                log_in(page, server, complaints)
                for name, address in pages(examples).items():
                    if arguments.only and not name.startswith(tuple(arguments.only)):
                        continue
                    page.goto(f"{server.web}/{address}")
                    page.wait_for_timeout(900)  # pages are live: there is no moment when nothing comes any more
                    page.screenshot(path=str(OUT / f"{name}-{scheme}-{width}.png"))
                    wide = page.evaluate("document.documentElement.scrollWidth")
                    if wide > width:
                        complaints.append(f"{name} at {width}: {wide} px wide")
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
