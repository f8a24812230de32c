"""What the API client knows of the server, and documents as objects."""

from __future__ import annotations

import datetime

import pytest

from clearml_sdk.backend_api.session.client.actions import ACTIONS
from clearml_sdk.documents import Document
from control_plane.services.table import handler_table


def test_the_client_knows_every_action_of_the_server() -> None:
    own = ("agents", "login")  # between our agent and our server, and of the page
    served = {name for name in handler_table() if name.partition(".")[0] not in own}
    assert {f"{service}.{action}" for service, actions in ACTIONS.items() for action in actions} == served


def test_times_are_times() -> None:
    document = Document({"created": "2026-01-02T03:04:05.6+00:00", "name": "2026-01-02", "a": [{"started": None}]})
    assert document.created == datetime.datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=datetime.UTC)
    assert document["created"] == document.to_dict()["created"] == document.created
    assert document.name == "2026-01-02" and document.a[0].started is None
    assert Document({"created": "soon"}).created == "soon"
    with pytest.raises(AttributeError):
        document.__missing__  # noqa: B018  # the access is the test
