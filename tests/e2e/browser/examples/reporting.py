"""What clients send, as short as tests need it: events, hyperparameters, pictures, files."""

# ruff: noqa: E501 - tables of values read better in one line

from __future__ import annotations

import json
import struct
import urllib.request
import zlib
from typing import Any

from tests.conftest import RunningServer


def report(server: RunningServer, events: list[dict[str, Any]]) -> None:
    """Send events as lines."""
    body = "\n".join(map(json.dumps, events)).encode()
    server.call("events.add_batch", body, headers={"Content-Type": "application/json-lines"})


def parameters(section: str, **values: Any) -> dict[str, Any]:
    return {
        section: {
            name: {
                "section": section,
                "name": name,
                "value": str(value),
                "type": type(value).__name__,
                "description": f"the {name}",
            }
            for name, value in values.items()
        }
    }


def png(size: int, colour: tuple[int, int, int]) -> bytes:
    """A small picture: a gradient of one colour."""
    rows = b"".join(
        b"\0" + b"".join(bytes(c * (x + y) // (2 * size) for c in colour) for x in range(size)) for y in range(size)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def upload(server: RunningServer, path: str, data: bytes, kind: str = "application/octet-stream") -> str:
    """Store a file as the SDK does; returns its address."""
    border = "border0123456789"
    head = f'--{border}\r\nContent-Disposition: form-data; name="{path}"; filename="{path}"\r\nContent-Type: {kind}\r\n\r\n'
    body = head.encode() + data + f"\r\n--{border}--\r\n".encode()
    headers = {"Authorization": f"Bearer {server.login()}", "Content-Type": f"multipart/form-data; boundary={border}"}
    with urllib.request.urlopen(urllib.request.Request(server.files + "/", data=body, headers=headers), timeout=20):
        return server.files + path
