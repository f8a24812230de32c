"""What is reported about every way a run can end."""

from __future__ import annotations

import pytest

from clearml_agent.errors import CheckoutFailed
from clearml_agent.execution import outcome
from clearml_agent.runs import Result, Stop, StopKind

USER = Stop(StopKind.USER, "stopping")
AGENT = Stop(StopKind.AGENT, "SIGTERM")


@pytest.mark.parametrize(
    ("result", "stop", "endpoint", "reason", "last_line"),
    [
        (Result(exit_code=0), None, "tasks.completed", "worker execution done", "Process completed successfully"),
        (Result(exit_code=3), None, "tasks.failed", "worker execution exit code 3", "Process failed, exit code 3"),
        (Result(exit_code=254), None, "tasks.stopped", "user abort", "Process terminated by user"),
        (Result(signal=2), None, "tasks.stopped", "user abort", "Process terminated by user"),
        (Result(signal=9), None, "tasks.failed", "worker execution exit code -9", "Process failed, exit code -9"),
        (
            Result(signal=15, stop_signal="SIGTERM"),
            USER,
            "tasks.stopped",
            "task was stopped by tasks.stop",
            "Process aborted by user",
        ),
        (
            Result(exit_code=0, stop_signal="SIGTERM"),
            AGENT,
            "tasks.stopped",
            "worker was stopped",
            "Process terminated by user",
        ),
        (Result(exit_code=0), USER, "tasks.completed", "worker execution done", "Process completed successfully"),
        (
            Result(exit_code=127, error="FileNotFoundError: no such file"),
            None,
            "tasks.failed",
            "worker failed to start the task",
            "Process failed, exit code 127",
        ),
    ],
)
def test_results(result: Result, stop: Stop | None, endpoint: str, reason: str, last_line: str) -> None:
    found = outcome.of_result(result, stop, "host:0")
    assert (found.endpoint, found.reason, found.last_line) == (endpoint, reason, last_line)
    assert found.message.startswith("Changed by clearml-agent host:0")


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (Result(exit_code=1), "console"),
        (Result(signal=9), "out of memory"),
        (Result(signal=9, oom=True), "smaller batch"),
        (Result(signal=11), "PYTHONFAULTHANDLER"),
        (Result(exit_code=1, oom=True), "ran out of memory, and a process was killed"),
    ],
)
def test_failures_say_what_to_do(result: Result, words: str) -> None:
    assert words in outcome.of_result(result, None, "w").message


def test_a_container_that_was_stopped_from_outside_is_the_cause() -> None:
    result = Result(signal=15, stop_signal="SIGTERM")
    found = outcome.of_result(result, None, "w", container="clearml-t-1")
    assert "container clearml-t-1 was stopped from outside" in found.message
    assert "container" not in outcome.of_result(result, None, "w").message
    assert "container" not in outcome.of_result(Result(signal=15), None, "w", container="clearml-t-1").message


def test_a_changed_status_is_left_alone() -> None:
    stop = Stop(StopKind.STATUS, "status changed: failed")
    found = outcome.of_result(Result(signal=15, stop_signal="SIGTERM"), stop, "w")
    assert found.endpoint == ""
    assert "status changed: failed" in found.error


def test_nothing_is_said_about_a_task_that_another_agent_has() -> None:
    found = outcome.of_stop(Stop(StopKind.FENCED, "fenced"), "w")
    assert (found.endpoint, found.error, found.last_line) == ("", "", "")


def test_a_lost_runner_fails_the_task_with_exit_unknown() -> None:
    found = outcome.of_lost("w")
    assert found.endpoint == "tasks.failed"
    assert "unknown" in found.reason
    assert "enqueue" in found.message


@pytest.mark.parametrize(
    ("policy", "endpoint", "otherwise", "is_lost"),
    [
        ("", "agents.release", "tasks.failed", True),
        ("retries", "agents.release", "tasks.failed", True),
        ("requeue", "agents.release", "tasks.failed", False),
        ("fail", "tasks.failed", "", False),
    ],
)
def test_a_restarted_machine_follows_the_policy(policy: str, endpoint: str, otherwise: str, is_lost: bool) -> None:
    found = outcome.of_restart("w", policy)
    assert (found.endpoint, found.otherwise, found.is_lost) == (endpoint, otherwise, is_lost)
    assert "machine of the worker was restarted" in found.message
    assert "machine of the worker was restarted" in found.error


def test_who_stopped_the_agent_is_said() -> None:
    for kind, endpoint in ((StopKind.AGENT, "tasks.stopped"), (StopKind.REQUEUE, "agents.release")):
        found = outcome.of_result(Result(signal=15, stop_signal="SIGTERM"), Stop(kind, "SIGINT", "ann@host"), "w")
        assert found.endpoint == endpoint
        assert "SIGINT by ann@host" in found.message
        assert "SIGINT by ann@host" in found.error


def test_a_task_that_ends_by_itself_after_it_was_told_to_stop_is_stopped() -> None:
    stop = Stop(StopKind.USER, "stopping")
    assert outcome.of_result(Result(exit_code=0), stop, "w", was_told=True).endpoint == "tasks.stopped"
    assert outcome.of_result(Result(exit_code=0), stop, "w").endpoint == "tasks.completed"


def test_a_failed_checkout_keeps_its_reason_and_advice() -> None:
    found = outcome.of_failure(CheckoutFailed("the host refused access: set agent.git_user"), "w")
    assert (found.endpoint, found.reason) == ("tasks.failed", "failed cloning repository")
    assert "set agent.git_user" in found.message
    assert "set agent.git_user" in found.error
