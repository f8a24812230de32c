"""argparse: recording what was parsed, and overriding it in a remote run."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk.bindings import arguments
from clearml_sdk.bindings.arguments import ArgumentBinding


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    arguments.watch()
    arguments.unbind()
    monkeypatch.setattr(arguments, "_last", None)  # what an earlier test parsed
    yield
    arguments.unbind()


def recorder() -> tuple[ArgumentBinding, list[dict[str, Any]]]:
    seen: list[dict[str, Any]] = []
    return ArgumentBinding(lambda parser, namespace: seen.append(dict(vars(namespace)))), seen


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    made.add_argument("--lr", type=float, default=0.1)
    made.add_argument("--epochs", type=int, default=2)
    made.add_argument("--fast", action="store_true")
    made.add_argument("--sizes", type=int, nargs="+", default=[1])
    made.add_argument("--tag", action="append")
    made.add_argument("--out", type=Path, default=None)
    return made


def test_arguments_are_recorded_when_they_are_parsed() -> None:
    binding, seen = recorder()
    arguments.bind(binding)
    parser().parse_args(["--lr", "0.5"])
    assert seen == [{"lr": 0.5, "epochs": 2, "fast": False, "sizes": [1], "tag": None, "out": None}]


def test_arguments_parsed_before_are_recorded_when_the_task_begins() -> None:
    parser().parse_args(["--epochs", "9"])
    binding, seen = recorder()
    arguments.bind(binding)
    assert seen[0]["epochs"] == 9


def test_remote_values_replace_parsed_ones_in_the_parsers_types() -> None:
    remote = {
        "lr": "1",
        "epochs": "7",
        "fast": "True",
        "sizes": "[3, 4]",
        "tag": "['a', 'b']",
        "out": "/x/y",
        "other": "z",
    }
    arguments.bind(ArgumentBinding(lambda p, n: None, lambda: remote))
    found = parser().parse_args(["--lr", "0.5"])
    assert vars(found) == {
        "lr": 1.0,
        "epochs": 7,
        "fast": True,
        "sizes": [3, 4],
        "tag": ["a", "b"],
        "out": Path("/x/y"),
    }
    assert isinstance(found.lr, float)


def test_remote_values_reach_arguments_that_were_parsed_before() -> None:
    found = parser().parse_args([])
    arguments.bind(ArgumentBinding(lambda p, n: None, lambda: {"epochs": "5", "out": ""}))
    assert found.epochs == 5 and found.out is None


def test_required_arguments_are_not_missed_in_a_remote_run() -> None:
    made = argparse.ArgumentParser()
    made.add_argument("--data", required=True)
    made.add_argument("source")
    made.add_argument("more", nargs="+", type=int)
    either = made.add_mutually_exclusive_group(required=True)
    either.add_argument("--left")
    either.add_argument("--right")
    remote = {"data": "d", "source": "s", "more": "[1, 2]", "left": "l", "right": ""}
    arguments.bind(ArgumentBinding(lambda p, n: None, lambda: remote))
    found = made.parse_args([])
    assert (found.data, found.source, found.more, found.left, found.right) == ("d", "s", [1, 2], "l", None)
    arguments.unbind()
    with pytest.raises(SystemExit):
        made.parse_args([])


def test_subcommands_are_recorded_once_and_chosen_again() -> None:
    made = argparse.ArgumentParser()
    made.add_argument("--verbose", action="store_true")
    commands = made.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train")
    train.add_argument("--lr", type=float, default=0.1)
    binding, seen = recorder()
    arguments.bind(binding)
    made.parse_args(["train", "--lr", "0.2"])
    assert seen == [{"verbose": False, "command": "train", "lr": 0.2}]
    arguments.bind(ArgumentBinding(lambda p, n: None, lambda: {"command": "train", "lr": "0.9"}))
    found = made.parse_args([])
    assert (found.command, found.lr) == ("train", 0.9)


def test_the_users_errors_and_exits_are_untouched() -> None:
    binding, seen = recorder()
    arguments.bind(binding)
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(["--epochs", "many"])
    assert caught.value.code == 2 and seen == []
    parser().parse_args([])
    assert len(seen) == 1


def test_a_value_that_the_scripts_type_refuses_is_left_readable() -> None:
    made = argparse.ArgumentParser()

    def even(text: str) -> int:
        if int(text) % 2:
            raise argparse.ArgumentTypeError("odd")
        return int(text)

    made.add_argument("--n", type=even, default=2)
    arguments.bind(ArgumentBinding(lambda p, n: None, lambda: {"n": "3"}))
    assert made.parse_args([]).n == 3
