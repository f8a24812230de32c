"""`storage.*`: what administrators tell the server about object storage. Secrets go in and never come out."""

from collections.abc import Mapping
from typing import Any

from control_plane.schema.base import Empty
from control_plane.schema.storage import ResetStorageRequest, SetStorageRequest
from control_plane.services.context import Context
from control_plane.services.registry import endpoint
from control_plane.store import GuardFailed

ID = "storage"
PROVIDERS = ("aws", "google", "azure")
SECRETS = frozenset({"secret", "token", "credentials_json", "account_key"})
MASK = "********"
"""What is answered for a secret; sent back, it stands for the one that is stored."""
NAMES = ("bucket", "container_name", "account_name", "subdir", "host")
"""What tells the items of a list of buckets or containers apart."""


@endpoint("storage.get_settings", Empty, min_version="2.22")
async def get_settings(ctx: Context, request: Empty) -> dict[str, Any]:
    """Return the settings, secrets masked."""
    stored = await ctx.store.get("setting", ID) or {}
    shown = {name: masked(stored[name]) for name in PROVIDERS if stored.get(name)}
    return {"last_update": stored.get("last_update"), **shown}


@endpoint("storage.set_settings", SetStorageRequest, min_version="2.31")
async def set_settings(ctx: Context, request: SetStorageRequest) -> dict[str, Any]:
    """Replace the settings of the providers given."""
    given = {name: getattr(request, name) for name in PROVIDERS if getattr(request, name) is not None}
    stored = await ctx.store.get("setting", ID) or {}
    return await _write(ctx, {name: unmasked(value, stored.get(name)) for name, value in given.items()})


@endpoint("storage.reset_settings", ResetStorageRequest, min_version="2.31")
async def reset_settings(ctx: Context, request: ResetStorageRequest) -> dict[str, Any]:
    """Forget the settings of some providers."""
    return await _write(ctx, dict.fromkeys(request.keys))


async def _write(ctx: Context, fields: Mapping[str, Any]) -> dict[str, Any]:
    if not fields:
        return {"updated": 0}
    values = {**fields, "last_update": ctx.now_iso}
    transaction = ctx.store.transaction()
    transaction.set("setting", ID, values)
    try:
        await transaction.commit()
    except GuardFailed:
        transaction = ctx.store.transaction()
        transaction.create("setting", ID, values)
        await transaction.commit()
    return {"updated": 1}


def masked(value: Any) -> Any:
    """The same without its secrets. Pure."""
    if isinstance(value, dict):
        return {
            name: MASK if name in SECRETS and isinstance(item, str) and item else masked(item)
            for name, item in value.items()
        }
    return [masked(item) for item in value] if isinstance(value, list) else value


def unmasked(value: Any, stored: Any) -> Any:
    """Settings as they came, each mask replaced by the secret that is stored in its place, if any. Pure."""
    if isinstance(value, dict):
        known = stored if isinstance(stored, dict) else {}
        return {
            name: known.get(name, "") if name in SECRETS and item == MASK else unmasked(item, known.get(name))
            for name, item in value.items()
        }
    if isinstance(value, list):
        before = stored if isinstance(stored, list) else []
        known_items = {_identity(item): item for item in before if isinstance(item, dict)}
        return [unmasked(item, known_items.get(_identity(item))) for item in value]
    return value


def _identity(item: Any) -> tuple[Any, ...]:
    return tuple(str(item.get(name) or "") for name in NAMES) if isinstance(item, dict) else (str(item),)
