"""The friendly commands: what is pure of them, and that they start fast."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk import cli
from clearml_sdk.commands import comparing, completion, errors, logs, output
from clearml_sdk.commands.main import INTERRUPTED
from clearml_sdk.commands.plotting import drawn
from clearml_sdk.commands.table import COMMANDS


@pytest.mark.parametrize(
    ("status", "reason", "message", "code"),
    [
        ("completed", "", "", 0),
        ("published", "", "", 0),
        ("failed", "worker execution exit code 7", "", 7),
        ("failed", "", "Changed by a: the script ended with exit code 3; it raised", 3),
        ("failed", "worker execution exit code -9", "", 137),
        ("failed", "no such commit", "", 1),
        ("stopped", "by a user", "", 143),
    ],
)
def test_a_followed_task_ends_with_its_own_exit_status(status: str, reason: str, message: str, code: int) -> None:
    assert logs.exit_status(status, reason, message) == code


def test_tables_are_plain_where_rich_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("rich", "rich.table", "rich.text"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    output.print_table(["ID"], [["1"]])
    assert capsys.readouterr().out == "ID\n1\n"


def test_server_sent_events_are_read() -> None:
    lines = [": hello", "event: lines", "id: 7", 'data: {"a":', "data: 1}", "", "data: {}", "", "event: cut off"]
    assert list(logs.parse(iter(lines))) == [("lines", {"a": 1}, "7"), ("message", {}, "7")]


def test_columns_are_wide_enough_and_lines_are_kept_whole() -> None:
    text = output.plain(["ID", "NAME"], [["1", "a\nb"], ["22", "c"]])
    assert text.splitlines() == ["ID  NAME", "1   a b", "22  c"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (5, "5s"), (65, "1m05s"), (3600 * 5 + 60, "5h01m"), (90_000, "1d01h")]
)
def test_durations_have_two_units(seconds: float | None, text: str) -> None:
    assert output.lasted(seconds) == text


def task(lr: str, loss: float, diff: str = "") -> dict[str, Any]:
    return {
        "hyperparams": {"Args": {"lr": {"value": lr}, "same": {"value": "1"}}},
        "script": {"branch": "main", "diff": diff},
        "last_metrics": {"h": {"h": {"metric": "loss", "variant": "val", "value": loss}}},
    }


def test_only_what_differs_is_compared() -> None:
    rows = comparing.differences([task("0.1", 0.5), task("0.2", 0.25, "+x")], everything=False)
    names = {row[0]: row[1:] for row in rows}
    assert names["Args/lr"] == ["0.1", "0.2"] and names["loss/val"] == ["0.5", "0.25"]
    assert "Args/same" not in names and "script.branch" not in names
    assert names["script.diff"][0] == "" and names["script.diff"][1].startswith("1 lines, ")
    assert any(row[0] == "Args/same" for row in comparing.differences([task("1", 1), task("1", 1)], everything=True))


def test_curves_are_drawn_whatever_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    nan = float("nan")
    text = drawn("loss", {"a": ([0, 1, 2], [1.0, nan, 3.0]), "b": ([0.0], [2.0])}, width=80, height=8)
    assert text.startswith("loss\n") and "a" in text and max(map(len, text.splitlines())) <= 80
    assert "(no points)" in drawn("loss", {"a": ([0], [nan])}, width=80, height=8)
    assert "(no points)" in drawn("loss", {"a": ([0], [-1.0])}, width=80, height=8, log=True)
    monkeypatch.setenv("FORCE_COLOR", "1")  # plotille looks for a terminal, too
    assert "\x1b[" in drawn("loss", {"a": ([0, 1], [1, 2])}, width=80, height=8, colours=True)


def test_each_command_has_a_module_and_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            cli.main(["clearml", name, "--help"])
        assert ended.value.code == 0
        assert f"usage: clearml {name}" in capsys.readouterr().out


def test_each_command_and_exit_status_is_documented() -> None:
    page = (Path(__file__).resolve().parents[4] / "docs" / "clearml_command.md").read_text()
    assert not [name for name in COMMANDS if f"`clearml {name}" not in page]
    statuses = {value for name, value in vars(errors).items() if name.isupper()} | {INTERRUPTED}
    assert not [status for status in statuses if f"| {status} | " not in page]


def test_words_are_completed() -> None:
    assert {"ls", "agent", "task", "logs"} <= set(completion.candidates(["l"]))
    assert {"--follow", "--json", "--lines"} <= set(completion.candidates(["logs", "--"]))
    assert completion.candidates(["artifacts", ""]) == ["get", "ls"]
    assert "failed" in completion.candidates(["ls", "-s", ""])
    assert completion.candidates(["completion", ""]) == ["bash", "fish", "zsh"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_the_shell_is_one(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["clearml", "completion", shell]) == 0
    script = capsys.readouterr().out
    assert "clearml completion words" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def cpu_s(*arguments: str) -> float:
    """CPU seconds of the best of three runs."""
    best = float("inf")
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=False, capture_output=True, env=dict(os.environ))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def test_a_command_costs_little_more_than_python_itself() -> None:
    """The limit: 150 ms where bare Python starts in 15 ms; held to as a ratio, as machines differ."""
    bare = cpu_s("-c", "pass")
    assert cpu_s("-m", "clearml_sdk.cli", "ls", "--help") < max(0.15, 10 * bare)


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = "import sys\nfrom clearml_sdk.commands import listing, logs, changing, showing\n"
    code += "print([name for name in ('rich', 'plotille', 'pyhocon', 'clearml_sdk.task') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
