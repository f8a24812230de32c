"""Every page once, without a complaint of the browser's or a serious finding of axe's; and what single pages do."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import RunningServer
from tests.e2e.browser.conftest import Watched, log_in
from tests.e2e.browser.examples import Examples
from tests.e2e.browser.steps import draft, edit, project_of, save, section, task_of

WEIGHT_BYTES = 150_000
TOO_WIDE = (
    "Math.max(...[document.documentElement, document.querySelector('main')]"
    ".map(one => one.scrollWidth - one.clientWidth))"
)


def addresses(examples: Examples) -> dict[str, tuple[str, str]]:
    """Name -> (address, a text that the page shows when it is there)."""
    of_task = f"projects/{examples.project}/tasks/{examples.trained}"
    compared = f"ids={','.join(examples.compared)}"
    compare = f"projects/{examples.project}/compare-tasks"
    of_models = f"ids={','.join(examples.models)}"
    models = f"projects/{examples.project}/compare-models"
    return {
        "dashboard": ("dashboard", "Recent tasks"),
        "projects": ("projects", "All projects"),
        "overview": (f"projects/{examples.project}/overview", "What we know about"),
        "tasks": (f"projects/{examples.project}/tasks", "train resnet101"),
        "table with curves": (f"projects/{examples.project}/tasks?charts=scalars", "loss / validation"),
        "table with plots": (f"projects/{examples.project}/tasks?charts=plots", "confusion / validation"),
        "execution": (f"{of_task}/execution", "torch==2.4.0"),
        "configuration": (f"{of_task}/configuration/hyperparameters/Args", "batch_size"),
        "object": (f"{of_task}/configuration/objects/model", "dropout"),
        "artifacts": (f"{of_task}/artifacts", "predictions"),
        "info": (f"{of_task}/info", "Running → Completed"),
        "console": (f"{of_task}/console", "epoch 119"),
        "scalars": (f"{of_task}/scalars", "best accuracy"),
        "plots": (f"{of_task}/plots", "confusion / validation"),
        "samples": (f"{of_task}/debug-samples", "Iteration 119"),
        "models": ("models", "resnet trained"),
        "network": (f"projects/*/models/{examples.model}/network", "dropout"),
        "lineage": (f"projects/*/models/{examples.model}/lineage", "train resnet50 low rate"),
        "compare details": (f"{compare}/details?{compared}", "Source code"),
        "compare hyperparameters": (f"{compare}/hyperparameters?{compared}", "batch_size"),
        "compare values": (f"{compare}/values?{compared}", "loss / validation"),
        "compare scalars": (f"{compare}/scalars?{compared}", "loss / validation"),
        "compare parallel": (f"{compare}/parallel?{compared}", "General/depth"),
        "compare scatter": (f"{compare}/scatter?{compared}", "train vit"),
        "compare plots": (f"{compare}/plots?{compared}", "confusion / validation"),
        "compare samples": (f"{compare}/samples?{compared}", "images / sample 1"),
        "compare models": (f"{models}/details?{of_models}", "fox"),
        "compare metadata": (f"{models}/metadata?{of_models}", "licence"),
        "compare model curves": (f"{models}/scalars?{of_models}", "epoch/loss / test"),
        "compare model plots": (f"{models}/plots?{of_models}", "confusion / test"),
        "queues": ("workers-and-queues/queues?", "gpu"),
        "workers": ("workers-and-queues/workers", "machine:gpu0"),
        "pipelines": ("pipelines", "nightly"),
        "pipeline": (f"pipelines/{examples.pipeline_project}/experiments/{examples.pipeline}", "nightly"),
        "datasets": ("datasets", "animals 1.0.2"),
        "dataset": (f"datasets/simple/{examples.dataset_project}/experiments/{examples.dataset}", "picture 0001"),
        "model curves": (f"projects/*/models/{examples.model}/scalars", "epoch/loss"),
        "model plots": (f"projects/*/models/{examples.model}/plots", "confusion / test"),
        "odd table": (f"projects/{examples.odd_project}/tasks", "1 task"),
        "odd task": (f"projects/*/tasks/{examples.odd}/execution", "Source code"),
        "odd parameters": (f"projects/*/tasks/{examples.odd}/configuration", "Hyperparameters"),
        "odd info": (f"projects/*/tasks/{examples.odd}/info", "History"),
        "odd console": (f"projects/*/tasks/{examples.odd}/console", "Download"),
        "odd comparison": (f"{compare}/hyperparameters?ids={examples.odd},{examples.trained}", "batch_size"),
        "report": (f"reports/{examples.report_project}/{examples.report}", "The sweep"),
        "reports": ("reports", "What the sweep says"),
        "credentials": ("settings/workspace-configuration", "Create new credentials"),
        "users": ("settings/users", "New user"),
        "search": ("search?q=resnet", "train resnet101"),
    }


def serious(page: Page, options: str) -> list[str]:
    """What axe, which the page has loaded, finds."""
    result = page.evaluate(f"axe.run(document, {{resultTypes: ['violations'], {options}}})")
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in result["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"][:3]
    ]


@pytest.mark.timeout(600)  # npm may be slow
def test_every_page_shows_what_it_should_and_axe_finds_nothing_serious(
    server: RunningServer, inside: Page, examples: Examples, axe: str | None
) -> None:
    page = inside
    page.emulate_media(reduced_motion="reduce")  # no colour is on its way to another
    found: list[str] = []
    for name, (address, text) in addresses(examples).items():
        page.goto(f"{server.web}/{address}")
        expect(page.locator("main").get_by_text(text).first, name).to_be_visible()
        if axe is None:
            continue
        page.evaluate(axe)
        found += [f"{name}: {one}" for one in serious(page, "")]
        page.evaluate("localStorage.setItem('clearml.theme', 'dark'); document.documentElement.dataset.theme = 'dark'")
        assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
        found += [f"{name} in the dark: {one}" for one in serious(page, "runOnly: ['color-contrast']")]
        page.evaluate("localStorage.setItem('clearml.theme', 'light')")
    assert found == [], "\n".join(found)
    if axe is None:
        pytest.skip("every page was shown, but there is no npm here to fetch axe with")


def test_the_page_without_plots_is_light_and_later_visits_load_nothing_again(
    server: RunningServer, inside: Page, examples: Examples
) -> None:
    page = inside
    for _ in range(2):
        page.goto(f"{server.web}/dashboard")
        expect(page.get_by_text("Recent tasks")).to_be_visible()
    sizes = (
        "performance.getEntriesByType('resource').filter(one => one.name.includes('/assets/'))"
        ".map(one => [one.name, one.encodedBodySize, one.transferSize])"
    )
    loaded = page.evaluate(sizes)
    assert 0 < sum(size for _, size, _ in loaded) < WEIGHT_BYTES
    assert sum(moved for _, _, moved in loaded) == 0  # from the browser's own memory: their address names the build
    assert not any("plotly" in name for name, _, _ in loaded)


def test_projects_are_made_renamed_moved_and_deleted(server: RunningServer, inside: Page) -> None:
    page = inside

    def known(name: str) -> bool:
        return any(one["name"] == name for one in server.call("projects.get_all", {"name": f"^{name}$"})["projects"])

    def menu(name: str, entry: str) -> None:
        page.get_by_role("button", name=f"Actions for {name}", exact=True).click()
        page.get_by_role("menuitem", name=entry).click()

    page.goto(f"{server.web}/projects")
    page.get_by_role("button", name="New project").click()
    box = page.get_by_role("dialog")
    box.get_by_label("Name", exact=True).fill("made here")
    box.get_by_role("button", name="Create").click()
    expect(page.get_by_role("link", name="made here")).to_be_visible()
    menu("made here", "Rename")
    box.get_by_label("Name", exact=True).fill("renamed here")
    box.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="renamed here")).to_be_visible()
    assert known("renamed here") and not known("made here")
    menu("renamed here", "Move")
    box.get_by_role("combobox", name="Under").fill("some folder")
    page.get_by_role("option", name="Create New").click()
    box.get_by_role("button", name="Move").click()
    expect(page.get_by_role("link", name="some folder")).to_be_visible()
    assert known("some folder/renamed here")
    page.get_by_label("Search projects").fill("renamed here")
    menu("some folder/renamed here", "Delete")
    box.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No project fits.")).to_be_visible()
    assert not known("some folder/renamed here")


def test_a_queue_is_reordered_and_a_task_moved_out(server: RunningServer, inside: Page) -> None:
    page = inside
    queue = server.call("queues.create", {"name": "to be reordered"})["id"]
    tasks = [draft(server, f"waiting {n}") for n in range(3)]
    for task in tasks:
        server.call("tasks.enqueue", {"task": task, "queue": queue})

    def order() -> list[str]:
        (found,) = server.call("queues.get_all", {"id": [queue]})["queues"]
        return [f"waiting {tasks.index(entry['task'])}" for entry in found["entries"]]

    page.goto(f"{server.web}/workers-and-queues/queues?queue={queue}")
    rows = page.locator(".queue-row .ellipsis")
    expect(rows).to_have_text(["waiting 0", "waiting 1", "waiting 2"])
    page.get_by_role("button", name="Move waiting 2 to the top").click()
    expect(rows).to_have_text(["waiting 2", "waiting 0", "waiting 1"])
    page.locator(".queue-row").nth(2).drag_to(page.locator(".queue-row").nth(1))
    expect(rows).to_have_text(["waiting 2", "waiting 1", "waiting 0"])
    assert order() == ["waiting 2", "waiting 1", "waiting 0"]
    page.get_by_role("button", name="Remove waiting 1 from the queue").click()
    expect(rows).to_have_text(["waiting 2", "waiting 0"])
    assert task_of(server, tasks[1])["status"] == "created"


def test_credentials_are_made_with_a_configuration_that_works_and_revoked(server: RunningServer, inside: Page) -> None:
    page = inside
    page.goto(f"{server.web}/settings/workspace-configuration")
    page.get_by_role("button", name="Create new credentials").click()
    page.get_by_label("Label").fill("of the test")
    page.get_by_role("dialog").get_by_role("button", name="Create").click()
    text = page.get_by_role("dialog").locator("pre").inner_text()
    pairs = dict(line.strip().replace('"', "").split(" = ") for line in text.splitlines() if " = " in line)
    assert f"api_server: {server.facts['api_server']}" in text and f"files_server: {server.files}" in text
    page.keyboard.press("Escape")
    expect(page.get_by_role("cell", name="of the test")).to_be_visible()
    keys = server.call("auth.get_credentials")["credentials"]
    assert [one["label"] for one in keys if one["access_key"] == pairs["access_key"]] == ["of the test"]
    page.get_by_role("button", name=f"Rename {pairs['access_key']}").click()
    page.get_by_role("dialog").get_by_label("Label").fill("of another machine")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("cell", name="of another machine")).to_be_visible()
    page.get_by_role("button", name=f"Revoke {pairs['access_key']}").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("cell", name="of another machine")).to_have_count(0)


def test_a_person_changes_their_name(server: RunningServer, watched: Callable[[], tuple[Page, Watched]]) -> None:
    page, _ = watched()
    user = server.call("auth.create_user", {"name": "before", "company": "c", "email": "n"})["id"]
    server.call("auth.set_password", {"user": user, "password": "a name: 1"})
    log_in(page, server, "before", "a name: 1")
    page.goto(f"{server.web}/settings/profile")
    page.get_by_role("button", name="Change name").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Ömer 漢字")
    page.get_by_role("dialog").get_by_role("button", name="Change").click()
    expect(page.locator("#who")).to_contain_text("Ömer 漢字")
    assert server.call("users.get_by_id", {"user": user})["user"]["name"] == "Ömer 漢字"
    log_in(page, server, "Ömer 漢字", "a name: 1")


def test_zooming_in_fetches_the_points_that_were_thinned_out(server: RunningServer, inside: Page) -> None:
    from tests.e2e.browser.examples import report

    page, task = inside, draft(server, "long curve")
    point = {"type": "training_stats_scalar", "metric": "long", "variant": "v", "task": task}
    report(server, [{**point, "iter": n, "value": n % 7, "timestamp": n} for n in range(5000)])
    page.goto(f"{server.web}/projects/*/tasks/{task}/scalars")
    plot = page.get_by_role("group", name="Plot of long")
    expect(plot.locator("svg.main-svg").first).to_be_visible()
    assert plot.evaluate("one => one.data[0].x.length") <= 600
    plot.evaluate("one => Plotly.relayout(one, {'xaxis.range[0]': 1000, 'xaxis.range[1]': 1099})")
    expect(plot).to_have_attribute("data-points", "100")


def test_debug_samples_of_tasks_stand_beside_each_other_at_one_iteration(server: RunningServer, inside: Page) -> None:
    from tests.e2e.browser.examples import png, report, upload

    page, tasks = inside, [draft(server, name) for name in ("first one", "second one")]
    sample = {"type": "training_debug_image", "metric": "faces", "variant": "best", "timestamp": 1}
    for task, steps in zip(tasks, ((0, 10, 20), (0, 15)), strict=True):
        for step in steps:
            url = upload(server, f"/compared/{task}/{step}.png", png(8, (step * 10, 90, 60)), "image/png")
            report(server, [{**sample, "task": task, "iter": step, "url": url}])
    page.goto(f"{server.web}/projects/*/compare-tasks/samples?ids={','.join(tasks)}")
    shown = page.get_by_role("region", name="faces / best").locator(".sample")
    expect(shown).to_have_text(["first oneIteration 20", "second oneIteration 15"])
    page.get_by_label("Iteration").select_option("10")
    expect(shown).to_have_text(["first oneIteration 10", "second oneIteration 0"])
    page.reload()
    expect(shown).to_have_text(["first oneIteration 10", "second oneIteration 0"])
    expect(shown.nth(1).locator("img")).to_have_attribute("src", re.compile(f"{tasks[1]}/0.png$"))
    page.get_by_role("button", name="Later").click()
    expect(shown).to_have_text(["first oneIteration 10", "second oneIteration 15"])
    shown.first.click()
    expect(page.get_by_role("dialog")).to_contain_text("first one: faces / best")


def test_the_console_is_searched_and_goes_back_to_its_beginning(server: RunningServer, inside: Page) -> None:
    from tests.e2e.browser.examples import report

    page, task = inside, draft(server, "long console")
    report(
        server,
        [
            {"type": "log", "task": task, "timestamp": 1000 + n, "msg": f"line {n}\n", "level": "info"}
            for n in range(2500)
        ],
    )
    page.goto(f"{server.web}/projects/*/tasks/{task}/console")
    log = page.get_by_role("log")
    expect(log).to_contain_text("line 2499")
    expect(log.get_by_text("line 1000", exact=True)).to_have_count(0)
    page.get_by_label("Search the console").fill("line 2345")
    expect(log.locator(".hit .message")).to_have_text(["line 2345"])
    page.get_by_label("Search the console").fill("LINE 17")
    status = page.locator(".console").get_by_role("status")
    expect(status).to_have_text("111 of 111")
    expect(log.locator(".current .message")).to_have_text("line 1799")
    page.get_by_label("Search the console").press("Enter")
    expect(status).to_have_text("1 of 111")
    expect(log.locator(".current .message")).to_have_text("line 17")
    expect(log.locator(".current")).to_be_in_viewport()
    report(server, [{"type": "log", "task": task, "timestamp": 9000, "msg": "line 17 once more\n"}])
    expect(status).to_have_text("1 of 112")
    page.get_by_label("Only lines found").check()
    listed = page.get_by_role("region", name="Lines found").get_by_role("button")
    expect(listed).to_have_count(112)
    listed.nth(5).click()
    expect(log.locator(".current .message")).to_have_text("line 174")
    log.evaluate("one => one.scrollTo(0, one.scrollHeight)")
    expect(log.get_by_text("line 600", exact=True)).to_be_attached()  # read on when one comes to the end of a window
    page.get_by_role("button", name="Latest").click()
    expect(log.get_by_text("line 17 once more")).to_be_in_viewport()
    page.get_by_label("Search the console").fill("")
    page.get_by_role("button", name="Beginning").click()
    expect(log.get_by_text("line 0", exact=True)).to_be_visible()
    with page.expect_download() as saving:
        page.get_by_role("button", name="Download").click()
    assert saving.value.path().read_text().count("line ") == 2501


def test_a_project_is_described_in_markdown(server: RunningServer, inside: Page) -> None:
    page, project = inside, project_of(server, "described")
    page.goto(f"{server.web}/projects/{project}/overview")
    part = edit(page, "About")
    page.keyboard.press("Escape")  # now Tab leaves the text
    expect(part.get_by_label("About the project")).to_be_focused()
    page.keyboard.press("Escape")
    expect(part.get_by_label("About the project")).to_have_count(0)
    part = edit(page, "About")
    part.get_by_label("About the project").fill("# Title\n\nsome **bold** text and <i>no markup</i>\n\n- one\n- two\n")
    save(part)
    about = section(page, "About")
    expect(about.get_by_role("heading", name="Title")).to_be_visible()
    expect(about.locator("strong")).to_have_text("bold")
    expect(about.locator("li")).to_have_text(["one", "two"])
    expect(about).to_contain_text("<i>no markup</i>")


@pytest.mark.parametrize("width", [400, pytest.param(1440, marks=pytest.mark.full)])
def test_no_page_is_wider_than_the_window(server: RunningServer, inside: Page, examples: Examples, width: int) -> None:
    page = inside
    page.set_viewport_size({"width": width, "height": 800})
    for name, (address, text) in addresses(examples).items():
        page.goto(f"{server.web}/{address}")
        expect(page.locator("main").get_by_text(text).first, name).to_be_attached()
        assert page.evaluate(TOO_WIDE) <= 0, name
