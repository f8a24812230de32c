"""Sends an answer that is no envelope: a file, chunk by chunk, while it is made."""

import logging

from aiohttp import web

from control_plane.logs import exception_facts
from control_plane.services.registry import Download

log = logging.getLogger(__name__)


async def send(request: web.BaseRequest, download: Download) -> web.StreamResponse:
    """Send it; a failure before the first chunk is raised, a later one cuts the connection, so that nobody takes half
    a file for a whole one."""
    first = await anext(download.chunks, b"")
    headers = {
        "Content-Type": download.content_type,
        "Content-Disposition": f'attachment; filename="{download.file_name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    try:
        await response.write(first)
        async for chunk in download.chunks:
            await response.write(chunk)
        await response.write_eof()
    except ConnectionResetError:
        raise  # the caller hung up
    except Exception as error:  # noqa: BLE001 - whatever it is, the only way left to tell the caller is to hang up
        log.error("a download was cut off", extra=exception_facts(error))
        if request.transport is not None:
            request.transport.abort()
    return response
