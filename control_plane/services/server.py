"""`server.*`: what this server is."""

import platform
from typing import Any

from control_plane import __version__
from control_plane.schema.base import Empty
from control_plane.schema.server import ConfigRequest, StatsOptionRequest, StatsRequest
from control_plane.services import tokens
from control_plane.services.context import Context
from control_plane.services.errors import validation
from control_plane.services.registry import endpoint
from control_plane.services.table import handler_table


@endpoint("server.info", Empty, authorize=False)
async def info(ctx: Context, request: Empty) -> dict[str, Any]:
    """Say which version this is."""
    return {
        "version": tokens.SERVER_VERSION,
        "build": __version__,
        "commit": "",
        "api_version": tokens.API_VERSION,
        "feature_set": tokens.FEATURE_SET,
    }


@endpoint("server.config", ConfigRequest)
async def config(ctx: Context, request: ConfigRequest) -> dict[str, Any]:
    """Return the settings that hold no secret, all or the one named."""
    settings = ctx.settings
    shown = {
        "host": settings.host,
        "durability": settings.durability,
        "store": "external" if settings.redis_url else "embedded",
        "lease_s": settings.lease_s,
        "worker_timeout_s": settings.worker_timeout_s,
        "lost_after_s": settings.lost_after_s,
        "stuck_after_s": settings.stuck_after_s,
        "token_lifetime_s": settings.token_lifetime_s,
        "max_body_bytes": settings.max_body_bytes,
    }
    if request.path is None:
        return shown
    if request.path not in shown:
        raise validation("no such setting", path=request.path)
    return {request.path: shown[request.path]}


@endpoint("server.get_stats", StatsRequest)
async def get_stats(ctx: Context, request: StatsRequest) -> dict[str, Any]:
    """Return what this process has counted since it started."""
    return {"counters": dict(ctx.counters), "python": platform.python_version(), "persistence": ctx.store.persistence}


@endpoint("server.endpoints", Empty)
async def endpoints(ctx: Context, request: Empty) -> dict[str, Any]:
    """List every endpoint, with the version that it appeared in and whether it asks for credentials."""
    rows = handler_table().values()
    listed = [{"name": row.name, "min_version": row.min_version, "authorize": row.authorize} for row in rows]
    return {"endpoints": listed}


@endpoint("server.report_stats_option", StatsOptionRequest, min_version="2.4")
async def report_stats_option(ctx: Context, request: StatsOptionRequest) -> dict[str, Any]:
    """This server reports nothing to anybody, and cannot be made to."""
    return {"supported": False, "enabled": False}
