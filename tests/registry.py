"""A registry of images on loopback, from which an engine pulls: the read half of the registry's API, version 2."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.engine import Engine

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar"


class Registry(ThreadingHTTPServer):
    """Serves one image under every name and tag; what was asked for is in `asked`."""

    daemon_threads = True

    def __init__(self, manifest: bytes, blobs: dict[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.manifest, self.blobs, self.asked = manifest, blobs, list[str]()

    @property
    def host(self) -> str:
        """What images of this registry begin with."""
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Registry

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        server = self.server
        server.asked.append(self.path)
        _, kind, what = ("/" + self.path.strip("/")).rsplit("/", 2) if self.path.count("/") > 2 else ("", "", "")
        if self.path.rstrip("/") == "/v2":
            self._send(b"{}", "application/json")
        elif kind == "manifests":
            self._send(server.manifest, MANIFEST)
        elif kind == "blobs" and what in server.blobs:
            self._send(server.blobs[what], "application/octet-stream")
        else:
            self.send_error(404)

    def _send(self, body: bytes | Path, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(body.stat().st_size if isinstance(body, Path) else len(body)))
        if isinstance(body, bytes):
            self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(body).hexdigest()}")
        self.end_headers()
        if self.command == "HEAD":
            return
        if isinstance(body, bytes):
            self.wfile.write(body)
        else:
            with body.open("rb") as file:
                while piece := file.read(1 << 20):
                    self.wfile.write(piece)


@contextlib.contextmanager
def registry_of(engine: Engine, image: str, folder: Path) -> Iterator[Registry]:
    """A registry that has an image of this engine."""
    archive = folder / "image.tar"
    engine.docker("save", "--output", str(archive), image)
    with tarfile.open(archive) as saved:
        saved.extractall(folder, filter="data")
    archive.unlink()
    (facts,) = json.loads((folder / "manifest.json").read_text())
    blobs: dict[str, Path] = {}

    def described(name: str, kind: str) -> dict[str, object]:
        path = folder / name
        with path.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        blobs[digest] = path
        return {"mediaType": kind, "size": path.stat().st_size, "digest": digest}

    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described(facts["Config"], CONFIG),
        "layers": [described(name, LAYER) for name in facts["Layers"]],
    }
    server = Registry(json.dumps(manifest).encode(), blobs)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
