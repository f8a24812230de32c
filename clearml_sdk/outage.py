"""While the server is away: calls about the task of this process are answered here, and made later out of the journal.

The script goes on as it would with a server. What it reads is the task as this process last knew it, with what it has
changed since; other tasks, queues and searches need the server, and wait for it.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping

from clearml_sdk.errors import ApiError, BadAnswer, ClearmlError, ServerUnreachable
from clearml_sdk.fork_lock import ForkLock
from clearml_sdk.journal import calls
from clearml_sdk.notices import warn_once
from clearml_sdk.offline import documents
from clearml_sdk.offline.documents import State
from clearml_sdk.session import CALL_NAME, new_call_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeGuard

    from clearml_sdk.reporting.reporter import Reporter
    from clearml_sdk.session import Session

PATIENCE_S = 2.0
"""How long a call waits for a server that has just gone."""
QUIET_S = 5.0
"""So long after a call that got no answer, the next ones do not try."""
AWAY = frozenset({429, 502, 503, 504})
REPLACED = ("runtime", "configuration", "container")
"""Dictionaries that `tasks.edit` replaces whole; others write their keys too."""
REPORT = "events.add"
"""A report of a model that the server does not know yet: it is made after the model."""
READS = frozenset({"tasks.get_by_id", "tasks.get_all", "models.get_by_id", "projects.get_by_id"})


def is_away(session: Session) -> bool:
    """Whether nobody listens where the server should be; asks, if it must."""
    try:
        session.call("debug.ping", give_up_s=0)
    except ClearmlError:
        return session.is_down
    return False


class Outage:
    """Stands between a run and its server: `call` is `Session.call` for what `takes` accepts.

    Args:
        reporter: of the run's task, whose journal keeps the calls.
    """

    def __init__(self, session: Session, task_id: str, reporter: Reporter) -> None:
        self._session, self._task, self._reporter = session, task_id, reporter
        self._lock = ForkLock()
        self._state = State({"task": documents.new_task(task_id, {}), "models": {}})
        self._projects: dict[str, dict[str, Any]] = {}
        self._failed_at: float | None = None
        self._sought: dict[str, Mapping[str, Any]] = {}
        """Queries for models by the place of their weights that got no answer."""

    def takes(self, body: Mapping[str, Any] | bytes | None, endpoint: str) -> TypeGuard[Mapping[str, Any]]:
        """Whether this is a call that can be made later, or that what is known here answers."""
        if not isinstance(body, Mapping):
            return False
        if endpoint == "tasks.get_all":
            return bool(body.get("id") == [self._task])
        if endpoint == "models.get_all":
            return "uri" in body
        if endpoint == REPORT:
            return calls.is_pending(str(body.get("task")))
        is_about_task = endpoint.startswith("tasks.")
        return (endpoint in READS or endpoint in documents.CHANGES) and (
            not is_about_task or body.get("task") == self._task
        )

    def call(self, endpoint: str, body: Mapping[str, Any], headers: Mapping[str, str] | None) -> dict[str, Any]:
        """Ask the server; where it is away, answer in its place. Raises what `Session.call` raises."""
        name = (headers or {}).get(CALL_NAME) or new_call_name()
        why: ClearmlError = ServerUnreachable(self._session.settings.api_server, "earlier calls wait in the journal")
        if endpoint == REPORT:
            body = {**body, "task": calls.current_id(str(body["task"]))}
        is_pending = calls.is_pending(str(body.get("task")))
        if not is_pending and not self._reporter.calls_wait() and self._is_worth_a_try():
            limit_s = 0.0 if self._failed_at is not None else PATIENCE_S
            try:
                answer = self._session.call(endpoint, body, headers={CALL_NAME: name}, give_up_s=limit_s)
            except (ServerUnreachable, BadAnswer, ApiError) as error:
                if isinstance(error, ApiError) and error.code not in AWAY:
                    raise
                why, self._failed_at = error, time.monotonic()
                warn_once(f"delivery-{type(error).__name__}", f"changes of the task wait in the journal: {error}")
            else:
                self._failed_at = None
                self._learn(endpoint, body, answer)
                return answer
        with self._lock:
            return self._answer(name, endpoint, body, why)

    def _is_worth_a_try(self) -> bool:
        """Not while it would only take its time."""
        failed_at = self._failed_at
        return failed_at is None or self._session.is_down or time.monotonic() - failed_at > QUIET_S

    def _learn(self, endpoint: str, body: Mapping[str, Any], answer: dict[str, Any]) -> None:
        """Keep what the server knows now."""
        with self._lock:
            try:
                if endpoint == "tasks.get_by_id":
                    self._state.task = {**documents.new_task(self._task, {}), **copy.deepcopy(answer["task"])}
                elif endpoint == "projects.get_by_id":
                    self._projects[str(body["project"])] = copy.deepcopy(answer)
                elif endpoint == "models.get_by_id":
                    self._state.models[str(body["model"])] = copy.deepcopy(answer["model"])
                elif endpoint == "models.create":
                    self._change(endpoint, {**body, "id": answer["id"]})
                elif endpoint in documents.CHANGES:
                    self._change(endpoint, body)
            except (KeyError, TypeError, AttributeError) as error:  # written by hand, in another form than ours
                warn_once("unknown change", f"reads while the server is away will not see {endpoint}: {error!r}")

    def _answer(self, name: str, endpoint: str, body: Mapping[str, Any], why: ClearmlError) -> dict[str, Any]:
        """Do what the server would, as far as this process can see, and have it done there later. Raises `why`."""
        if endpoint == "models.get_all":
            self._sought[str(body["uri"])] = body
            return {"models": []}
        if endpoint == "projects.get_by_id":
            if str(body.get("project")) not in self._projects:
                raise why
            return copy.deepcopy(self._projects[str(body["project"])])
        if endpoint in READS:
            if endpoint.startswith("models.") and str(body["model"]) not in self._state.models:
                raise why
            return copy.deepcopy(documents.answer(self._state, endpoint, body)[0])
        same = None
        if endpoint == "models.create":
            body = {**body, "id": calls.new_model_id()}
            same = self._sought.get(str([body["uri"]]))
        merges = self._merges(body) if endpoint == "tasks.edit" else {}
        left = {key: value for key, value in body.items() if key not in merges}
        try:
            is_kept = self._reporter.append_call(calls.call_record(name, endpoint, left, merges=merges, same=same))
        except ValueError:
            is_kept = False
        if not is_kept:
            raise why  # there is no room for it
        if endpoint == REPORT:
            return {}
        return self._change(endpoint, body)

    def _change(self, endpoint: str, body: Mapping[str, Any]) -> dict[str, Any]:
        is_known = not endpoint.startswith("models.") or "model" not in body or body["model"] in self._state.models
        if not is_known:
            return {"updated": 1, "fields": {}}  # a model that this process has never read
        return documents.answer(self._state, endpoint, copy.deepcopy(dict(body)))[0]

    def _merges(self, body: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """What of whole dictionaries is changed."""
        found = {}
        for field in REPLACED:
            new, old = body.get(field), self._state.task.get(field) or {}
            if isinstance(new, dict):
                changed = {key: value for key, value in new.items() if key not in old or old[key] != value}
                found[field] = {"set": changed, "removed": [key for key in old if key not in new]}
        return found
