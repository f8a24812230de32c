"""Callers that are slow, many, old or odd: none of them blocks the others or brings the server down."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from aiohttp import web

from control_plane.http.protocol import Handler, Server
from control_plane.http.receiving import receive
from control_plane.http.sending import send as send_file

from .client import Answer, raw, send

PING = "GET /debug.ping HTTP/1.1\r\nHost: x\r\n\r\n"


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    assert parts.hostname is not None
    return socket.create_connection((parts.hostname, parts.port or 80), timeout=20)


def answers(sock: socket.socket, count: int) -> Iterator[tuple[str, bytes]]:
    """The next answers on a connection that stays open: head and body."""
    stream = sock.makefile("rb")
    for _ in range(count):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            assert line, "the connection was closed"
            head += line
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
        yield head.decode(), stream.read(length)


def call_head(path: str, token: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}", *lines, "", ""]).encode()


async def test_a_connection_whose_first_request_does_not_come_is_closed() -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(1.2)  # longer than the limit, which is about heads
        return web.Response(text="ok")

    async with serving(handler, head_s=0.8) as place, asyncio.timeout(60):
        silent, silent_writer = await asyncio.open_connection(*place)
        slow, slow_writer = await asyncio.open_connection(*place)
        slow_writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
        late, late_writer = await asyncio.open_connection(*place)
        late_writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await silent.read() == b""
        assert await slow.read() == b""
        # A request that came in time is answered however long that takes, and its connection stays.
        assert (await late.readline()).startswith(b"HTTP/1.1 200")
        late_writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await late.readuntil(b"HTTP/1.1 200")
        for writer in (silent_writer, slow_writer, late_writer):
            writer.close()


@asynccontextmanager
async def serving(handler: Handler, **options: Any) -> AsyncIterator[tuple[str, int]]:
    """A port of this process; where it is."""
    runner = web.ServerRunner(Server(handler, max_body_bytes=1000, **options))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][:2]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("length", [1000, 64 << 20])
async def test_a_sender_who_falls_silent_is_hung_up_on(length: int) -> None:
    taken: list[int] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        await receive(request, lambda _data, size: taken.append(size), silence_s=0.3)
        return web.Response(text="whole")

    async with serving(handler) as place, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection(*place)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nbegun" % length)
        assert b"whole" not in await reader.read()
        assert sum(taken) < length
        writer.close()


async def test_a_reader_who_takes_nothing_is_hung_up_on(tmp_path: Path) -> None:
    ended: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    size = 256 << 20
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = size
        with (tmp_path / "large").open("rb") as file:
            try:
                await send_file(request, response, file, 0, size, silence_s=0.3)
            except BaseException as error:
                ended.set_result(error)
                raise
        return response

    async with serving(handler) as place, asyncio.timeout(60):
        _reader, writer = await asyncio.open_connection(*place, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert isinstance(await ended, ConnectionAbortedError)
        writer.close()


def test_a_thousand_idle_connections_cost_little_and_block_nobody(server: Any) -> None:
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    idle = [connect(server.api) for _ in range(1000)]
    try:
        for sock in idle[::10]:
            sock.sendall(PING.encode())
        for sock in idle[::10]:
            head, _ = next(answers(sock, 1))
            assert head.startswith("HTTP/1.1 200")
        assert server.call("debug.ping_auth") == {"msg": "pong"}
        assert process.memory_info().rss - before < 64 * 1024 * 1024
    finally:
        for sock in idle:
            sock.close()


def test_more_connections_than_systems_allow_at_first(new_server: Any) -> None:
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
        try:
            server = stack.enter_context(new_server())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
        for sock in [stack.enter_context(closing(connect(server.api))) for _ in range(300)]:
            sock.sendall(PING.encode())
            head, _ = next(answers(sock, 1))
            assert head.startswith("HTTP/1.1 200")


def test_pipelined_requests_are_answered_in_order(server: Any) -> None:
    token = server.login()
    requests = b""
    for number in range(50):
        body = json.dumps({"number": number}).encode()
        head = call_head("/debug.echo", token, "Content-Type: application/json", f"Content-Length: {len(body)}")
        requests += head + body
    with closing(connect(server.api)) as sock:
        sock.sendall(requests)
        found = [json.loads(body)["data"]["number"] for _, body in answers(sock, 50)]
    assert found == list(range(50))


def test_who_sends_no_more_gets_every_answer_and_then_the_end(server: Any) -> None:
    token = server.login()
    with closing(connect(server.api)) as sock:
        sock.sendall(PING.encode() + call_head("/tasks.get_all", token, "Content-Length: 2") + b"{}" + PING.encode())
        sock.shutdown(socket.SHUT_WR)
        heads = [head for head, _ in answers(sock, 3)]
        assert all(head.startswith("HTTP/1.1 200") for head in heads)
        assert sock.recv(1) == b""
    with closing(connect(server.api)) as sock:  # half a request is none
        sock.sendall(call_head("/tasks.get_all", token, "Content-Length: 9") + b"{}")
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""


def test_who_waits_and_sends_no_more_has_hung_up(server: Any) -> None:
    queue = server.call("queues.create", {"name": "nobody waits here any more"})["id"]
    body = json.dumps({"worker": "half:0", "queues": [queue], "timeout_s": 60}).encode()
    with closing(connect(server.api)) as sock:
        sock.sendall(call_head("/agents.wait", server.login(), f"Content-Length: {len(body)}") + body)
        sock.shutdown(socket.SHUT_WR)
        assert b"200 OK" not in sock.recv(100)
    task = server.call("tasks.create", {"name": "waits", "type": "testing"})["id"]
    server.call("tasks.enqueue", {"task": task, "queue": queue})
    assert server.call("queues.get_num_entries", {"queue": queue})["num"] == 1


@pytest.mark.parametrize("keep", [False, True])
def test_http_1_0_is_spoken(server: Any, keep: bool) -> None:
    with closing(connect(server.api)) as sock:
        for _ in range(2 if keep else 1):
            sock.sendall(b"GET /debug.ping HTTP/1.0\r\n" + b"Connection: keep-alive\r\n" * keep + b"\r\n")
            head, body = next(answers(sock, 1))
            assert json.loads(body)["meta"]["result_code"] == 200
            assert "chunked" not in head.lower()
        if not keep:
            assert sock.recv(1) == b""


def test_head_has_the_length_and_no_body(server: Any) -> None:
    answer = send(server.api, "/debug.ping", method="HEAD")
    assert answer.status == 200
    assert answer.body == b""
    assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "TRACE", "BREW"])
def test_other_methods_do_nothing(server: Any, method: str) -> None:
    queue = server.call("queues.create", {"name": f"not deleted by {method}"})["id"]
    authorization = f"Bearer {server.login()}"
    answer = send(server.api, "/queues.delete", method=method, body={"queue": queue}, Authorization=authorization)
    assert answer.status in (400, 405)
    assert answer.meta["result_code"] == answer.status
    assert server.call("queues.get_by_id", {"queue": queue})["queue"]["id"] == queue


def test_options_is_an_empty_200(server: Any) -> None:
    answer = send(server.api, "/tasks.get_all", method="OPTIONS")
    assert (answer.status, answer.body) == (200, b"")


def test_a_chunked_body_is_a_body(server: Any) -> None:
    head = call_head(
        "/debug.echo",
        server.login(),
        "Transfer-Encoding: chunked",
        "Content-Type: application/json",
        "Connection: close",
    )
    answer = raw(server.api, head + b'4\r\n{"a"\r\n4\r\n: 1}\r\n0\r\n\r\n')
    assert answer.codes == (200, 0)
    assert answer.json["data"] == {"a": 1}


def test_a_caller_that_asks_whether_to_go_on_is_told_to(server: Any) -> None:
    body = b'{"a": 1}'
    head = call_head(
        "/debug.echo",
        server.login(),
        "Expect: 100-continue",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    with closing(connect(server.api)) as sock:
        sock.sendall(head)
        assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        received = b""
        while chunk := sock.recv(65536):
            received += chunk
    assert Answer(received).json["data"] == {"a": 1}


def test_a_body_that_never_ends_blocks_nobody(server: Any) -> None:
    head = call_head("/debug.echo", server.login(), "Content-Length: 1000")
    waiting = [connect(server.api) for _ in range(20)]
    try:
        for sock in waiting:
            sock.sendall(head + b'{"a"')
        began = time.monotonic()
        for _ in range(20):
            assert server.call("debug.ping_auth") == {"msg": "pong"}
        assert time.monotonic() - began < 30
    finally:
        for sock in waiting:
            sock.close()
    assert server.call("debug.ping_auth") == {"msg": "pong"}


def test_a_body_beyond_the_limit_is_413_before_it_is_sent(server: Any) -> None:
    with closing(connect(server.api)) as sock:
        sock.sendall(call_head("/events.add_batch", server.login(), f"Content-Length: {1 << 40}"))
        _, body = next(answers(sock, 1))
    envelope = json.loads(body)
    assert envelope["meta"]["result_code"] == 413
    assert envelope["meta"]["error_data"]["limit_bytes"] < 1 << 40


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),  # a TLS greeting
        b"GET / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET /" + b"y" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/7.9\r\n\r\n",
        b"\r\n\r\n\r\nnonsense\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_an_envelope(server: Any, junk: bytes) -> None:
    answer = raw(server.api, junk)
    assert 400 <= answer.status < 500
    assert answer.meta["result_code"] == answer.status
    assert answer.headers["x-request-id"] == answer.meta["id"]


def test_headers_that_are_no_text_do_no_harm(server: Any) -> None:
    task = server.call("tasks.create", {"name": "odd header", "type": "training"})["id"]
    event = json.dumps({"type": "log", "task": task, "msg": "m", "level": "info", "timestamp": 1}).encode()
    head = call_head("/events.add_batch", server.login(), f"Content-Length: {len(event)}", "Connection: close")
    head = head.replace(b"Host: x\r\n", b"Host: x\r\nX-ClearML-Worker: w\xff\xfe\r\nX-Clearml-Trx: \xff\r\n")
    answer = raw(server.api, head + event)
    assert answer.codes == (200, 0)
    assert answer.json["data"]["added"] == 1


@pytest.mark.parametrize(
    ("header", "codes"),
    [
        (b"Authorization: Basic \xff\xfe", (401, 10)),
        (b"Authorization: Bearer \xff\xfe", (401, 10)),
        (b"X-Clearml-Impersonate-As: \xff\xfe", (400, 301)),
        (b"Cookie: clearml_token_basic=\xff\xfe\r\nOrigin: http://\xff\xfe", (401, 20)),
    ],
)
def test_credentials_that_are_no_text_are_refused(server: Any, header: bytes, codes: tuple[int, int]) -> None:
    known = b"" if codes[0] == 401 else f"Authorization: Bearer {server.login()}\r\n".encode()
    head = b"POST /tasks.get_types HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%b%b\r\n\r\n" % (known, header)
    assert raw(server.api, head).codes == codes
