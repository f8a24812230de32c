"""`debug.*`: is anybody there?"""

from typing import Any

from control_plane.schema.base import Empty
from control_plane.services.context import Context
from control_plane.services.registry import endpoint


@endpoint("debug.ping", Empty, authorize=False)
async def ping(ctx: Context, request: Empty) -> dict[str, Any]:
    """Answer."""
    return {"msg": "ClearML server"}


@endpoint("debug.ping_auth", Empty)
async def ping_auth(ctx: Context, request: Empty) -> dict[str, Any]:
    """Answer those who are logged in."""
    return {"msg": "pong"}


@endpoint("debug.echo", dict)
async def echo(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Send the body back."""
    return request
