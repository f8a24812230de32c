"""No stale answer: what one server acknowledged, the other one's next list shows."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import RunningServer, running_server

ASKED = {"search_hidden": True, "only_fields": ["comment", "tags", "hyperparams.Args.round.value"]}


class Client:
    """One open connection to one server."""

    def __init__(self, server: RunningServer) -> None:
        address = urlsplit(server.api)
        self._connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {server.login()}"}

    def call(self, endpoint: str, body: dict[str, Any]) -> Any:
        self._connection.request("POST", f"/{endpoint}", json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        content = json.loads(answer.read())
        assert answer.status == 200, content
        return content["data"]

    def close(self) -> None:
        self._connection.close()

    def found(self, **body: Any) -> list[str]:
        return [task["id"] for task in self.call("tasks.get_all_ex", {**ASKED, **body})["tasks"]]


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Client, Client]]:
    """Clients of two servers: one with a store of its own, and one that shares it."""
    with running_server() as one:
        embedded = ["--redis", f"unix://{one.data_dir}/store/valkey.sock", "--segments", f"{one.data_dir}/segments"]
        with running_server(*(one.arguments or embedded)) as two:
            clients = Client(one), Client(two)
            yield clients
            for client in clients:
                client.close()


@pytest.mark.parametrize(
    "rounds",
    [
        pytest.param(150, id="short"),
        pytest.param(10_000, id="whole", marks=[pytest.mark.full, pytest.mark.timeout(1800)]),
    ],
)
def test_a_list_on_one_server_shows_every_edit_on_the_other(pair: tuple[Client, Client], rounds: int) -> None:
    tasks = [pair[0].call("tasks.create", {"name": f"task {n}", "type": "training"})["id"] for n in range(20)]
    for number in range(rounds):
        writer, reader = pair[number % 2], pair[1 - number % 2]
        task, text = tasks[number % len(tasks)], f"round {rounds} {number}"
        parameter = {"section": "Args", "name": "round", "value": text}
        changes = {"comment": text, "tags": [text], "hyperparams": {"Args": {"round": parameter}}}
        writer.call("tasks.edit", {"task": task, "force": True, **changes})
        asked: dict[str, Any] = [
            {"_all_": {"fields": ["comment"], "pattern": f"^{text}$"}},
            {"tags": [text]},
            {"hyperparams.Args.round.value": [text]},
            {"order_by": ["-last_update"], "page": 0, "page_size": 1},
        ][number % 4]
        assert reader.found(**asked) == [task], (number, asked)
        if number % 10 == 9:
            writer.call("tasks.delete", {"task": task, "force": True})
            assert task not in reader.found(id=tasks)
            tasks[number % len(tasks)] = reader.call("tasks.create", {"name": "again", "type": "training"})["id"]
            assert tasks[number % len(tasks)] in writer.found(name="^again$")
