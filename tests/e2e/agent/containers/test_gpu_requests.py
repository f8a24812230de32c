"""What the engine is asked for in every way of naming GPUs: a recording proxy stands before it."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.agent.core.conftest import Agent, Tasks
from tests.engine import Engine

NVIDIA = "NVIDIA_VISIBLE_DEVICES"
MIG = "MIG-5b2f5a2c-90a1-5d6a-9f1b-0d1f3c0a7e11"
ANY = {"Driver": "", "Capabilities": [["gpu"]]}
ALL = [{**ANY, "Count": -1}]


class Recorder:
    """Passes everything on between a socket of its own and the engine's; keeps what clients said."""

    def __init__(self, path: str, engine: str) -> None:
        self.said = bytearray()
        self._engine = engine
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def created(self) -> list[dict[str, Any]]:
        """The bodies of the calls that created containers."""
        found = []
        for match in re.finditer(rb"POST \S*/containers/create\S* .*?\r\n\r\n", bytes(self.said), re.DOTALL):
            found.append(json.JSONDecoder().raw_decode(self.said[match.end() :].decode("utf-8", "replace"))[0])
        return found

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._engine)
            back = threading.Thread(target=self._copy, args=(server, client, None), daemon=True)
            back.start()
            self._copy(client, server, self.said)
            back.join()

    def _copy(self, source: socket.socket, to: socket.socket, kept: bytearray | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if kept is not None:
                    kept += data
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)


@pytest.fixture
def recorder(engine: Engine) -> Iterator[tuple[Recorder, str]]:
    with tempfile.TemporaryDirectory(prefix="rec-") as folder:
        path = f"{folder}/docker.sock"
        made = Recorder(path, engine.url.removeprefix("unix://"))
        yield made, f"unix://{path}"
        made.close()


@pytest.mark.rows("S3-083", "S3-086")
@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        (["--gpus", "all"], {}, (ALL, None)),
        pytest.param(["--gpus", "none"], {}, (None, "none"), marks=pytest.mark.full),
        (["--cpu-only"], {}, (None, "none")),
        (["--gpus", "0,1"], {}, ([{**ANY, "DeviceIDs": ["0", "1"]}], None)),
        pytest.param(["--gpus", "0:1"], {}, ([{**ANY, "DeviceIDs": ["0:1"]}], None), marks=pytest.mark.full),
        pytest.param(["--gpus", MIG], {}, ([{**ANY, "DeviceIDs": [MIG]}], None), marks=pytest.mark.full),
        ([], {NVIDIA: "2,3"}, ([{**ANY, "DeviceIDs": ["2", "3"]}], None)),
        pytest.param([], {NVIDIA: "none"}, (None, "none"), marks=pytest.mark.full),
        pytest.param([], {"CUDA_VISIBLE_DEVICES": "1"}, ([{**ANY, "DeviceIDs": ["1"]}], None), marks=pytest.mark.full),
        (["--gpus", "0,1"], {"CLEARML_DOCKER_SKIP_GPUS_FLAG": "1"}, (None, "0,1")),
    ],
    ids=str,
)
def test_engine_is_asked_for_these_gpus(
    new_docker_agent: Callable[..., Agent],
    tasks: Tasks,
    recorder: tuple[Recorder, str],
    arguments: list[str],
    variables: dict[str, str],
    expected: tuple[Any, str | None],
) -> None:
    record, url = recorder
    agent = new_docker_agent(DOCKER_HOST=url, **variables)
    agent.start("--docker", *arguments, queue=tasks.queue)
    task = tasks.submit("print('ran')")
    tasks.finished(task)
    (body,) = record.created()
    requests = body["HostConfig"].get("DeviceRequests")
    assert requests == expected[0]
    assert dict(word.split("=", 1) for word in body["Env"]).get(NVIDIA) == expected[1]


def test_a_tasks_own_request_counts_before_the_agents(
    new_docker_agent: Callable[..., Agent], tasks: Tasks, recorder: tuple[Recorder, str]
) -> None:
    record, url = recorder
    new_docker_agent(DOCKER_HOST=url).start("--docker", "--gpus", "all", queue=tasks.queue)
    task = tasks.create("print('ran')")
    own = "--gpus '\"device=0,GPU-1a\",capabilities=utility'"
    tasks.server.call("tasks.edit", {"task": task, "container": {"arguments": own}})
    tasks.finished(tasks.enqueue(task))
    (body,) = record.created()
    (request,) = body["HostConfig"]["DeviceRequests"]
    assert request == {"Driver": "", "Capabilities": [["gpu", "utility"]], "DeviceIDs": ["0", "GPU-1a"]}
