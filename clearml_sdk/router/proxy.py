"""The proxy behind `HttpRouter`: requests go to the target of the longest route that they match."""

from __future__ import annotations

import asyncio
import socket
import threading

from clearml_sdk.errors import UsageError
from clearml_sdk.router.route import Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_NAMES = "connection keep-alive proxy-authenticate proxy-authorization te trailers transfer-encoding upgrade host"
HOP_BY_HOP = frozenset(_NAMES.split())
OF_CODING = frozenset({"content-encoding", "content-length"})
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
IDLE_LIMIT_S = 300.0


class Proxy:
    """Listens on all addresses. routes: by their paths; they may change while it listens."""

    def __init__(
        self,
        routes: Mapping[str, Route],
        *,
        port: int,
        default: Route | None,
        log_level: str | None,
        access_log: bool,
        streams: bool,
    ) -> None:
        try:
            import fastapi
            import httpx
            import uvicorn
        except ImportError as error:
            raise UsageError(f"the HTTP router needs {error.name}: pip install 'clearml-lean[router]'") from error
        self._routes, self._default, self._streams = routes, default, streams
        self._httpx, self._fastapi = httpx, fastapi
        self._client: Any = None
        app = fastapi.FastAPI(openapi_url=None)
        app.add_api_route("/{path:path}", self._answer_of(fastapi.Request), methods=METHODS)
        config = uvicorn.Config(app, log_level=log_level or "info", access_log=access_log, lifespan="off")
        self._server = uvicorn.Server(config)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("0.0.0.0", port))
        self._thread = threading.Thread(target=self._run, name="clearml-router", daemon=True)

    def start(self) -> None:
        """Listen, from when this returns."""
        self._socket.listen(128)
        self._thread.start()

    def stop(self) -> None:
        """End it; what is on its way is answered first."""
        self._server.should_exit = True
        self._thread.join(5.0)
        self._socket.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        async with self._httpx.AsyncClient(timeout=IDLE_LIMIT_S, follow_redirects=False) as self._client:
            await self._server.serve(sockets=[self._socket])

    def _answer_of(self, request_type: type) -> Any:
        async def answer(request: Any) -> Any:
            return await self._answer(request)

        answer.__annotations__ = {"request": request_type}  # what tells fastapi that it is the request
        return answer

    async def _answer(self, request: Any) -> Any:
        path = request.scope["path"]
        route, rest = self._find(path)
        if route is None:
            return self._fastapi.Response(status_code=404)
        try:
            changed = await route.on_request(request)
            return await self._forward(route, changed, rest)
        except Exception as error:  # noqa: BLE001  # of the target or of a callback: the client is to have an answer
            said = await route.on_error(request, error)
            if isinstance(said, self._fastapi.Response):
                return said
            status = 502 if isinstance(error, self._httpx.TransportError) else 500
            return self._fastapi.Response(f"{type(error).__name__}: {error}", status_code=status)

    def _find(self, path: str) -> tuple[Route | None, str]:
        """The route of a path, and what is left of the path below it."""
        for source in sorted(self._routes, key=len, reverse=True):
            if path == source or path.startswith(source.rstrip("/") + "/"):
                return self._routes.get(source), path[len(source.rstrip("/")) :]
        return self._default, path

    async def _forward(self, route: Route, request: Any, rest: str) -> Any:
        query = request.scope.get("query_string", b"").decode()
        url = f"{route.target_url}{rest}" + (f"?{query}" if query else "")
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
        sent = self._client.build_request(request.method, url, headers=headers, content=await request.body())
        found = await self._client.send(sent, stream=True)
        kept = [(name, value) for name, value in found.headers.multi_items() if name.lower() not in HOP_BY_HOP]
        if self._streams and route.response_callback is None:
            from fastapi.responses import StreamingResponse

            response: Any = StreamingResponse(_body(found), status_code=found.status_code)
        else:
            try:
                content = await found.aread()
            finally:
                await found.aclose()
            kept = [header for header in kept if header[0].lower() not in OF_CODING]  # it is whole and unpacked now
            response = self._fastapi.Response(content, status_code=found.status_code)
        for name, value in kept:
            response.headers.append(name, value)  # some come several times: cookies
        return await route.on_response(response, request)


async def _body(found: Any) -> Any:
    try:
        async for piece in found.aiter_raw():
            yield piece
    finally:
        await found.aclose()
