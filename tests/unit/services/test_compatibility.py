"""What official clients use is handled here, field by field; what is not is listed in the documents."""

import ast
import json
from pathlib import Path

import msgspec
import pytest

from control_plane.services import compatibility
from control_plane.services.compatibility import Contract, compare, read_contract
from control_plane.services.table import handler_table

PROJECT = Path(__file__).resolve().parents[3]
FACTS = Path(__file__).parent / "endpoints.json"
"""Names, users and fields of the contract; a clone has no other copy of it."""
ORIGINAL = PROJECT.parent / "shared/contract/endpoints.json"
TABLE = handler_table()
CONTRACT = read_contract(json.loads(FACTS.read_text()))
ROWS = compare(CONTRACT, TABLE)


def test_every_endpoint_that_a_client_uses_is_handled() -> None:
    assert [row.name for row in ROWS if row.used_by and not row.is_handled] == []


def test_every_field_that_a_client_may_send_is_handled() -> None:
    assert {row.name: row.missing for row in ROWS if row.used_by and row.is_handled and row.missing} == {}


def test_what_is_not_supported_is_listed_in_the_documents() -> None:
    text = (PROJECT / "docs/api.md").read_text()
    section = text.partition("## Not supported")[2].partition("\n## ")[0]
    listed = {line.split("`")[1] for line in section.splitlines() if line.startswith("- `")}
    assert listed == {row.name for row in ROWS if not row.is_handled}


def test_open_requests_say_what_they_read() -> None:
    undeclared = {name for name, row in TABLE.items() if row.request is dict and not row.reads}
    assert undeclared <= {"debug.echo"}


def test_no_field_is_only_declared() -> None:
    """Each field of a request that clients use is read in the services: as an attribute, or by its name."""
    words = {word for path in (PROJECT / "control_plane/services").glob("*.py") for word in _words(path)}
    unread = {
        f"{one.name}.{field}"
        for one in CONTRACT
        if one.used_by and _is_struct(TABLE[one.name].request)
        for field in one.fields - words
    }
    assert unread <= WITHOUT_EFFECT
    assert {f"{one.name}.{field}" for one in CONTRACT for field in one.fields} >= WITHOUT_EFFECT


WITHOUT_EFFECT = {
    "models.update.ready",
    "projects.delete.delete_external_artifacts",
    "server.report_stats_option.enabled",
    *(f"tasks.{call}.delete_external_artifacts" for call in ("delete", "delete_many", "reset", "reset_many")),
    *(f"tasks.{call}.move_to_trash" for call in ("delete", "delete_many")),
    *(f"tasks.{call}.remove_from_all_queues" for call in ("dequeue", "dequeue_many")),
}
"""Accepted, and without an effect here: docs/api.md says why of each."""


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _words(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return names | {
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_fields_without_effect_are_explained_in_the_documents() -> None:
    text = (PROJECT / "docs/api.md").read_text()
    section = text.partition("## Accepted without effect")[2].partition("\n## ")[0]
    assert {name.rpartition(".")[2] for name in WITHOUT_EFFECT} <= set(section.split("`"))


@pytest.mark.skipif(not ORIGINAL.exists(), reason="the contract is not beside this checkout; its facts are, in tests/")
def test_the_facts_carried_along_are_those_of_the_contract() -> None:
    assert read_contract(json.loads(ORIGINAL.read_text())) == CONTRACT


def test_a_gap_is_reported() -> None:
    contract = [
        Contract("tasks.nonsense", ("sdk",), frozenset()),
        Contract("tasks.ping", ("sdk",), frozenset({"task", "colour"})),
    ]
    nonsense, ping = compare(contract, TABLE)
    assert not nonsense.is_handled
    assert ping.is_handled
    assert ping.missing == ("colour",)


def test_names_of_the_contract_are_cleaned() -> None:
    entries = [
        {"type": "x", "fields": {}},
        {"endpoint": "a.b", "used_by": ["neither"], "request": {"id*": "", '"x.y"': "", "<each line>": ""}},
        {"endpoint": "frames.* / dataviews.*", "used_by": ["neither"]},
    ]
    assert compatibility.read_contract(entries) == [Contract("a.b", (), frozenset({"id", "x.y"}))]
