"""The console: every byte of output in exactly one event, in order, through crashes between any two steps."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_agent import console as consoles
from clearml_agent.console import BATCH_BYTES, MESSAGE_BYTES, Batch, Console, ConsoleRefused, clean, cut, messages


class Server:
    """Takes batches as the server does: a repeated id changes nothing."""

    def __init__(self) -> None:
        self.batches: dict[str, bytes] = {}
        self.lose_answers = 0
        self.refuses = False

    async def send(self, body: bytes, batch: str) -> None:
        if self.refuses:
            raise ConsoleRefused("Invalid task id")
        assert self.batches.setdefault(batch, body) == body
        if self.lose_answers:
            self.lose_answers -= 1
            raise KeyboardInterrupt  # the agent is killed before it hears the answer

    @property
    def events(self) -> list[dict[str, object]]:
        found = [json.loads(line) for body in self.batches.values() for line in body.splitlines()]
        return sorted(found, key=lambda event: event["timestamp"])

    @property
    def text(self) -> str:
        return "".join(str(event["msg"]) for event in self.events)


def console(directory: Path, server: Server, clock: float = 1000.0) -> Console:
    return Console(directory, run_id="t.1", task="t", worker="w:0", send=server.send, clock=lambda: clock)


async def drain(one: Console) -> None:
    while await one.send_available(whole=True):
        pass


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("plain\n", "plain\n"),
        ("10%\r20%\r100%\n", "100%\n"),
        ("dos\r\nline\r\n", "dos\nline\n"),
        ("ab\b\bxy\n", "xy\n"),
        ("\x1b[0m", ""),
        ("begun\r", "begun"),
    ],
)
def test_text_is_what_a_terminal_would_show(raw: str, text: str) -> None:
    assert clean(raw) == text


@given(st.binary(max_size=400))
def test_cut_never_splits_a_character_that_is_whole(data: bytes) -> None:
    end = cut(data, whole=True)
    assert 0 < end <= len(data) or not data
    rest = data[end:]
    assert len(rest) <= 3
    if rest:
        assert rest[0] >= 0xC0


@given(st.text(max_size=300), st.integers(1, 50))
def test_text_that_comes_in_pieces_arrives_whole(text: str, size: int) -> None:
    data = text.encode("utf-8", "replace")
    found, start = b"", 0
    seen = 0
    while start < len(data):
        seen = min(len(data), seen + size)
        end = cut(data[start:seen], whole=True)
        found += data[start : start + end].decode("utf-8", "replace").encode()
        start += end
    if size >= 4:  # a piece always holds a whole character
        assert found == data


def test_long_output_becomes_messages_of_bounded_size_without_loss() -> None:
    raw = ("é" * 50_000 + "\n" + "short\n" * 40_000).encode()
    found = messages(raw)
    assert "".join(found).encode() == raw
    assert max(len(text.encode()) for text in found) <= MESSAGE_BYTES


async def test_parts_are_sent_in_order_and_only_once(tmp_path: Path) -> None:
    server = Server()
    one = console(tmp_path, server)
    one.write("task pulled")
    (tmp_path / "log").write_text("hello\nworld\n")
    one.finish("Process completed successfully")
    await drain(one)
    assert server.text == "task pulled\nhello\nworld\nProcess completed successfully\n"
    assert [event["level"] for event in server.events] == ["INFO", "DEBUG", "DEBUG"]
    stamps = [event["timestamp"] for event in server.events]
    assert stamps == sorted(set(stamps), key=float)
    count = len(server.batches)
    await drain(console(tmp_path, server))
    assert len(server.batches) == count


async def test_a_line_without_end_waits_until_it_is_asked_for(tmp_path: Path) -> None:
    server = Server()
    one = console(tmp_path, server)
    (tmp_path / "log").write_text("line\nbegun")
    assert await one.send_available()
    assert not await one.send_available()
    assert one.waiting() > 0
    assert server.text == "line\n"
    await one.send_available(whole=True)
    assert server.text == "line\nbegun"
    assert one.waiting() == 0


async def test_the_last_word_never_comes_before_the_end_of_the_output(tmp_path: Path) -> None:
    server = Server()
    one = console(tmp_path, server)
    (tmp_path / "log").write_text("no line end")
    one.finish("Process failed, exit code 1", "Because.")
    await drain(one)
    assert server.text == "no line end" + "Because.\n" + "Process failed, exit code 1\n"
    assert [event["level"] for event in server.events] == ["DEBUG", "ERROR", "DEBUG"]


@pytest.mark.parametrize("dies", range(1, 6))
async def test_a_batch_sent_again_after_a_crash_is_the_same_batch(tmp_path: Path, dies: int) -> None:
    server = Server()
    log = tmp_path / "log"
    expected = ""
    for index in range(6):
        expected += f"line {index}\n"
        log.write_text(expected)
        one = console(tmp_path, server, clock=1000.0 + index)  # another agent process, at another time
        server.lose_answers = int(index == dies)
        try:
            await one.send_available()
        except KeyboardInterrupt:
            log.write_text(expected := expected + "written while no agent ran\n")
    await drain(console(tmp_path, server, clock=2000.0))
    assert server.text == expected


async def test_a_refused_console_is_not_sent_again(tmp_path: Path) -> None:
    server = Server()
    server.refuses = True
    (tmp_path / "log").write_text("x\n")
    assert not await console(tmp_path, server).send_available()
    server.refuses = False
    assert not await console(tmp_path, server).send_available()
    assert server.batches == {}


async def test_output_larger_than_a_batch_is_sent_in_batches(tmp_path: Path) -> None:
    server = Server()
    line = b"x" * 999 + b"\n"
    (tmp_path / "log").write_bytes(line * 1000)
    await drain(console(tmp_path, server))
    assert server.text.encode() == line * 1000
    assert len(server.batches) == -(-len(line) * 1000 // BATCH_BYTES)


async def test_an_emptied_position_file_does_not_stop_the_agent(tmp_path: Path) -> None:
    server = Server()
    (tmp_path / consoles.POSITION).write_bytes(b"")
    (tmp_path / "log").write_text("x\n")
    await drain(console(tmp_path, server))
    assert server.text == "x\n"


def test_a_batch_survives_its_file_format() -> None:
    batch = Batch("log", 1, 2, 3)
    assert msgspec.json.decode(msgspec.json.encode(batch), type=Batch) == batch


@pytest.mark.parametrize("longer", [False, True])
async def test_output_that_the_task_emptied_is_sent_from_its_beginning(tmp_path: Path, longer: bool) -> None:
    server = Server()
    log = tmp_path / "log"
    log.write_text("one\ntwo\n")
    await drain(console(tmp_path, server))
    first = "new, and longer than what was there\n" if longer else "new\n"
    log.write_text(first)
    one = console(tmp_path, server)  # also by an agent that was started again
    await drain(one)
    with log.open("a") as file:
        file.write("more\n")
    await drain(one)
    log.write_text(first)
    await drain(one)
    assert server.text == f"one\ntwo\n{first}more\n{first}"
