"""`login.*`: how a person may log in at the page."""

from typing import Any

from control_plane.schema.base import Empty
from control_plane.services.context import Context
from control_plane.services.registry import endpoint


@endpoint("login.supported_modes", Empty, authorize=False)
async def supported_modes(ctx: Context, request: Empty) -> dict[str, Any]:
    """Say how to log in, with a user and a password or by picking a name, and whether the caller has."""
    return {
        "authenticated": bool(ctx.user),
        "basic": {"enabled": ctx.settings.login == "password", "guest": {"enabled": False}},
        "sso": {},
        "sso_providers": [],
        "server_errors": {"missed_es_upgrade": False, "es_connection_error": False},
    }


@endpoint("login.logout", Empty, authorize=False)
async def logout(ctx: Context, request: Empty) -> dict[str, Any]:
    """End the page's session, and remove its cookie."""
    await ctx.access.end_session(ctx.identity)
    return {}
