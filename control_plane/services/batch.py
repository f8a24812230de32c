"""`*_many`: one call for several documents, each of which succeeds or fails alone."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from control_plane.services.errors import ApiError


async def each(ids: Iterable[str], act: Callable[[str], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """Act on each id; `succeeded` holds what `act` answered beside the id, `failed` the error of the others.

    One after the other: a batch must not starve other callers, and a defect of ours ends it.
    """
    succeeded: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for id in dict.fromkeys(ids):
        try:
            succeeded.append({"id": id, **await act(id)})
        except ApiError as error:
            codes = [error.code, error.subcode]
            failed.append({"id": id, "error": {"codes": codes, "msg": error.message, "data": error.data}})
    return {"succeeded": succeeded, "failed": failed}
