"""The lane of calls: changes of the task and its models that the server was not there to take, done later in order.

A record is a call, a change of some keys of a dictionary that the API replaces whole (merged with what is there by
then), or the making of a model. A model has an id of the journal's own until it is made; `files/models.json` keeps
which model it became.
"""

from __future__ import annotations

import json
import os
import uuid

from clearml_sdk.errors import ApiError, BadAnswer, ServerUnreachable
from clearml_sdk.journal import framing
from clearml_sdk.journal.posting import Outcome, Patience
from clearml_sdk.notices import warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from clearml_sdk.journal.segment import Segment
    from clearml_sdk.session import Session

CALLS = "calls"
MODELS = "models.json"
_PENDING = "pending-"

made_models: dict[str, str] = {}
"""Models that were made in the place of others by this process: `{id until then: id}`."""


def new_model_id() -> str:
    """The id of a model that the server does not know yet."""
    return f"{_PENDING}{uuid.uuid4().hex}"


def current_id(model_id: str) -> str:
    """The id of a model on the server, once it is there."""
    return made_models.get(model_id, model_id)


def is_pending(model_id: str) -> bool:
    """Whether this is the id of a model that the server does not know yet."""
    return model_id.startswith(_PENDING)


def call_record(
    name: str,
    endpoint: str,
    body: Mapping[str, Any],
    *,
    merges: Mapping[str, Mapping[str, Any]] | None = None,
    same: Mapping[str, Any] | None = None,
) -> bytes:
    """The record of one call. Raises ValueError when it is too long for one.

    Args:
        name: of the call: sent under it again, it is done once.
        merges: `{field: {"set": {key: value}, "removed": [key]}}` in place of these fields of `body`.
        same: of `models.create`: a query (`models.get_all`); a model that it finds is taken instead.
    """
    order = {"name": name, "endpoint": endpoint, "body": body, "merges": merges or {}, "same": same}
    return framing.event(json.dumps(order, ensure_ascii=False, default=str).encode("utf-8", "replace"))


class CallCourier:
    """Makes one recorded call at a time. files: gives the folder for `models.json`."""

    def __init__(self, session: Session, files: Callable[[], str]) -> None:
        self._session, self._files = session, files
        self._models: dict[str, str] | None = None
        self._patience = Patience()

    def deliver(self, segment: Segment) -> Outcome:
        kind, payload, end = next(framing.records(segment.map, segment.acked, segment.end))
        outcome = self._make(segment.map[payload:end]) if kind == framing.EVENT else Outcome.DELIVERED
        if outcome is not Outcome.LATER:
            segment.acknowledge(end)
        return outcome

    def _make(self, record: bytes) -> Outcome:
        text = framing.decode(record)
        for pending, made in self.models.items():
            text = text.replace(pending, made)
        order = json.loads(text)
        try:
            self._call(order)
        except (ApiError, ServerUnreachable, BadAnswer) as error:
            refusal = self._patience.refusal(error, "changes of the task")
            if refusal is None:
                return Outcome.LATER
            warn_once(f"call {order['endpoint']} {refusal.code}", f"the server does not take a change: {error}")
            return Outcome.REFUSED
        self._patience.reset()
        return Outcome.DELIVERED

    def _call(self, order: dict[str, Any]) -> None:
        endpoint, body = order["endpoint"], dict(order["body"])
        if endpoint == "models.create":
            self._make_model(order, body)
            return
        for field, change in order["merges"].items():
            found = self._ask("tasks.get_all", {"id": [body["task"]], "only_fields": [field], "search_hidden": True})
            tasks = found.get("tasks") or [{}]
            merged = {**(tasks[0].get(field) or {}), **change["set"]}
            body[field] = {key: value for key, value in merged.items() if key not in change["removed"]}
        self._ask(endpoint, body, name=order["name"])

    def _make_model(self, order: dict[str, Any], body: dict[str, Any]) -> None:
        pending = str(body.pop("id"))
        if pending in self.models.values():
            return  # it was made, and whoever made it died before the record was done with
        found = self._ask("models.get_all", order["same"]).get("models") if order["same"] else None
        made = found[0] if found else self._ask("models.create", body, name=order["name"])
        self.models[pending] = made_models[pending] = str(made["id"])
        path = os.path.join(self._files(), MODELS)
        with open(f"{path}.part", "w", encoding="utf-8") as file:
            json.dump(self.models, file)
        os.replace(f"{path}.part", path)

    def _ask(self, endpoint: str, body: Mapping[str, Any], *, name: str | None = None) -> dict[str, Any]:
        from clearml_sdk.session import CALL_NAME

        return self._session.call(endpoint, body, headers={CALL_NAME: name} if name else None, give_up_s=0)

    @property
    def models(self) -> dict[str, str]:
        """The models that were made from this journal."""
        if self._models is None:
            self._models = models_made(self._files())
        return self._models


def models_made(files: str) -> dict[str, str]:
    """`{id until then: id}` as a journal's folder of files keeps it."""
    try:
        with open(os.path.join(files, MODELS), encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError:
        return {}
    return {str(pending): str(made) for pending, made in found.items()}
