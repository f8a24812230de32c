"""`models.*`: metadata, entry by entry."""

from typing import Any

import msgspec

from control_plane.schema.models import AddMetadataRequest, DeleteMetadataRequest
from control_plane.services.context import Context
from control_plane.services.models import metadata, require, write
from control_plane.services.registry import endpoint
from control_plane.services.tasks_common import changed


@endpoint("models.add_or_update_metadata", AddMetadataRequest, min_version="2.13")
async def add_or_update_metadata(ctx: Context, request: AddMetadataRequest) -> dict[str, Any]:
    """Set metadata entries; the others stay or are replaced."""
    await require(ctx, request.model, ["id"])
    items = metadata([msgspec.to_builtins(item) for item in request.metadata])
    transaction = ctx.store.transaction()
    if request.replace_metadata:
        transaction.replace_part("model", request.model, "metadata", items)
    else:
        paths: dict[tuple[str, ...], Any] = {("metadata", key): item for key, item in items.items()}
        transaction.set("model", request.model, paths)
    transaction.set("model", request.model, changed(ctx))
    await write(ctx, transaction, request.model)
    return {"updated": 1}


@endpoint("models.delete_metadata", DeleteMetadataRequest, min_version="2.13")
async def delete_metadata(ctx: Context, request: DeleteMetadataRequest) -> dict[str, Any]:
    """Remove metadata entries; those that are not there are no error."""
    await require(ctx, request.model, ["id"])
    transaction = ctx.store.transaction()
    transaction.unset("model", request.model, [("metadata", key) for key in request.keys])
    transaction.set("model", request.model, changed(ctx))
    await write(ctx, transaction, request.model)
    return {"updated": 1}
