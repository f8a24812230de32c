"""A package index of this test run, on disk and behind a server that can be made to hang, and the agent's `build`."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from clearml_agent.environments import Environment, EnvironmentRequest, PackageSettings, build, modes
from clearml_agent.environments.layout import unfinished
from clearml_agent.environments.settings import Indexes, read_indexes


class Index:
    """Wheels in a directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.add("pip", "99.0", {"pip/__init__.py": "", "pip/__main__.py": "print('pip 99')\n"})
        self.add("setuptools", "79.0", {"setuptools.py": "X = 1\n"})

    def add(
        self,
        name: str,
        version: str,
        files: dict[str, str] | None = None,
        *,
        requires: tuple[str, ...] = (),
        scripts: dict[str, str] | None = None,
    ) -> Path:
        """Make a wheel whose module `name` holds VERSION, unless other files are given."""
        info = f"{name}-{version}.dist-info"
        content = dict(files if files is not None else {f"{name}/__init__.py": f"VERSION = {version!r}\n"})
        content[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(
            f"Requires-Dist: {line}\n" for line in requires
        )
        content[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        if scripts:
            lines = "".join(f"{command} = {target}\n" for command, target in scripts.items())
            content[f"{info}/entry_points.txt"] = "[console_scripts]\n" + lines
        rows = []
        for path, text in content.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{path},sha256={digest},{len(text.encode())}\n")
        content[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"])
        wheel = self.folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, text in content.items():
                archive.writestr(path, text)
        return wheel


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """An index with one package, `alpha`, in versions 1.0 and 2.0."""
    made = Index(tmp_path / "index")
    made.add("alpha", "1.0")
    made.add("alpha", "2.0")
    return made


def machine_indexes() -> Indexes:
    """Where this machine's users get their packages."""
    return read_indexes([], os.environ)


class Work:
    """Calls `build` with this test's caches, and keeps the console."""

    def __init__(self, folder: Path, index: Index) -> None:
        self.folder, self.cache = folder, folder / "cache"
        self.settings = PackageSettings(
            indexes=Indexes(no_index=True, find_links=(str(index.folder),)), free_space_bytes=0
        )
        self.lines: list[str] = []
        self.environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PIP_", "UV_", "PYTHON")) and not name.lower().endswith("_proxy")
        }
        self.environ |= {"UV_CACHE_DIR": str(folder / "uv"), "UV_NO_CONFIG": "1"}

    async def __call__(
        self,
        *lines: str,
        name: str = "env",
        settings: PackageSettings | None = None,
        root: Path | None = None,
        python: str = "",
        sdk: str | None = None,
        conda: tuple[str, ...] = (),
    ) -> Environment:
        settings = settings or self.settings
        request = EnvironmentRequest(
            requirements=lines,
            conda=conda,
            mode=modes.choose(settings, root, root, recorded=bool(lines), recorded_conda=bool(conda)),
            root=root,
            python_wish=python,
            sdk_wheel_url=sdk,
            settings=settings,
        )
        place = self.folder / "runs" / name / "env"
        return await build(request, place, cache=self.cache, log=self.lines.append, environ=self.environ)

    @property
    def console(self) -> str:
        return "\n".join(self.lines)

    def entries(self, kind: str = "env") -> list[str]:
        """Names of the complete cached environments."""
        return sorted(path.parent.name for path in self.cache.glob(f"{kind}-*/entry.json"))

    def unfinished(self) -> list[str]:
        return sorted(path.name for path in (*unfinished(self.cache), *self.cache.glob(".*")))

    def run(self, environment: Environment, code: str) -> str:
        """What `code` prints when the environment's Python runs it."""
        environ = {**self.environ, **environment.variables}
        done = subprocess.run([environment.python, "-c", code], env=environ, capture_output=True, text=True, check=True)
        return done.stdout.strip()


@pytest.fixture
def real_pip(work: Work, index: Index) -> Work:
    """`work` with the real pip and setuptools, from where this machine's users get their packages."""
    for stand_in in ("pip-99.0", "setuptools-79.0"):
        (index.folder / f"{stand_in}-py3-none-any.whl").unlink()
    found = machine_indexes()
    work.settings = msgspec.structs.replace(
        work.settings,
        indexes=msgspec.structs.replace(found, find_links=(*found.find_links, str(index.folder))),
    )
    work.environ.pop("UV_CACHE_DIR")
    return work


@pytest.fixture
def work(tmp_path: Path, index: Index) -> Work:
    return Work(tmp_path / "work", index)


class IndexServer:
    """The index over HTTP. While `gate` is closed, downloads hang; `arrived` tells that one does."""

    def __init__(self, index: Index) -> None:
        self.arrived, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        self.downloads: list[str] = []
        self.authorizations: set[str] = set()
        self.pages: dict[str, list[str]] = {}
        """Other indexes: path -> wheels without the end of their names; what `simple` then shows no more."""
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                if not self.path.endswith(".whl"):
                    known = unquote(self.path).strip("/") in host.pages
                    self.send_response(200 if known else 404)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                file = index.folder / unquote(self.path).rpartition("/")[2]
                self.send_response(200)
                self.send_header("Content-Length", str(file.stat().st_size))
                self.end_headers()

            def do_GET(self) -> None:
                host.authorizations.add(self.headers.get("Authorization") or "")
                parts = unquote(self.path).strip("/").split("/")
                hidden = {f"{name}-py3-none-any.whl" for names in host.pages.values() for name in names}
                if (names := host.pages.get("/".join(parts))) is not None:
                    links = "".join(f'<a href="/files/{n}-py3-none-any.whl">{n}-py3-none-any.whl</a>\n' for n in names)
                    self.answer(200, links.encode(), "text/html")
                    return
                if parts[0] == "simple":
                    files = sorted(index.folder.glob(f"{parts[1].replace('-', '_')}-*.whl"))
                    files = [file for file in files if file.name not in hidden]
                    links = "".join(f'<a href="/files/{file.name}">{file.name}</a>\n' for file in files)
                    self.answer(200 if files else 404, links.encode(), "text/html")
                    return
                if parts[0] != "files":
                    self.answer(404, b"", "text/plain")
                    return
                host.downloads.append(parts[1])
                host.arrived.set()
                host.gate.wait(90)
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.answer(200, (index.folder / parts[1]).read_bytes(), "application/octet-stream")

            def answer(self, status: int, body: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    def url(self, userinfo: str = "") -> str:
        return f"http://{userinfo}127.0.0.1:{self.server.server_port}/simple"

    def stop(self) -> None:
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()

    def settings(self, userinfo: str = "") -> PackageSettings:
        return PackageSettings(indexes=Indexes(default=self.url(userinfo)), free_space_bytes=0)


@pytest.fixture
def index_server(index: Index) -> Iterator[IndexServer]:
    made = IndexServer(index)
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.stop()
    thread.join(5)


def find_python(minors: Iterable[int]) -> str:
    """An interpreter of one of these minor versions, or a skip."""
    for minor in minors:
        beside = sorted(Path(sys.base_prefix).parent.glob(f"*3.{minor}.*/bin/python3.{minor}"))
        path = shutil.which(f"python3.{minor}")
        for candidate in [*([path] if path else []), *map(str, beside)]:
            done = subprocess.run([candidate, "--version"], capture_output=True, check=False)
            if minor != sys.version_info.minor and done.returncode == 0:
                return candidate
    pytest.skip("this machine has no such Python")


@pytest.fixture(scope="session")
def other_python() -> str:
    """An interpreter of another minor version."""
    return find_python((13, 12, 14, 10, 9))


@pytest.fixture(scope="session")
def old_python() -> str:
    """An interpreter older than our SDK needs."""
    return find_python((10, 9, 8))
