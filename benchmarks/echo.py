"""What aiohttp itself can do here: its low-level server decodes a JSON object and sends it back, and no more.

`python -m benchmarks.echo` prints its port and serves until it is ended.
"""

from __future__ import annotations

import asyncio

import orjson
import uvloop
from aiohttp import web

HEADERS = {"Content-Type": "application/json"}


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(body=orjson.dumps(orjson.loads(await request.read())), headers=HEADERS)


async def serve() -> None:
    runner = web.ServerRunner(web.Server(echo, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(serve())
