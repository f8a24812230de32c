"""A client that sends exactly what a test says, also what no library would send."""

import base64
import json
import socket
import urllib.parse
from typing import Any


class Answer:
    """Status, headers (lower-case names) and body of an answer."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split(" ", 2)[1])
        pairs = [line.partition(":") for line in lines]
        self.headers = {name.strip().lower(): value.strip() for name, _, value in pairs}

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def meta(self) -> dict[str, Any]:
        meta: dict[str, Any] = self.json["meta"]
        assert meta["result_code"] == self.status
        assert isinstance(self.json["data"], dict)
        return meta

    @property
    def codes(self) -> tuple[int, int]:
        return self.meta["result_code"], self.meta["result_subcode"]


def raw(url: str, data: bytes, *, timeout: float = 60.0) -> Answer:
    """Send bytes and read until the other side closes."""
    parts = urllib.parse.urlsplit(url)
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=timeout) as sock:
        sock.sendall(data)
        received = b""
        while chunk := sock.recv(65536):
            received += chunk
    return Answer(received)


def send(
    url: str,
    path: str,
    *,
    method: str = "POST",
    body: bytes | dict[str, Any] | None = None,
    host: str | None = None,
    **headers: str,
) -> Answer:
    """One request as written: the path is not normalised, nothing is added but Host, Connection and a length."""
    parts = urllib.parse.urlsplit(url)
    content = json.dumps(body).encode() if isinstance(body, dict) else (body or b"")
    if isinstance(body, dict):
        headers.setdefault("Content_Type", "application/json")
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host or parts.netloc}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if content or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(content)}")
    return raw(url, ("\r\n".join(lines) + "\r\n\r\n").encode() + content)


def basic(key: str, secret: str) -> str:
    """An Authorization header's value."""
    return "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()


def multipart(files: dict[str, bytes], kind: str = "application/octet-stream") -> tuple[bytes, str]:
    """(body, Content-Type) of an upload as official clients make it: the field's name is the path."""
    edge = "edge0123456789"
    body = b"".join(
        f'--{edge}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        f"Content-Type: {kind}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content in files.items()
    )
    return body + f"--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"
