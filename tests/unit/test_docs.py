"""The documents name everything there is to set and to run, and link to what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from control_plane.settings import abouts

PROJECT = Path(__file__).resolve().parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), *PROJECT.glob("[a-z]*/README.md")])


@pytest.mark.parametrize("variable", [about.env for _, _, about in abouts() if about.env])
def test_every_variable_of_the_server_is_documented(variable: str) -> None:
    assert variable in (PROJECT / "docs" / "server.md").read_text()


def test_every_command_of_the_agent_is_documented() -> None:
    from clearml_agent.cli import cli

    page = (PROJECT / "docs" / "agent.md").read_text()
    assert not [name for name in cli.commands if f"clearml-agent {name}" not in page]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(PROJECT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert not [link for link in links if not (page.parent / link).exists()]


def test_every_command_of_datasets_is_documented() -> None:
    from clearml_sdk.data_cli.options import parser

    page = (PROJECT / "docs" / "command_lines.md").read_text()
    names = next(action.choices for action in parser()._actions if isinstance(action.choices, dict))
    assert not [name for name in names if f"`{name}`" not in page and f"clearml-data {name}" not in page]
