"""Timers, progress as log lines, loggers and questions, as scripts use them."""

from __future__ import annotations

import argparse
import io
import logging
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clearml_sdk.debugging import (
    Timer,
    TqdmLog,
    add_log_options,
    add_rotating_file_handler,
    add_time_rotating_file_handler,
    get_logger,
    get_null_logger,
    parse_log_args,
)
from clearml_sdk.debugging.log import LoggerRoot
from clearml_sdk.model import Waitable
from clearml_sdk.utilities.wizard.user_input import get_input, input_bool, input_int, input_list, multiline_input


def test_timer_measures_once_and_on_average(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([10.0, 12.0, 20.0, 24.0, 25.0])
    timer = Timer()
    assert (timer.average_time, timer.total_time) == (0, 0)
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    timer.tic()
    assert timer.toc() == 2.0
    timer.tic()
    assert timer.toc(average=False) == 4.0
    assert (timer.average_time, timer.total_time) == (3.0, 6.0)
    assert timer.toc_with_reset(reset_if_calls=2) == pytest.approx(11 / 3)
    assert (timer.average_time, timer.total_time) == (0, 0)


def test_progress_is_lines_of_a_log(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("test.progress")
    with caplog.at_level(logging.INFO, "test.progress"):
        progress = TqdmLog(total=4, desc="load", logger=logger, ascii=True, mininterval=0)
        progress.update()
        progress.update(3)
        progress.close()
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("load:   0%|          | 0/4 [00:00<?,")
    assert lines[1].startswith("load:  25%|##        | 1/4 [") and lines[2].startswith("load: 100%|##########| 4/4 [")
    caplog.clear()
    with caplog.at_level(logging.INFO, "clearml"):
        rare = TqdmLog(total=1000)
        for _ in range(1000):
            rare.update()
        rare.close()
    assert 2 <= len(caplog.records) <= 4, "one in five seconds"


def test_loggers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    logger = get_logger("abc", level=logging.DEBUG, stream=stream, colored=True)
    assert logger.name == "clearml.abc" and get_logger().name == "clearml.test_debugging"
    logger.warning("careful")
    assert "careful" in stream.getvalue() and "\033[33mWARNING" in stream.getvalue()
    assert LoggerRoot.get_base_logger() is logging.getLogger("clearml")
    silent = get_null_logger("silent one")
    silent.error("unheard")
    assert pickle.loads(pickle.dumps(silent)) is silent and "unheard" not in capsys.readouterr().err

    add_rotating_file_handler(silent, tmp_path, "size", max_bytes=200, backup_count=2)
    add_time_rotating_file_handler(silent, tmp_path, "day")
    for number in range(20):
        silent.error("line %d", number)
    assert {path.name for path in tmp_path.iterdir()} == {"size.log", "size.log.1", "size.log.2", "day.log"}
    assert (tmp_path / "day.log").read_text().count("line ") == 20
    for handler in silent.handlers:
        handler.close()


def test_the_level_is_an_option_of_a_command_line() -> None:
    parser = argparse.ArgumentParser()
    add_log_options(parser)
    logger, before = logging.getLogger("clearml"), logging.getLogger("clearml").level
    try:
        parse_log_args(parser.parse_args(["-l", "debug"]))
        assert logger.level == logging.DEBUG
        parse_log_args(parser.parse_args([]))
        assert logger.level == logging.INFO
        with pytest.raises(ValueError, match="LOUD"):
            parse_log_args(parser.parse_args(["--log-level", "loud"]))
    finally:
        logger.setLevel(before)


@pytest.mark.parametrize(
    ("typed", "ask", "answer"),
    [
        ("abc\n", lambda: get_input("key"), "abc"),
        ("\n", lambda: get_input("key", default="d"), "d"),
        ("\nx\n", lambda: get_input("key", required=True), "x"),
        ("\n", lambda: get_input("key", new_line=True), None),
        ("x\n-4\n", lambda: input_int("key"), -4),
        ("\n", lambda: input_int("key", default=3), 3),
        ("maybe\nYES\n", lambda: input_bool("sure"), True),
        ("\n", lambda: input_bool("sure", True), True),
        ("a\ny\nb\n\n", lambda: input_list("key"), ["a", "b"]),
        ("\ny\n\nn\n", lambda: input_list("key", default="d"), ["d", "d"]),
        ("\n", lambda: input_list("key"), None),
        ("a\n\nb\n\n\nc\n", lambda: multiline_input("text"), ("a\n\nb\n", 3)),
        ("a\n", lambda: multiline_input(), ("a\n", 1)),
    ],
)
def test_answers_of_a_person(
    typed: str, ask: Callable[[], object], answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert ask() == answer


def test_what_is_over_can_be_waited_for() -> None:
    assert Waitable().wait(1, timeout=2) is True
