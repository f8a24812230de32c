"""The recorded answers of the official server: every step holds against ours, but for those named here with a reason.

The recordings are no part of this repository: `shared/contract/golden` beside or inside the checkout.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import running_server

from .official import PROJECT

GOLDEN = next(
    (
        found
        for root in (PROJECT.parent, PROJECT)
        if (found := root / "shared" / "contract" / "golden").joinpath("replay.py").is_file()
    ),
    None,
)
SCENARIOS = sorted(path.stem for path in (GOLDEN / "scenarios").glob("*.json")) if GOLDEN else []

UNRECORDED = "the recording holds no answer to compare with: the reference's event database failed there"
BY_DESIGN: dict[tuple[str, int], str] = {
    ("auth", 15): "a cookie authenticates an API call only from a configured page (Origin), see docs/server.md",
    ("batch_reset_delete", 26): UNRECORDED,
    ("errors", 38): "people log in with a password here unless the server is told otherwise, see docs/permissions.md",
    (
        "queues",
        15,
    ): "the reference found no queue at all when they were sorted by name downwards; an order hides nothing",
    ("delete_task", 3): UNRECORDED,
    ("delete_task", 12): UNRECORDED,
    ("delete_task", 17): UNRECORDED,
    ("delete_task", 23): UNRECORDED,
}
"""(scenario, step): why our answer differs. A step that holds may not be listed."""

pytestmark = pytest.mark.skipif(GOLDEN is None, reason="shared/contract/golden is not beside this checkout")


@pytest.fixture(scope="module")
def replay() -> ModuleType:
    assert GOLDEN is not None
    spec = importlib.util.spec_from_file_location("golden_replay", GOLDEN / "replay.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=["POST", pytest.param("GET", marks=pytest.mark.full)])
def recorded_server(replay: ModuleType, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A fresh server as the recordings met theirs: called by an ordinary user named "tests".

    Recorded as POST; official clients send the same as GET with a body.
    """
    with running_server() as server:
        names = {"name": "tests", "given_name": "Default", "family_name": "User", "role": "user"}
        user = server.call("auth.create_user", names)["id"]
        token = server.call("auth.get_token_for_user", {"user": user})["token"]
        keys = server.call("auth.create_credentials", {"label": "golden"}, token=token)["credentials"]
        client = replay.Server(server.api, keys["access_key"], keys["secret_key"], server.files, request.param)
        client.login()
        assert (client.base["me"], client.base["my_name"]) == (user, "tests")
        yield client
        for connection in client.conns.values():
            connection.close()


@pytest.mark.parametrize("name", SCENARIOS)
def test_answers_are_those_recorded(replay: ModuleType, recorded_server: Any, name: str) -> None:
    assert GOLDEN is not None
    scenario = replay.json.loads((GOLDEN / "scenarios" / f"{name}.json").read_text(encoding="utf-8"))
    held, differing, _ = replay.passage(recorded_server, scenario)
    assert held + len(differing) == len(scenario["steps"])
    found = {
        (name, number): "; ".join(
            f"{replay.show(where)}: recorded {replay.short(want)}, answered {replay.short(got)}"
            for where, want, got in differences
        )
        for number, _, differences in differing
    }
    unexpected = [f"#{step[1]} {text}" for step, text in found.items() if step not in BY_DESIGN]
    assert not unexpected, "\n".join(unexpected)
    listed = {step for step in BY_DESIGN if step[0] == name}
    assert listed <= found.keys(), f"hold by now and must leave the list: {sorted(listed - found.keys())}"


def test_every_listed_step_exists(replay: ModuleType) -> None:
    assert GOLDEN is not None
    for name, number in BY_DESIGN:
        steps = replay.json.loads((GOLDEN / "scenarios" / f"{name}.json").read_text(encoding="utf-8"))["steps"]
        assert 1 <= number <= len(steps), (name, number)
