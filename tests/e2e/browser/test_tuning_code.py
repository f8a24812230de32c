"""Tuning a task at the page: its code, packages, changes, container and output, and what an agent makes of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import RunningServer
from tests.e2e.agent.core.conftest import Agent, Tasks
from tests.e2e.browser.steps import draft, edit, enqueue, fill, open_task, save, section, task_of

pytestmark = pytest.mark.timeout(240)


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits on main, a tag on the first, and a branch `other`."""
    folder = tmp_path / "repository"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "train.py").write_text("import os\nprint('I AM one in', os.path.basename(os.getcwd()))\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    git(folder, "tag", "first")
    (folder / "deep" / "train.py").write_text("import os\nprint('I AM two in', os.path.basename(os.getcwd()))\n")
    git(folder, "commit", "-qam", "two")
    git(folder, "checkout", "-q", "-b", "other")
    (folder / "deep" / "train.py").write_text("import os\nprint('I AM other in', os.path.basename(os.getcwd()))\n")
    git(folder, "commit", "-qam", "other")
    git(folder, "checkout", "-q", "main")
    return folder


@pytest.mark.rows("S4-013", "S4-017", "S4-018")
def test_repository_script_and_folder_are_edited_and_the_agent_runs_them(
    agent: Agent, tasks: Tasks, server: RunningServer, inside: Page, repository: Path
) -> None:
    page = inside
    task = draft(server, "edited code", script={"diff": "", "entry_point": "wrong.py"})
    open_task(page, server, task)
    part = edit(page, "Source code")
    fill(part, Repository=repository.as_uri(), Script="train.py", Working_directory="deep")
    part.get_by_label("Revision by").select_option("Last commit in branch")
    part.get_by_label("Revision", exact=True).fill("main")
    save(part)
    expect(part).to_contain_text(repository.as_uri())
    script = task_of(server, task)["script"]
    assert (script["repository"], script["entry_point"], script["working_dir"]) == (
        repository.as_uri(),
        "train.py",
        "deep",
    )
    agent.start(queue=tasks.queue)
    enqueue(page, server, task, tasks.queue)
    assert tasks.finished(task)["status"] == "completed", tasks.console(task)
    assert "I AM two in deep" in tasks.console(task)


@pytest.mark.rows("S4-014", "S4-015", "S4-016")
def test_a_commit_is_chosen_by_id_by_tag_or_as_the_last_of_a_branch(
    agent: Agent, tasks: Tasks, server: RunningServer, inside: Page, repository: Path
) -> None:
    page = inside
    first = git(repository, "rev-parse", "first")
    start = {
        "repository": repository.as_uri(),
        "branch": "main",
        "entry_point": "train.py",
        "working_dir": "deep",
        "diff": "",
    }
    agent.start(queue=tasks.queue)
    for kind, value, field, ran in (
        ("Commit ID", first, "version_num", "one"),
        ("Tag name", "first", "tag", "one"),
        ("Last commit in branch", "other", "branch", "other"),
    ):
        task = draft(server, f"by {kind}", script=start)
        open_task(page, server, task)
        part = edit(page, "Source code")
        part.get_by_label("Revision by").select_option(kind)
        part.get_by_label("Revision", exact=True).fill(value)
        save(part)
        script = task_of(server, task)["script"]
        assert script[field] == value and (field == "version_num" or not script.get("version_num"))
        enqueue(page, server, task, tasks.queue)
        assert tasks.finished(task)["status"] == "completed", tasks.console(task)
        assert f"I AM {ran} in deep" in tasks.console(task)


def test_a_commit_id_that_is_none_is_refused_with_the_reason(server: RunningServer, inside: Page) -> None:
    page, task = inside, draft(server)
    open_task(page, server, task)
    part = edit(page, "Source code")
    part.get_by_label("Revision by").select_option("Commit ID")
    part.get_by_label("Revision", exact=True).fill("main")
    part.get_by_role("button", name="Save").click()
    expect(part.get_by_role("alert")).to_contain_text("hexadecimal digits")
    part.get_by_role("button", name="Cancel").click()
    assert not task_of(server, task)["script"].get("version_num")


@pytest.mark.rows("S4-019")
def test_the_binary_is_edited_and_the_agent_uses_that_interpreter(
    agent: Agent, tasks: Tasks, server: RunningServer, inside: Page, tmp_path: Path
) -> None:
    page = inside
    chosen = tmp_path / "chosen" / "python3"
    chosen.parent.mkdir()
    chosen.symlink_to(Path(sys.executable).resolve())
    code = "import sys, pathlib\nprint('CONFIG', pathlib.Path(sys.prefix, 'pyvenv.cfg').read_text())\n"
    task = draft(server, "another binary", script={"diff": code, "binary": "python2.7"})
    open_task(page, server, task)
    part = edit(page, "Source code")
    fill(part, Binary=str(chosen))
    save(part)
    assert task_of(server, task)["script"]["binary"] == str(chosen)
    agent.start(queue=tasks.queue)
    enqueue(page, server, task, tasks.queue)
    assert tasks.finished(task)["status"] == "completed", tasks.console(task)
    real = Path(sys.executable).resolve()
    assert str(chosen.parent) in tasks.console(task) or str(real.parent) in tasks.console(task)


@pytest.mark.rows("S4-020", "S4-021")
def test_the_packages_that_one_writes_are_installed_and_none_when_they_are_cleared(
    agent: Agent, tasks: Tasks, server: RunningServer, inside: Page, index: Any, index_server: Any, repository: Path
) -> None:
    page = inside
    index.add("wanted_here", "1.5")
    index.add("from_the_repository", "2.5")
    (repository / "requirements.txt").write_text("from_the_repository\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "requirements")
    agent.variables["CLEARML__AGENT__PACKAGE_MANAGER__EXTRA_INDEX_URL"] = index_server.url()
    agent.start(queue=tasks.queue)
    code = (
        "import importlib.metadata as m\n"
        "print('HAS', sorted(d.name for d in m.distributions() if d.name in ('wanted_here', 'from_the_repository')))\n"
    )
    (repository / "deep" / "train.py").write_text(code)
    git(repository, "commit", "-qam", "look")
    of_repository = {
        "repository": repository.as_uri(),
        "branch": "main",
        "entry_point": "train.py",
        "working_dir": "deep",
    }

    def ran(task: str) -> str:
        enqueue(page, server, task, tasks.queue)
        assert tasks.finished(task)["status"] == "completed", tasks.console(task)
        return next(line for line in tasks.console(task).splitlines() if line.startswith("HAS "))

    edited = draft(
        server, "with packages", script={**of_repository, "diff": "", "requirements": {"pip": "not_there_at_all"}}
    )
    open_task(page, server, edited)
    part = edit(page, "Installed packages")
    part.get_by_label("Installed packages").fill("wanted_here==1.5")
    save(part)
    assert ran(edited) == "HAS ['wanted_here']"

    for script, found in ((of_repository, "HAS ['from_the_repository']"), ({}, "HAS []")):
        own = {"diff": "" if script else code, "requirements": {"pip": "not_there_at_all"}, **script}
        cleared = draft(server, "without packages", script=own)
        open_task(page, server, cleared)
        part = section(page, "Installed packages")
        part.hover()
        part.get_by_role("button", name="Clear").click()
        expect(part).to_contain_text("None: the agent installs the repository's requirements.txt")
        assert task_of(server, cleared)["script"]["requirements"]["pip"] == ""
        assert ran(cleared) == found


@pytest.mark.rows("S4-022", "S4-025")
def test_controls_appear_when_one_points_at_a_part_and_packages_can_be_set_back(
    server: RunningServer, inside: Page
) -> None:
    page = inside
    requirements = {"pip": "numpy==1.0\n", "orig_pip": "numpy==2.0\npandas==2.2\n"}
    task = draft(
        server, "with original", script={"requirements": requirements}, container={"image": "i"}, output_dest="/o"
    )
    open_task(page, server, task)
    expected = {
        "Source code": ["Edit"], "Installed packages": ["Edit", "Clear", "Original Pip"],
        "Uncommitted changes": ["Edit", "Discard"], "Container": ["Edit", "Clear"], "Output": ["Edit", "Clear"],
    }  # fmt: skip
    for title, controls in expected.items():
        part = section(page, title)
        page.get_by_role("heading", level=1).hover()
        buttons = part.locator(".section-tools .button")
        expect(buttons).to_have_text(controls)
        expect(buttons.first).to_have_css("opacity", "0")
        part.hover()
        expect(buttons.first).to_have_css("opacity", "1")
    part = section(page, "Installed packages")
    part.get_by_role("button", name="Original Pip").click()
    expect(part.get_by_role("button", name="Original Pip")).to_have_count(0)
    found = task_of(server, task)["script"]["requirements"]
    assert found["pip"].strip() == requirements["orig_pip"].strip() == found["orig_pip"].strip()
    page.get_by_role("button", name="Undo").click()
    expect(part).to_contain_text("numpy==1.0")


@pytest.mark.rows("S4-023", "S4-024")
def test_uncommitted_changes_are_edited_applied_by_the_agent_and_discarded(
    agent: Agent, tasks: Tasks, server: RunningServer, inside: Page, repository: Path
) -> None:
    page = inside
    (repository / "deep" / "train.py").write_text("print('I AM changed')\n")
    change = git(repository, "diff") + "\n"
    git(repository, "checkout", "-q", ".")
    start = {"repository": repository.as_uri(), "branch": "main", "entry_point": "train.py", "working_dir": "deep"}
    task = draft(server, "with changes", script={**start, "diff": change.replace("changed", "recorded")})
    open_task(page, server, task)
    part = edit(page, "Uncommitted changes")
    part.get_by_label("Uncommitted changes").fill(change)
    save(part)
    assert task_of(server, task)["script"]["diff"] == change
    agent.start(queue=tasks.queue)
    enqueue(page, server, task, tasks.queue)
    assert tasks.finished(task)["status"] == "completed", tasks.console(task)
    assert "I AM changed" in tasks.console(task)

    clean = draft(server, "without changes", script={**start, "diff": change})
    open_task(page, server, clean)
    part = section(page, "Uncommitted changes")
    part.hover()
    part.get_by_role("button", name="Discard").click()
    expect(part).to_contain_text("None.")
    assert task_of(server, clean)["script"]["diff"] == ""
    enqueue(page, server, clean, tasks.queue)
    assert "I AM two in deep" in tasks.console(tasks.finished(clean)["id"])


@pytest.mark.rows("S4-026", "S4-027")
def test_a_container_is_set_changed_and_taken_away_and_ignored_where_the_agent_has_no_docker(
    agent: Agent, tasks: Tasks, server: RunningServer, inside: Page
) -> None:
    page, task = inside, draft(server, "in a container")
    open_task(page, server, task)
    for image, words in (("python:3.12", ""), ("nvidia/cuda:12.4.0", "--ipc=host")):
        part = edit(page, "Container")
        fill(part, Image=image, Arguments=words)
        save(part)
        expect(part).to_contain_text(image)
        container = task_of(server, task)["container"]
        assert (container["image"], container.get("arguments", "")) == (image, words)
    agent.start(queue=tasks.queue)
    enqueue(page, server, task, tasks.queue)
    assert tasks.finished(task)["status"] == "completed", tasks.console(task)
    said = tasks.console(task)
    assert "as recorded" in said and "nvidia/cuda:12.4.0" in said and "docker" in said.lower()
    server.call("tasks.reset", {"task": task})
    part = section(page, "Container")
    part.hover()
    part.get_by_role("button", name="Clear").click()
    expect(part).to_contain_text("None: agents in docker mode")
    assert not any(task_of(server, task)["container"].values())


@pytest.mark.rows("S4-028", "S4-029")
def test_an_output_destination_is_set_changed_and_taken_away_in_every_form(server: RunningServer, inside: Page) -> None:
    page, task = inside, draft(server, "with output")
    open_task(page, server, task)

    def destination() -> str:
        return str(task_of(server, task)["output"].get("destination") or "")

    for text in (
        "/mnt/share/folder",
        "s3://bucket/folder",
        "s3://minio.local:9000/bucket",
        "gs://bucket-name/folder",
        "azure://account.blob.core.windows.net/path/to/file",
    ):
        part = edit(page, "Output")
        part.locator("input").fill(text)
        save(part)
        expect(part).to_contain_text(text)
        assert destination() == text
    part = edit(page, "Output")
    for wrong, said in (("s3://minio.local/bucket", "needs its port"), ("bucket/folder", "absolute folder")):
        part.locator("input").fill(wrong)
        part.get_by_role("button", name="Save").click()
        expect(part.get_by_role("alert")).to_contain_text(said)
    part.get_by_role("button", name="Cancel").click()
    assert destination() == "azure://account.blob.core.windows.net/path/to/file"
    part.hover()
    part.get_by_role("button", name="Clear").click()
    expect(part.get_by_role("button", name="Clear")).to_have_count(0)
    assert destination() == ""
