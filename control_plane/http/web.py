"""The web port: the page, and the API and the files below `/api` and `/files`, so that the page needs one origin."""

import html
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from control_plane.http.api import Api
from control_plane.http.assets import PLOTLY, Asset, Page
from control_plane.http.files import Files

_POLICY = (
    # plotly.js builds functions at run time and writes styles; no script but the page's own files is ever run.
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; frame-src 'self'; connect-src 'self'; "
    "base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
)
_SAFE: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
SAMPLE_FRAME = "sample_frame.html"
_SAMPLE: Mapping[str, str] = {
    **_SAFE,
    # What a task's HTML runs in: without origin, cookies, network and ways out, inside of the page alone.
    "Content-Security-Policy": (
        "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'unsafe-inline'; img-src data: blob:; media-src data: blob:; font-src data:; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}
_FOR_EVER = "public, max-age=31536000, immutable"
"""An address that names the build never means anything else."""


@dataclass(frozen=True)
class Web:
    """The three things that the web port serves."""

    api: Api
    files: Files
    page: Page
    addresses: Mapping[str, str]
    """Where the API, the page and the files are for programs on this machine, and (`files-urls`, with spaces between)
    how else clients call the files: the page shows them, and knows files of this server by them."""

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
        if path.startswith("/assets/"):
            return await self._asset(request, path.removeprefix("/assets/"))
        if path == "/favicon.ico":
            return web.Response(status=404, text="There is no such file", headers=_SAFE)
        return self._index(path)

    def _door(self) -> web.Response:
        """The page's own key, by which people pick their names; official web apps ask for it by this name too."""
        if self.api.settings.login != "names":
            return web.Response(status=404, text="Names cannot be picked here", headers=_SAFE)
        key, secret = self.api.access.door_pair()
        facts = {"userKey": key, "userSecret": secret, "companyID": self.api.settings.company}
        return web.json_response(facts, headers={**_SAFE, "Cache-Control": "no-store"})

    async def _asset(self, request: web.BaseRequest, path: str) -> web.Response:
        build, _, name = path.partition("/")
        asset = await self.page.plotly() if name == PLOTLY else self.page.files.get(name)
        if asset is None:
            return web.Response(status=404, text="There is no such file", headers=_SAFE)
        # Somebody who still has the page of before an update gets the files of now, and asks again next time.
        cache = _FOR_EVER if build == self.page.build else "no-cache"
        return _sent(request, asset, cache, _SAMPLE if name == SAMPLE_FRAME else _SAFE)

    def _index(self, path: str) -> web.Response:
        """The page itself: its addresses (/projects/*/tasks/<id>/...) are states of it."""
        # Below any sub-path a proxy may add, the page finds its files relative to where it was asked for.
        up = "../" * (path.count("/") - 1) or "./"
        facts = {"BASE": up, "BUILD": self.page.build, **{k.upper(): v for k, v in self.addresses.items()}}
        body = self.page.index
        for name, value in facts.items():
            body = body.replace(f"%{name}%", html.escape(value))
        headers = {**_SAFE, "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache"}
        return web.Response(body=body.encode(), headers=headers)


def _sent(request: web.BaseRequest, asset: Asset, cache: str, safe: Mapping[str, str]) -> web.Response:
    headers = {**safe, "Content-Type": asset.content_type, "Cache-Control": cache, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=asset.packed, headers={**headers, "Content-Encoding": "gzip"})
    return web.Response(body=asset.body, headers=headers)


def _split(path: str) -> tuple[str, str]:
    """("api" | "files" | "", the path below the prefix)."""
    for prefix in ("api", "files"):
        if path == f"/{prefix}" or path.startswith(f"/{prefix}/"):
            return prefix, path[len(prefix) + 1 :] or "/"
    return "", path
