"""The command lines take what the official ones take, and each option says what it does."""

from __future__ import annotations

import argparse
import importlib.util
import json
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from clearml_sdk.cli import COMMANDS

PROJECT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def report() -> ModuleType:
    spec = importlib.util.spec_from_file_location("_cli_surface", PROJECT / "scripts/_cli_surface.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_recorded_option_is_taken(report: ModuleType) -> None:
    surface = json.loads((PROJECT / "tests/cli_surface.json").read_text())
    found = list(report.compare(surface))
    assert len(found) > 150
    assert [row for row in found if row[3]] == []


def test_the_report_sees_what_is_missing(report: ModuleType) -> None:
    wrong = {"clearml-init": {"": {"--file": {"nargs": "*"}, "--none": {}}, "gone": {"--x": {}}}}
    assert [row[3] for row in report.compare(wrong)] == [
        "",
        "takes * values, ours one",
        "there is no such option",
        "there is no such command",
        "there is no such option",
    ]


def test_every_option_is_explained_and_every_command_is_known(report: ModuleType) -> None:
    for program, module in report.PARSERS.items():
        assert program in COMMANDS
        parser = import_module(module).parser()
        for one in (parser, *report.subcommands(parser).values()):
            for action in one._actions:
                assert action.help or isinstance(action, argparse._SubParsersAction), f"{one.prog} {action.dest}"
