"""Recorded traffic of official clients, too long to keep here: command line, pipelines, datasets, HPO, offline import.

The recordings are no part of this repository: `shared/contract/traces` beside or inside the checkout.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import running_server
from tests.integration.http.replay import Replay

from .official import PROJECT

TRACES = next(
    (found for root in (PROJECT.parent, PROJECT) if (found := root / "shared" / "contract" / "traces").is_dir()), None
)
LONG = ("c_cli", "e_pipeline_local", "e_pipeline_remote", "f_dataset", "g_hpo", "i_offline_import")
"""The others are kept in tests/integration/http/traces."""

BEFORE: dict[str, set[int]] = {
    "e_pipeline_local": {13},
    "e_pipeline_remote": {13, 70},
    "g_hpo": {9, 10, 11, 27, 140},
}
"""Lines whose answers show what happened before the recording began (a project that was hidden, a task that had run in
another queue) or what it leaves out (events of a batch). A line that is answered alike may not be listed."""

pytestmark = pytest.mark.skipif(TRACES is None, reason="shared/contract/traces is not beside this checkout")


def row_of(recorded: dict[str, Any]) -> dict[str, Any]:
    """A line of the recordings in the form that the replay reads."""
    answer = recorded["response"]
    row = {name: recorded[name] for name in ("server", "method", "path", "request", "status")}
    if recorded["server"] == "files":
        return {**row, "data": answer}
    row["auth"] = "basic" if recorded["headers"].get("authorization", "").startswith("Basic") else "bearer"
    row["data"] = answer["data"]
    if isinstance(answer["meta"], dict) and recorded["status"] != 200:
        row["subcode"] = answer["meta"]["result_subcode"]
    return row


@pytest.mark.parametrize("name", LONG)
def test_recorded_calls_are_answered_alike(name: str, tmp_path: Path) -> None:
    assert TRACES is not None
    recorded = (TRACES / f"{name}.jsonl").read_text().splitlines()
    path = tmp_path / f"{name}.jsonl"
    path.write_text("\n".join(json.dumps(row_of(json.loads(line))) for line in recorded))
    with running_server() as server:
        differences = Replay(server.api, server.files, server.access_key, server.secret_key).run(path)
    unexpected = [text for text in differences if line_of(text) not in BEFORE.get(name, ())]
    assert not unexpected, "\n".join(unexpected)
    assert {line_of(text) for text in differences} == BEFORE.get(name, set())


def line_of(difference: str) -> int:
    """The number in "name:number path ..."."""
    return int(difference.split(" ", 1)[0].rpartition(":")[2])
