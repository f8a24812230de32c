"""The page's files, in memory: each as it is and packed, under an address that changes when any of them does."""

import asyncio
import gzip
import hashlib
import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources, util
from importlib.resources.abc import Traversable
from pathlib import Path

ENDINGS = frozenset({"html", "js", "css", "svg"})
PLOTLY = "plotly.min.js"
"""Taken from the Python package `plotly`: the page loads it when it draws its first plot."""


@dataclass(frozen=True)
class Asset:
    """One file."""

    body: bytes
    packed: bytes
    """The same, gzip."""
    content_type: str


def make(name: str, body: bytes) -> Asset:
    """A file of the page, packed once. mtime 0: the same file is always the same bytes."""
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind == "application/javascript":
        kind += "; charset=utf-8"
    return Asset(body, gzip.compress(body, 9, mtime=0), kind)


@dataclass
class Page:
    """Every file of the page by its path below `assets/`, and what names this state of them."""

    files: Mapping[str, Asset]
    build: str
    index: str
    """`index.html`, whose placeholders the web port fills in."""

    def __post_init__(self) -> None:
        self._plotly: Asset | None = None
        self._reading = asyncio.Lock()

    async def plotly(self) -> Asset | None:
        """plotly.js, read and packed when it is first asked for (some 0.2 s, beside the loop); None without it."""
        async with self._reading:
            if self._plotly is None:
                self._plotly = await asyncio.to_thread(_plotly)
        return self._plotly


def load_page() -> Page:
    """Read the page from the package."""
    found = dict(sorted(_walk(resources.files("control_plane.web"), "")))
    index = found.pop("index.html")
    digest = hashlib.sha256(index)
    for name, body in found.items():
        digest.update(f"\0{name}\0{len(body)}\0".encode() + body)
    files = {name: make(name, body) for name, body in found.items()}
    return Page(files, digest.hexdigest()[:12], index.decode())


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for item in folder.iterdir():
        if item.is_dir():
            if item.name not in ("node_modules", "__pycache__"):
                yield from _walk(item, f"{prefix}{item.name}/")
        elif item.name.rpartition(".")[2] in ENDINGS:
            yield prefix + item.name, item.read_bytes()


def _plotly() -> Asset | None:
    # Found without importing the package, which would cost the server seconds and memory.
    spec = util.find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / "package_data" / PLOTLY
    if not path.is_file():
        return None
    body = path.read_bytes()
    return Asset(body, gzip.compress(body, 6, mtime=0), "text/javascript; charset=utf-8")
