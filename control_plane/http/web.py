"""The web port: the page, and the API and the files below `/api` and `/files`, so that the page needs one origin."""

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from aiohttp import web

from control_plane.http.api import Api
from control_plane.http.files import Files

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
)
_SAFE = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_BASE = b'<base href="./">'


def load_page() -> dict[str, bytes]:
    """The page's files by name; they are few and small, and are kept in memory."""
    folder = resources.files("control_plane.web")
    return {
        item.name: item.read_bytes()
        for item in folder.iterdir()
        if item.name.rpartition(".")[2] in ("html", "js", "css", "svg")
    }


@dataclass(frozen=True)
class Web:
    """The three things that the web port serves."""

    api: Api
    files: Files
    page: Mapping[str, bytes]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request on the web port."""
        path, _, query = request.raw_path.partition("?")
        prefix, below = _split(path)
        if prefix == "api":
            return await self.api.answer(request, below, query)
        if prefix == "files":
            return await self.files.answer(request, below, query)
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="Use GET", headers=_SAFE)
        if path == "/credentials.json":
            return self._door()
        return self._static(path)

    def _door(self) -> web.Response:
        """The page's own key, by which people pick their names; official web apps ask for it by this name too."""
        if self.api.settings.login != "names":
            return web.Response(status=404, text="Names cannot be picked here", headers=_SAFE)
        key, secret = self.api.access.door_pair()
        facts = {"userKey": key, "userSecret": secret, "companyID": self.api.settings.company}
        return web.json_response(facts, headers={**_SAFE, "Cache-Control": "no-store"})

    def _static(self, path: str) -> web.Response:
        """A file of the page, or the page itself: its addresses (/projects/*/tasks/<id>/...) are states of it."""
        name = path.rpartition("/")[2]
        body = self.page.get(name) if name != "index.html" and path.strip("/") == f"assets/{name}" else None
        if body is not None:
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            return web.Response(body=body, headers={**_SAFE, "Content-Type": kind, "Cache-Control": "no-cache"})
        if path.startswith("/assets/") or name == "favicon.ico":
            return web.Response(status=404, text="There is no such file", headers=_SAFE)
        # Below any sub-path a proxy may add, the page finds its files relative to where it was asked for.
        up = "../" * (path.count("/") - 1)
        body = self.page["index.html"].replace(_BASE, f'<base href="{up or "./"}">'.encode())
        return web.Response(body=body, headers={**_SAFE, "Content-Type": "text/html; charset=utf-8"})


def _split(path: str) -> tuple[str, str]:
    """("api" | "files" | "", the path below the prefix)."""
    for prefix in ("api", "files"):
        if path == f"/{prefix}" or path.startswith(f"/{prefix}/"):
            return prefix, path[len(prefix) + 1 :] or "/"
    return "", path
