"""Bringing journals to the server: by their own process, and after its death."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk.errors import ApiError, ServerUnreachable
from clearml_sdk.journal import deliver
from clearml_sdk.journal.batches import MAX_EVENTS
from clearml_sdk.reporting import Reporter

from .conftest import FakeSession


def open_reporter(session: FakeSession, journals: str, **options: Any) -> Reporter:
    return Reporter.open(session, "t" * 32, journal_dir=journals, **options)  # type: ignore[arg-type]


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def iterations(session: FakeSession) -> list[int]:
    return [event["iter"] for event in session.events if event["type"] == "training_stats_scalar"]


def test_reports_arrive_in_order_and_the_journal_is_gone(session: FakeSession, journals: str) -> None:
    reporter = open_reporter(session, journals)
    for iteration in range(10_000):
        reporter.scalar("loss", "train", 0.5, iteration)
    reporter.log("info", "a line")
    reporter.plot("p", "s", 3, '{"data":[]}')
    assert reporter.close()
    assert iterations(session) == list(range(10_000))
    assert [event["msg"] for event in session.events if event["type"] == "log"] == ["a line"]
    assert [event["plot_str"] for event in session.events if event["type"] == "plot"] == ['{"data":[]}']
    assert names(journals) == []


def test_no_batch_is_larger_than_the_limit(session: FakeSession, journals: str) -> None:
    reporter = open_reporter(session, journals)
    for iteration in range(10_000):
        reporter.scalar("loss", "train", 0.5, iteration)
    reporter.close()
    assert max(body.count(b"\n") + 1 for _, body in session.batches) <= MAX_EVENTS


def test_flush_returns_when_everything_has_arrived(session: FakeSession, journals: str) -> None:
    reporter = open_reporter(session, journals, period_s=3600)
    reporter.scalar("loss", "train", 0.5, 1)
    assert reporter.flush(10)
    assert iterations(session) == [1]
    reporter.close()


def test_a_server_that_is_away_costs_nothing_but_time(session: FakeSession, journals: str) -> None:
    session.is_open.clear()
    reporter = open_reporter(session, journals, period_s=0.01)
    reporter.scalar("loss", "train", 0.5, 1)
    assert session.called.wait(10)
    reporter.scalar("loss", "train", 0.5, 2)
    assert not reporter.flush(0.05)
    session.is_open.set()
    assert reporter.flush(20)
    assert iterations(session) == [1, 2]
    reporter.close()


def test_what_the_server_did_not_take_at_the_end_is_delivered_later(session: FakeSession, journals: str) -> None:
    session.is_open.clear()
    reporter = open_reporter(session, journals)
    reporter.scalar("loss", "train", 0.5, 7)
    assert not reporter.close(0.2)
    session.is_open.set()
    done = deliver(journals, session)  # type: ignore[arg-type]
    assert (done.journals, done.events, done.left) == (1, 1, [])
    assert iterations(session) == [7]
    assert names(journals) == []


def test_a_batch_without_an_answer_is_sent_again_under_its_id_and_with_its_bytes(
    session: FakeSession, journals: str
) -> None:
    def lose_the_answer() -> dict[str, Any]:
        session.answer = dict
        session.is_open.clear()
        raise ServerUnreachable("http://server.test", "the connection broke")

    sent: list[tuple[str, bytes]] = []
    call = session.call
    session.call = lambda endpoint, body, **options: (  # type: ignore[method-assign]
        sent.append((options["headers"]["X-ClearML-Batch"], body)),
        call(endpoint, body, **options),
    )[1]
    session.answer = lose_the_answer
    reporter = open_reporter(session, journals, period_s=0.01)
    reporter.scalar("loss", "train", 0.5, 1)
    assert session.called.wait(10)
    reporter.scalar("loss", "train", 0.5, 2)  # must not slip into the batch that may be stored already
    reporter.close(0.1)
    session.is_open.set()
    deliver(journals, session)  # type: ignore[arg-type]
    assert sent[0] in session.batches
    assert len({body for batch, body in sent if batch == sent[0][0]}) == 1
    assert iterations(session) == [1, 2]


@pytest.mark.parametrize("subcode", [131, 101])
def test_a_batch_that_the_server_refuses_does_not_hold_up_the_next(
    session: FakeSession, journals: str, subcode: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse_once() -> dict[str, Any]:
        session.answer = dict
        raise ApiError(400, subcode, "no such task", "events.add_batch")

    session.answer = refuse_once
    reporter = open_reporter(session, journals)
    reporter.scalar("loss", "train", 0.5, 1)
    reporter.flush(10)
    reporter.scalar("loss", "train", 0.5, 2)
    assert reporter.close(10)
    assert iterations(session) == [2]


def test_a_journal_in_use_is_left_alone(session: FakeSession, journals: str) -> None:
    reporter = open_reporter(session, journals, period_s=3600)
    code = (
        "import sys; from clearml_sdk.journal import deliver; from clearml_sdk.session import Session;"
        "from clearml_sdk.api_settings import ApiSettings;"
        "print(deliver(sys.argv[1], Session(ApiSettings('http://127.0.0.1:9', access_key='a', secret_key='b'))).in_use)"
    )
    answer = subprocess.run([sys.executable, "-c", code, journals], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "1"
    assert deliver(journals, session).journals == 0  # type: ignore[arg-type]
    reporter.scalar("loss", "train", 0.5, 1)
    assert reporter.close(10)
    assert iterations(session) == [1]


def test_journals_of_another_server_wait_for_it(session: FakeSession, journals: str) -> None:
    session.is_open.clear()
    reporter = open_reporter(session, journals)
    reporter.scalar("loss", "train", 0.5, 1)
    reporter.close(0.1)
    other = FakeSession("http://elsewhere.test:8008")
    assert deliver(journals, other, only_own_server=True).journals == 0  # type: ignore[arg-type]
    assert len(names(journals)) == 1


CRASH = """
import os, sys
from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.reporting import Reporter
from clearml_sdk.session import Session
session = Session(ApiSettings("http://127.0.0.1:9", access_key="a", secret_key="b"))
reporter = Reporter.open(session, "t" * 32, journal_dir=sys.argv[1])
for iteration in range(int(sys.argv[2])):
    reporter.scalar("loss", "train", 0.25, iteration)
    if iteration % 1000 == 0:
        reporter.log("info", f"line {iteration}")
print("reported", flush=True)
os.kill(os.getpid(), 9) if sys.argv[3] == "kill" else os._exit(0)
"""


@pytest.mark.parametrize("end", ["kill", "exit"])
def test_reports_of_a_killed_process_are_delivered(session: FakeSession, journals: str, end: str) -> None:
    process = subprocess.run([sys.executable, "-c", CRASH, journals, "50000", end], capture_output=True, text=True)
    assert process.stdout == "reported\n"
    assert process.returncode == (-signal.SIGKILL if end == "kill" else 0)
    done = deliver(journals, session)  # type: ignore[arg-type]
    assert done.journals == 1
    assert iterations(session) == list(range(50_000))
    assert "\n".join(event["msg"] for event in session.events if event["type"] == "log").count("line") == 50


def test_two_deliverers_send_a_journal_once(session: FakeSession, journals: str) -> None:
    subprocess.run([sys.executable, "-c", CRASH, journals, "1000", "kill"], capture_output=True, check=False)
    (name,) = names(journals)
    second: list[int] = []
    call = session.call

    def call_and_deliver(endpoint: str, body: bytes, **options: Any) -> dict[str, Any]:
        if not second:
            second.append(deliver(journals, session).journals)  # type: ignore[arg-type]
        return call(endpoint, body, **options)

    session.call = call_and_deliver  # type: ignore[method-assign]
    assert deliver(journals, session).journals == 1  # type: ignore[arg-type]
    assert second == [0]
    assert iterations(session) == list(range(1000))
    assert not (Path(journals) / name).exists()


def test_a_broken_journal_neither_stops_the_others_nor_raises(session: FakeSession, journals: str) -> None:
    for _ in range(3):
        subprocess.run([sys.executable, "-c", CRASH, journals, "10", "kill"], capture_output=True, check=False)
    first, second, third = sorted(Path(journals).iterdir())
    (first / "journal.json").write_text("{")
    (segment,) = second.glob("reports-*.seg")
    segment.write_bytes(b"\0" * 20)
    done = deliver(journals, session)  # type: ignore[arg-type]
    assert iterations(session) == list(range(10))
    assert done.journals == 2
    assert [path.name for path in Path(journals).iterdir()] == [first.name]
    assert third.name


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_reports_through_a_journal_of_its_own(session: FakeSession, journals: str) -> None:
    reporter = open_reporter(session, journals, period_s=3600)
    reporter.scalar("loss", "parent", 0.5, 1)
    child = os.fork()
    if child == 0:
        # The child's copy of the session takes nothing: what it reports must come from its journal.
        session.is_open.clear()
        reporter.scalar("loss", "child", 0.5, 2)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert len(names(journals)) == 2
    reporter.scalar("loss", "parent", 0.5, 3)
    assert reporter.close(10)
    found = sorted((event["variant"], event["iter"]) for event in session.events)
    assert found == [("child", 2), ("parent", 1), ("parent", 3)]
    assert names(journals) == []


def test_reporting_after_the_end_is_not_lost(session: FakeSession, journals: str) -> None:
    reporter = open_reporter(session, journals)
    reporter.close()
    reporter.scalar("loss", "late", 0.5, 1)
    assert reporter.close(10)
    assert iterations(session) == [1]


def test_the_journal_is_readable_by_its_owner_alone(session: FakeSession, journals: str) -> None:
    reporter = open_reporter(session, journals)
    (folder,) = Path(journals).iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in folder.glob("*.seg")} == {0}
    reporter.close()


def test_without_a_folder_reports_are_still_sent(session: FakeSession, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    reporter = open_reporter(session, str(blocked / "journals"))
    reporter.scalar("loss", "train", 0.5, 1)
    assert reporter.close(10)
    assert iterations(session) == [1]


def test_an_event_that_is_too_large_is_refused_with_a_warning(
    session: FakeSession, journals: str, capsys: pytest.CaptureFixture[str]
) -> None:
    reporter = open_reporter(session, journals)
    reporter.plot("big", "plot", 1, json.dumps("x" * (16 << 20)))
    assert reporter.close()
    assert session.batches == []
    assert "big/plot is not reported" in capsys.readouterr().err


def test_a_burst_wakes_the_sender_before_its_period_ends(session: FakeSession, journals: str) -> None:
    reporter = open_reporter(session, journals, period_s=3600)
    for iteration in range(20_000):
        reporter.scalar("loss", "train", 0.5, iteration)
    assert session.called.wait(20)
    reporter.close()


def test_a_full_disk_neither_fails_the_start_nor_the_reports(
    session: FakeSession, journals: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(descriptor: int, size_bytes: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clearml_sdk.journal.segment._reserve", full)
    reporter = open_reporter(session, journals)
    reporter.scalar("loss", "train", 0.5, 1)
    assert reporter.close(10)
    assert iterations(session) == [1]


def test_a_defect_of_ours_keeps_the_reports_and_the_thread(
    session: FakeSession, journals: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail_once() -> dict[str, Any]:
        session.answer = dict
        raise KeyError("a defect")

    session.answer = fail_once
    reporter = open_reporter(session, journals, period_s=0.01)
    reporter.scalar("loss", "train", 0.5, 1)
    assert reporter.flush(20)
    assert iterations(session) == [1]
    reporter.close()
    assert "a defect" in capsys.readouterr().err


def test_what_found_no_room_is_counted_and_said(
    session: FakeSession, journals: str, capsys: pytest.CaptureFixture[str]
) -> None:
    session.is_open.clear()
    reporter = open_reporter(session, journals, max_bytes=5 << 20)
    for iteration in range(200_000):
        reporter.scalar("loss", "train", 0.5, iteration)
    session.is_open.set()
    assert reporter.close(60)
    missing = 200_000 - len(iterations(session))
    assert missing > 0
    assert f"{missing} reports found no room" in capsys.readouterr().err
