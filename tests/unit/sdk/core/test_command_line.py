"""How every command tells of a mistake on its command line, and what its help looks like."""

from __future__ import annotations

import pytest

from clearml_sdk.cli import main
from clearml_sdk.command_line import Parser


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("clearml lss", "clearml: unknown command: lss. Did you mean 'ls'?"),
        ("clearml serve", "clearml: unknown command: serve. Did you mean 'server'?"),
        ("clearml xyzzy", "clearml: unknown command: xyzzy."),
        ("clearml logs --folow T", "clearml logs: unrecognized arguments: --folow. Did you mean '--follow'?"),
        ("clearml-data creat", "clearml-data: argument COMMAND: invalid choice: 'creat'. Did you mean 'create'?"),
        (
            "clearml-data list --modifed",
            "clearml-data list: unrecognized arguments: --modifed. Did you mean '--modified'?",
        ),
        ("clearml-task --projct=p", "clearml-task: unrecognized arguments: --projct=p. Did you mean '--project'?"),
        ("clearml-server doctr", "clearml-server: unrecognized arguments: doctr. Did you mean 'doctor'?"),
        (
            "clearml-server users crate",
            "clearml-server users: argument VERB: invalid choice: 'crate'. Did you mean 'create'?",
        ),
        ("clearml-agent demon", "No such command 'demon'. Did you mean 'daemon'?"),
    ],
)
def test_a_mistake_is_told_in_a_few_lines_with_what_was_meant(
    line: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(line.split())
    except SystemExit as end:
        status = end.code  # type: ignore[assignment]  # argparse always gives a number
    output = capsys.readouterr()
    assert status == 2 and not output.out
    assert told in output.err and len(output.err.splitlines()) <= 4 and "--help" in output.err


@pytest.mark.parametrize("columns", ["60", "80", "300"])
def test_a_help_text_fits_the_terminal(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for line in ("clearml help", "clearml-server --help", "clearml-data --help", "clearml ls --help"):
        try:
            main(line.split())
        except SystemExit as end:
            assert end.code == 0
        texts = capsys.readouterr().out.partition("examples:")[0].splitlines()
        assert texts and max(map(len, texts)) <= min(int(columns), 100)


def test_a_description_is_a_sentence_and_examples_come_last() -> None:
    text = Parser(prog="it", description="do something", examples=["it now"]).format_help()
    assert "Do something." in text and text.endswith("examples:\n  it now\n")
