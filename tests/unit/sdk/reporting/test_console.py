"""The console: what is printed is reported, and still printed."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_sdk.reporting.console import Console, LoggingCapture, print_uncaptured
from clearml_sdk.reporting.lines import LineFolder


class FakeReporter:
    def __init__(self) -> None:
        self.logs: list[tuple[str, str]] = []

    def log(self, level: str, text: str) -> None:
        self.logs.append((level, text))

    @property
    def text(self) -> str:
        return "\n".join(text for _, text in self.logs)


@pytest.fixture
def reporter() -> FakeReporter:
    return FakeReporter()


class Streams:
    """stdout and stderr of a test's own; no fixture, because pytest changes sys.stdout after a fixture's set-up."""

    def __init__(self) -> None:
        self.out, self.err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))

    @contextlib.contextmanager
    def replaced(self) -> Iterator[Streams]:
        with contextlib.redirect_stdout(self.out), contextlib.redirect_stderr(self.err):
            yield self

    @property
    def texts(self) -> tuple[str, str]:
        found = []
        for stream in (self.out, self.err):
            stream.flush()
            assert isinstance(stream.buffer, io.BytesIO)
            found.append(stream.buffer.getvalue().decode())
        return found[0], found[1]


@contextlib.contextmanager
def captured(reporter: FakeReporter) -> Iterator[tuple[Console, Streams]]:
    with Streams().replaced() as streams:
        console = Console(reporter)  # type: ignore[arg-type]
        console.start()
        try:
            yield console, streams
        finally:
            console.stop()


def test_lines_are_reported_and_still_written(reporter: FakeReporter) -> None:
    with captured(reporter) as (_, streams):
        print("one", 2)
        print("to stderr", file=sys.stderr)
    assert reporter.logs == [("info", "one 2"), ("error", "to stderr")]
    assert streams.texts == ("one 2\n", "to stderr\n")


def test_the_streams_are_given_back(reporter: FakeReporter) -> None:
    with captured(reporter) as (console, streams):
        console.stop()
        print("after")
        assert "write" not in vars(streams.out)
        assert "write" not in vars(streams.err)
    assert reporter.logs == []


def test_what_has_no_newline_is_reported_at_the_end(reporter: FakeReporter) -> None:
    with captured(reporter):
        print("no newline", end="")
        assert reporter.logs == []
    assert reporter.logs == [("info", "no newline")]


def test_handlers_that_took_the_stream_before_are_heard(reporter: FakeReporter) -> None:
    with Streams().replaced():
        handler = logging.StreamHandler(sys.stderr)
        console = Console(reporter)  # type: ignore[arg-type]
        console.start()
        handler.emit(logging.LogRecord("n", logging.INFO, "", 0, "logged early", None, None))
        console.stop()
    assert reporter.logs == [("error", "logged early")]


def test_a_failing_reporter_never_breaks_print(reporter: FakeReporter) -> None:
    def fail(level: str, text: str) -> None:
        raise RuntimeError("broken")

    reporter.log = fail  # type: ignore[method-assign]
    with captured(reporter) as (_, streams):
        print("fine")
        print("still fine")
    assert streams.texts[0] == "fine\nstill fine\n"


def test_report_text_is_not_captured_twice(reporter: FakeReporter) -> None:
    with captured(reporter) as (_, streams):
        print_uncaptured("reported by hand")
    assert reporter.logs == []
    assert streams.texts[0] == "reported by hand\n"


def test_a_wrapper_put_over_ours_survives(reporter: FakeReporter) -> None:
    with captured(reporter) as (console, streams):
        ours = sys.stdout.write
        sys.stdout.write = lambda text: ours(text.upper())  # type: ignore[method-assign]
        console.stop()
        print("quiet")
    assert streams.texts[0] == "QUIET\n"
    assert reporter.logs == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_while_another_thread_prints_can_print(reporter: FakeReporter) -> None:
    stopping = threading.Event()

    def chatter() -> None:
        while not stopping.is_set():
            print("noise")

    with captured(reporter) as (console, _):
        thread = threading.Thread(target=chatter)
        thread.start()
        try:
            for _ in range(20):
                child = os.fork()
                if child == 0:
                    # Through the tap alone: the stream's own lock may be held by the other thread at the fork.
                    for tap in console._taps:
                        tap._feed("from the child\n")
                    os._exit(0 if "from the child" in reporter.text else 1)
                assert os.waitpid(child, 0)[1] == 0
        finally:
            stopping.set()
            thread.join()


def test_logging_is_reported_inside_its_context(reporter: FakeReporter) -> None:
    with LoggingCapture(reporter):  # type: ignore[arg-type]
        logging.getLogger("some.module").warning("hot %d", 7)
    logging.getLogger("some.module").debug("not this")
    ((level, text),) = reporter.logs
    assert level == "WARNING"
    assert text.endswith("some.module - WARNING - hot 7")


def fold(*pieces: str, period_s: float = 10.0) -> list[str]:
    folder = LineFolder(period_s)
    done = [folder.feed(piece, float(number)) for number, piece in enumerate(pieces)]
    rest = folder.rest()
    return [text for text in [*done, rest] if text]


def test_a_progress_bar_becomes_its_last_state() -> None:
    assert fold("\r 10%", "\r 50%", "\r100%", "\n") == ["100%"]
    assert fold(" 10%\r", " 50%\r", "100%\r", "\n") == ["100%"]


def test_a_long_progress_bar_is_shown_now_and_then() -> None:
    assert fold(*(f"\r{n}%" for n in range(25)), "\n", period_s=10) == ["10%", "20%", "24%"]


def test_windows_newlines_are_newlines() -> None:
    assert fold("a\r\n", "b\r", "\n") == ["a", "b"]


def test_bars_drawn_over_each_other_are_not_repeated() -> None:
    assert fold("one\ntwo\n\x1b[A\x1b[Atwo again\n") == ["two again"]


def test_colours_are_kept() -> None:
    assert fold("\x1b[31mred\x1b[0m\n") == ["\x1b[31mred\x1b[0m"]


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\r\x1b"), max_size=20), max_size=20))
def test_without_control_characters_every_text_comes_out(pieces: list[str]) -> None:
    assert "\n".join(fold(*pieces)).replace("\n", "") == "".join(pieces).replace("\n", "")
