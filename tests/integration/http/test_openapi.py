"""The OpenAPI document is true: whatever is made from it gets an answer that it describes, and never a 5xx."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import FlakyFailure
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, FailureGroup, load_all_checks

from control_plane.services.table import handler_table
from tests.conftest import RunningServer, running_server

load_all_checks()
HELD = CHECKS.get_by_names(
    ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
)
EXAMPLES = 5
"""Right and as many wrong requests to each endpoint."""
FULL_S = 300.0
"""So long the endpoints of all services together are called at full size: more often on a faster machine."""
SERVICES = sorted({name.partition(".")[0] for name in handler_table()})
WAITS = {name: {"timeout_s": 0} for name in ("agents.wait", "organization.follow", "tasks.wait")}
"""Fields that keep a call from waiting for something that never comes."""
ABOUT_THE_CALLER = {"auth.edit_user", "auth.set_password"}
"""Calls that are about the caller unless they name a user: they would end the run."""


@schemathesis.serializer("application/json-lines")
def json_lines(_context: Any, value: Any) -> bytes:
    return str(value).encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def api() -> Iterator[RunningServer]:
    """A server of these tests' own: they delete and revoke what they can name."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="module")
def document(api: RunningServer) -> dict[str, Any]:
    answer = requests.get(f"{api.api}/openapi.json", timeout=20)
    assert answer.status_code == 200
    return dict(answer.json())


_NUMBERS = itertools.count()


def things(api: RunningServer, name: str) -> dict[str, Any]:
    """One of everything: what fields of these names hold when a call is to be about something that exists."""
    project = api.call("projects.create", {"name": f"openapi/{name} {next(_NUMBERS)}"})["id"]
    task = api.call("tasks.create", {"name": name, "type": "training", "project": project})["id"]
    queue = api.call("queues.create", {"name": f"{name} {next(_NUMBERS)}"})["id"]
    model = api.call("models.create", {"name": name, "uri": "file:///x", "project": project, "task": task})["id"]
    event = {"type": "training_stats_scalar", "task": task, "iter": 1, "metric": "m", "variant": "v", "value": 1.0}
    api.call("events.add", event)
    service = name.partition(".")[0]
    own = {"tasks": task, "reports": task, "queues": queue, "projects": project, "models": model}.get(service, task)
    one = {"task": task, "queue": queue, "project": project, "model": model}
    if name == "events.follow":
        api.call("tasks.completed", {"task": task, "force": True})  # else it would be followed for an hour
    return {**one, **{f"{field}s": [id] for field, id in one.items()}, "ids": [own], "id": [own]}


def named(body: Any, existing: dict[str, Any]) -> None:
    """Let a body name things that exist wherever it names any, in the form (text, list) that it has."""
    if not isinstance(body, dict):
        return
    for field, value in existing.items():
        given = body.get(field)
        if isinstance(given, list):
            body[field] = value if isinstance(value, list) else [value]
        elif isinstance(given, str):
            body[field] = value[0] if isinstance(value, list) else value


def hold(api: RunningServer, session: requests.Session, operation: Any, mode: GenerationMode, round_: int) -> None:
    """Call one endpoint with made-up requests, others in each round; every second one is about things that exist."""
    name = operation.path[1:]
    only_reads = name.partition(".")[2].startswith("get_")
    existing = things(api, name)
    somebody = api.call("auth.create_user", {"name": f"{name} {next(_NUMBERS)}"})["id"]
    calls = itertools.count()

    @seed(round_)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        if isinstance(case.body, dict):
            case.body.update(WAITS.get(name, {}))
            if name in ABOUT_THE_CALLER and not case.body.get("user"):
                case.body["user"] = somebody
        if next(calls) % 2:
            named(case.body, existing if only_reads else things(api, name))
        case.validate_response(case.call(base_url=api.api, session=session, timeout=30), checks=HELD)

    one()


def storm(api: RunningServer, document: dict[str, Any], service: str, each_s: float = 0) -> None:
    """Call every endpoint of a service with right and with wrong requests, `each_s` s long with either, or once."""
    session = requests.Session()
    # The administrator's key and not a token: a call of `auth.logout` must not end the run.
    session.auth = (api.access_key, api.secret_key)
    failed = []
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        if not operation.path.startswith(f"/{service}."):
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            began = time.monotonic()
            try:
                for round_ in itertools.count():
                    hold(api, session, operation, mode, round_)
                    if time.monotonic() - began > each_s:
                        break
            except (FailureGroup, FlakyFailure) as failures:
                # A flaky one is about what happened just before, or under load: the server's log below says what.
                causes = [str(cause) for cause in getattr(failures, "exceptions", ())]
                failed.append("\n".join([f"{operation.path} ({mode.value}): {failures}", *causes]))
    session.close()
    defects = [line for line in api.log.splitlines() if '"unexpected failure"' in line]
    assert not failed, "\n\n".join([*failed, *defects])
    assert api.process.poll() is None


@pytest.mark.parametrize("service", SERVICES)
def test_every_answer_is_as_documented(api: RunningServer, document: dict[str, Any], service: str) -> None:
    storm(api, document, service)


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("service", SERVICES)
def test_every_answer_is_as_documented_many_times(api: RunningServer, document: dict[str, Any], service: str) -> None:
    storm(api, document, service, FULL_S / len(handler_table()) / 2)


def test_the_run_was_authenticated_to_its_end(api: RunningServer) -> None:
    answer = requests.post(f"{api.api}/debug.ping_auth", json={}, auth=(api.access_key, api.secret_key), timeout=20)
    assert answer.status_code == 200
