"""Real repositories: on disk, and behind an HTTP server that wants a password."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clearml_agent.vcs import Checkout, GitSettings, checkout

USER, PASSWORD = "robot", "s3cret-Token"


class Repository:
    """A working repository of a test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always", *arguments],
            cwd=self.path,
            check=True,
            capture_output=True,
        )
        return done.stdout.decode()

    def commit(self, message: str = "change", **files: str) -> str:
        for name, text in files.items():
            path = self.path / name.replace("__", "/").replace("_py", ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD").strip()

    def diff(self) -> str:
        return self.git("diff", "--submodule=diff", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """One commit on main: train.py and package/module.py."""
    made = Repository(tmp_path / "origin" / "project")
    made.commit("first", train_py="print('one')\n", package__module_py="VALUE = 1\n")
    return made


class Work:
    """Calls `checkout` with this test's cache, and keeps the console."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache = folder, folder / "cache"
        self.lines: list[str] = []
        self.environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self.environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    async def __call__(self, name: str = "run", settings: GitSettings | None = None, **script: object) -> Checkout:
        return await checkout(
            script,
            self.folder / name,
            cache=self.cache,
            settings=settings or GitSettings(),
            environ=self.environ,
            log=self.lines.append,
        )

    @property
    def console(self) -> str:
        return "\n".join(self.lines)

    @property
    def mirror(self) -> Path:
        (found,) = self.cache.glob("*.git")
        return found


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "work")


class GitHost:
    """A git server over HTTP (git's own http-backend) that answers 401 without the right password.

    is_old: it speaks git's first protocol, and gives no commit by its id that no reference names.
    """

    def __init__(self, root: Path) -> None:
        self.authorizations: list[str] = []
        self.arrived, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        self.redirect = ""
        self.is_old = False
        self.on_request: Callable[[], object] = lambda: None
        self.accepted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.serve(b"")

            def do_POST(self) -> None:
                self.serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

            def serve(self, body: bytes) -> None:
                given = self.headers.get("Authorization") or ""
                host.authorizations.append(given)
                host.on_request()
                host.arrived.set()
                host.gate.wait(30)
                if host.redirect:
                    self.send_response(302)
                    self.send_header("Location", host.redirect + self.path)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if host.accepted and given != host.accepted:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="git"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                path, _, query = self.path.partition("?")
                path = "/" + path.partition("://")[2].partition("/")[2] if "://" in path else path  # asked as a proxy
                done = subprocess.run(
                    ["git", "http-backend"],
                    input=body,
                    capture_output=True,
                    check=True,
                    env={
                        "PATH": os.environ["PATH"],
                        "GIT_PROJECT_ROOT": str(root),
                        "GIT_HTTP_EXPORT_ALL": "1",
                        "GIT_CONFIG_COUNT": "1",
                        "GIT_CONFIG_KEY_0": "safe.directory",
                        "GIT_CONFIG_VALUE_0": "*",
                        "PATH_INFO": path,
                        "QUERY_STRING": query,
                        "REQUEST_METHOD": self.command,
                        "CONTENT_TYPE": self.headers.get("Content-Type") or "",
                        "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
                        "GIT_PROTOCOL": "" if host.is_old else self.headers.get("Git-Protocol") or "",
                    },
                )
                head, _, answer = done.stdout.partition(b"\r\n\r\n")
                fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
                self.send_response(int(fields.pop("Status", "200").split()[0]))
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the caller was killed
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, format: str, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def url(self, name: str, userinfo: str = "") -> str:
        return f"http://{userinfo}127.0.0.1:{self.server.server_port}/{name}/.git"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    made = GitHost(tmp_path / "origin")
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    with contextlib.ExitStack() as stack:
        stack.callback(thread.join, 5)
        stack.callback(made.server.server_close)
        stack.callback(made.server.shutdown)
        yield made
