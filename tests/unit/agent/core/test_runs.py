"""Run directories, worker ids and command lines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from clearml_agent import instances, runs
from clearml_agent.arguments import normalise
from clearml_agent.config import AgentConfig, name_worker
from clearml_agent.errors import AlreadyRunning
from clearml_agent.execution import process
from clearml_agent.execution.sdk_wheel import newest_wheel, wants_our_sdk
from clearml_agent.runs import Phase, Record, RunDirectory, Stop, StopKind, take_lock
from clearml_agent.show import masked
from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.config import Config


def record(claim: int = 1) -> Record:
    return Record(task="t", claim=claim, token="secret", worker="w:0")


def test_a_run_is_found_again_with_everything_that_was_decided(tmp_path: Path) -> None:
    first = RunDirectory.create(tmp_path / "runs", record())
    first.record.stop = Stop(StopKind.USER, "stopping")
    first.save()
    assert list(RunDirectory.orphans(tmp_path / "runs")) == []  # its agent lives
    first.leave()
    (found,) = RunDirectory.orphans(tmp_path / "runs")
    assert found.record == first.record
    assert found.phase()[0] is Phase.NOT_STARTED
    found.remove()
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_run_that_is_just_being_removed_needs_no_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDirectory.create(tmp_path / "runs", record())
    (run.path / "result.json").write_text("{}")
    real = runs.read_struct

    def removed_first(path: Path, kind: type[Any]) -> Any:
        run.remove()
        return real(path, kind)

    monkeypatch.setattr(runs, "read_struct", removed_first)
    assert process.stop(run) is False
    assert process.stop(run, now=True) is False


def test_run_files_are_private(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "runs", record())
    assert run.path.stat().st_mode & 0o077 == 0
    assert (run.path / "run.json").stat().st_mode & 0o077 == 0


def test_one_claim_is_one_run(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path, record())
    with pytest.raises(FileExistsError):
        RunDirectory.create(tmp_path, record())
    RunDirectory.create(tmp_path, record(claim=2))


def test_what_a_crash_left_half_made_or_half_removed_is_no_run(tmp_path: Path) -> None:
    for name in (".new.t.1.99", ".gone.t.2", "t.3"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / ".new.t.1.99", (0, 0))
    assert list(RunDirectory.orphans(tmp_path)) == []
    assert [path.name for path in tmp_path.iterdir()] == ["t.3"]


def test_what_another_agent_is_making_is_left_to_it_until_it_dies(tmp_path: Path) -> None:
    half_made = tmp_path / ".new.t.1.99"
    half_made.mkdir()
    held = take_lock(half_made / "agent.lock")
    assert held is not None
    assert list(RunDirectory.orphans(tmp_path)) == []
    assert half_made.exists()
    os.close(held)
    assert list(RunDirectory.orphans(tmp_path)) == []
    assert not half_made.exists()


def settings(home: Path, **changes: object) -> AgentConfig:
    return AgentConfig(
        config=Config({}),
        api=ApiSettings("http://localhost"),
        home=home,
        **{"worker_name": "host", **changes},  # type: ignore[arg-type]
    )


def test_worker_ids_take_the_first_free_slot(tmp_path: Path) -> None:
    first, second = instances.register(settings(tmp_path)), instances.register(settings(tmp_path))
    assert (first.worker, second.worker) == ("host:0", "host:1")
    first.close()
    assert instances.register(settings(tmp_path)).worker == "host:0"
    assert [facts.worker for facts in instances.running(tmp_path)] == ["host:0", "host:1"]


def test_a_fixed_worker_id_is_taken_once(tmp_path: Path) -> None:
    first = instances.register(settings(tmp_path, worker_id="me"))
    with pytest.raises(AlreadyRunning, match="--stop me"):
        instances.register(settings(tmp_path, worker_id="me"))
    first.close()
    assert instances.running(tmp_path) == []


@pytest.mark.parametrize(
    ("worker_id", "gpus", "base", "fixed"),
    [
        ("x", None, "x", True),
        ("", None, "host", False),
        ("", "none", "host:cpu", False),
        ("", "0,1", "host:gpu0,1", True),
        ("", "0:1", "host:gpu0.1", True),
        ("", "all", "host:gpuall", True),
    ],
)
def test_worker_names(worker_id: str, gpus: str | None, base: str, fixed: bool) -> None:
    names = name_worker(worker_id, "host", gpus)
    assert (names.base, names.fixed) == (base, fixed)
    assert names.matches(base if fixed else f"{base}:7")


def test_command_lines_of_the_reference_are_understood(tmp_path: Path) -> None:
    (tmp_path / "args").write_text("--queue\nx\n")
    words = ["daemon", "--queue", "a", "b", "--foreground", "--queue=c", f"@{tmp_path / 'args'}"]
    assert normalise(words) == [
        *("daemon", "--queue", "a", "--queue", "b", "--foreground", "--queue", "c"),
        *("--queue", "x"),
    ]
    assert normalise(["daemon", "--stop"]) == ["daemon", "--stop"]
    assert normalise(["daemon", "--stop", "w:0", "w:1"]) == [
        *("daemon", "--stop", "--stop-worker", "w:0", "--stop-worker", "w:1"),
    ]


def test_words_after_docker_are_the_image_and_its_arguments() -> None:
    words = ["daemon", "--docker", "image:1", "-v /a:/b --ipc=host", "--foreground"]
    assert normalise(words) == [
        *("daemon", "--docker", "--container-word", "image:1", "--container-word", "-v /a:/b --ipc=host"),
        "--foreground",
    ]
    assert normalise(["daemon", "--docker", "--gpus", "0"]) == ["daemon", "--docker", "--gpus", "0"]


def test_which_sdk_a_task_gets() -> None:
    assert wants_our_sdk({"pip": "clearml", "sdk": "clearml-lean==0.1.0"}, "")
    assert not wants_our_sdk({"pip": "clearml"}, "")
    assert wants_our_sdk({"pip": "clearml"}, "ours")
    assert not wants_our_sdk({"sdk": "clearml-lean==0.1.0"}, "official")


def test_the_wheel_is_found_on_an_index_page() -> None:
    page = '<a href="clearml_lean-0.1.0.tar.gz">x</a><a href="clearml_lean-0.1.0-py3-none-any.whl#sha256=ab">y</a>'
    found = newest_wheel("http://api:8008/simple/clearml-lean/", page)
    assert found == "http://api:8008/simple/clearml-lean/clearml_lean-0.1.0-py3-none-any.whl#sha256=ab"
    assert newest_wheel("http://api/", "<html></html>") is None


def test_printed_configuration_has_no_secrets() -> None:
    tree = {
        "api": {"credentials": {"access_key": "AK", "secret_key": "SK"}},
        "agent": {"git_pass": "GP", "extra_index_url": ["https://u:pw@host/simple"]},
        "environment": {"ANY": "value"},
    }
    text = str(masked(tree))
    for secret in ("SK", "GP", "pw", "value"):
        assert f"'{secret}" not in text
        assert f":{secret}@" not in text
