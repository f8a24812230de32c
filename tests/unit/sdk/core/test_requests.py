"""The requests that the SDK knows, and the server's."""

from __future__ import annotations

import inspect

import msgspec

from clearml_sdk.backend_api.services import tasks
from clearml_sdk.backend_api.services._classes import action_name, request_name
from clearml_sdk.backend_api.services._contract import contracts
from control_plane.services.table import handler_table


def test_what_the_server_requires_the_sdk_can_say() -> None:
    table = handler_table()
    compared = 0
    for service, contract in contracts().items():
        for action, fields in contract.actions.items():
            endpoint = table.get(f"{service}.{action}")
            if endpoint is None or not issubclass(endpoint.request, msgspec.Struct):
                continue  # of servers with more than the open feature set; of a stream of lines
            compared += 1
            known = {field.name for field in (*fields, *contract.more[action])}
            required = {field.encode_name for field in msgspec.structs.fields(endpoint.request) if field.required}
            assert required <= known, f"{service}.{action}"
    assert compared > 150


def test_names_of_classes_and_actions() -> None:
    for contract in contracts().values():
        for action in contract.actions:
            assert action_name(request_name(action)) == action


def test_a_request_has_its_parameters_in_its_signature() -> None:
    parameters = inspect.signature(tasks.EnqueueRequest.__init__).parameters
    assert list(parameters)[:2] == ["self", "task"] and parameters["queue"].default is None
    assert tasks.EnqueueRequest("id", queue="q").to_dict() == {"task": "id", "queue": "q"}
    assert "GetAllRequest" in dir(tasks) and repr(tasks.CloneRequest(task="x")) == "<tasks.CloneRequest: {'task': 'x'}>"
