"""`/simple/`: our own wheel as a package index (PEP 503), from which agents install the SDK into tasks' environments.

It needs no login: installers cannot log in, and what it hands out is public code.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from control_plane.http import wheel

PREFIX = "/simple"


@dataclass
class SimpleIndex:
    """The index; the wheel is made when it is first asked for, once a process."""

    directory: Path
    """Where the wheel is written; made if it is missing."""
    _made: asyncio.Lock = field(default_factory=asyncio.Lock)
    _path: Path | None = None
    _page: str = ""
    _digest: str = ""

    async def answer(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        """Answer a request below `/simple`."""
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="Use GET")
        project = f"{PREFIX}/{wheel.DISTRIBUTION}"
        if path in (PREFIX, f"{PREFIX}/"):
            return web.Response(text=wheel.root_page(), content_type="text/html")
        if path == project or path.startswith(f"{project}/"):
            try:
                file = await self._wheel()
            except wheel.NotInstalled as error:
                return web.Response(status=404, text=str(error))
            if path.rstrip("/") == project:
                return web.Response(text=self._page, content_type="text/html")
            if path == f"{project}/{self._digest[:16]}/{file.name}":
                body = await asyncio.to_thread(file.read_bytes)
                return web.Response(body=body, content_type="application/zip")
        return web.Response(status=404, text="This index has clearml-lean and nothing else")

    async def _wheel(self) -> Path:
        async with self._made:
            if self._path is None or not self._path.exists():
                self._path = await asyncio.to_thread(wheel.build_wheel, self.directory)
                self._digest = hashlib.sha256(self._path.read_bytes()).hexdigest()
                self._page = wheel.index_page(self._path)
            return self._path
