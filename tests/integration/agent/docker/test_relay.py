"""What a container's relay carries to this machine's loopback: here from a network namespace of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_agent.docker import relay
from clearml_agent.docker.loopback import Gate, addresses_of, targets
from clearml_agent.environments.settings import Indexes
from clearml_agent.errors import RunFailed

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "nsenter", "ip"))),
        reason="a network namespace needs root, util-linux and iproute2",
    ),
]
PYTHON = os.environ.get("CONTAINER_PYTHON", sys.executable)
"""What runs the relay, see tests/unit/agent/core/test_runner.py."""
SERVES = """
import sys
sys.path.insert(0, sys.argv[1])
import relay
relay.serve(sys.argv[2], lambda: print("ready", flush=True))
"""
Inside = Callable[[str], Awaitable[Any]]


class Echo:
    """A server on loopback that sends back what it gets, each connection to its end; `port`."""

    def __init__(self) -> None:
        self.port, self.open = 0, 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()
        self.open -= 1


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    server = Echo()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Gate]:
    """The agent's side."""
    deep = tmp_path / ("long" * 30)  # longer than the path of a socket may be
    deep.mkdir()
    made = Gate(deep / "loopback")
    yield made
    made.close()


@pytest.fixture
async def inside(echo: Echo, gate: Gate) -> AsyncIterator[Inside]:
    """Runs Python in a network with nothing but the relay, PORT being the server's; answers what it prints, decoded."""
    gate.open([f"localhost:{echo.port}"])
    command = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "-", PYTHON, "-I", "-S"]
    process = await asyncio.create_subprocess_exec(
        *command, "-c", SERVES, str(Path(relay.__file__).parent), str(gate.folder),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"

    async def run(code: str) -> Any:
        there = ("nsenter", "--net", "--target", str(process.pid), sys.executable, "-I", "-c")
        client = await asyncio.create_subprocess_exec(
            *there, f"PORT = {echo.port}\n{code}", stdout=asyncio.subprocess.PIPE
        )
        output, _ = await client.communicate()
        assert client.returncode == 0
        return json.loads(output)

    yield run
    process.kill()
    await process.wait()


async def test_thousands_of_connections_at_once(inside: Inside, echo: Echo) -> None:
    code = """
import json, resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
found = [socket.create_connection(("localhost", PORT), 60) for _ in range(2000)]
for number, one in enumerate(found):
    one.sendall(b"%06d" % number)
print(json.dumps([one.recv(6).decode() for one in found]))
"""
    assert await inside(code) == [f"{number:06}" for number in range(2000)]
    async with asyncio.timeout(60):
        while echo.open:  # noqa: ASYNC110 - the ends of connections are told to nobody else
            await asyncio.sleep(0.01)


async def test_much_goes_both_ways_to_its_last_byte(inside: Inside) -> None:
    code = """
import hashlib, json, random, socket, threading
data = random.Random(1).randbytes(1 << 20) * 48
one = socket.create_connection(("127.0.0.1", PORT), 60)
def send():
    one.sendall(data)
    one.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
found = hashlib.sha256()
while piece := one.recv(1 << 20):
    found.update(piece)
print(json.dumps([hashlib.sha256(data).hexdigest(), found.hexdigest()]))
"""
    sent, found = await inside(code)
    assert sent == found


async def test_agent_may_end_and_start_again(inside: Inside, gate: Gate) -> None:
    code = """
import json, os, socket, sys
old = socket.create_connection(("127.0.0.1", PORT), 60)
old.sendall(b"old"); assert old.recv(3) == b"old"
open({path!r}, "w").close()
while os.path.exists({path!r}): pass
new = socket.create_connection(("127.0.0.1", PORT), 60)
old.sendall(b"yet"); new.sendall(b"new")
print(json.dumps([old.recv(3).decode(), new.recv(3).decode()]))
"""
    with tempfile.TemporaryDirectory() as folder:
        sign = Path(folder) / "sign"
        answer = asyncio.ensure_future(inside(code.format(path=str(sign))))
        while not sign.exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
        gate.close()
        sign.unlink()
        await asyncio.sleep(0.5)  # the new connection is made while nobody answers for it
        gate.open_again()
        assert await answer == ["yet", "new"]


async def test_a_server_that_is_down_is_a_failure_at_once(inside: Inside, echo: Echo) -> None:
    await echo.stop()
    code = """
import json, socket
try:
    print(json.dumps(socket.create_connection(("127.0.0.1", PORT), 60).recv(1).decode()))
except ConnectionResetError:  # of the connection, or before it is known to be one
    print(json.dumps("reset"))
"""
    assert await inside(code) == "reset"


async def test_addresses_of_this_machines_loopback_are_found() -> None:
    given = addresses_of(
        [
            "http://localhost:8008",
            "http://127.0.0.1:8008",
            "http://192.0.2.1:8081",
            "http://0.0.0.0:8082",
            "http://[::1]:8080",
            "",
        ],
        Indexes(default="http://user:word@127.0.0.2/simple", extra=("file:///x", "https://pypi.invalid/simple")),
        {"HTTPS_PROXY": "127.0.0.1:3128", "HTTP_SOMETHING": "http://127.0.0.1:1"},
    )
    found = await targets(given)
    assert found.names == (
        "localhost:8008",
        "127.0.0.1:8008",
        "127.0.0.1:8082",
        "::1:8080",
        "127.0.0.2:80",
        "127.0.0.1:3128",
    )
    assert found.hosts == {}
    assert relay.addresses("::1:8080")[0][1:] == ("::1", 8080)


async def test_a_folder_that_takes_no_socket_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "loopback" / "localhost:1").mkdir(parents=True)
    with pytest.raises(RunFailed, match="CLEARML_AGENT_HOME"):
        Gate(tmp_path / "loopback").open(["localhost:1"])
