"""Which objects have become what a trigger says since it was last looked.

An event is told once: the trigger remembers the objects that are what it says, and forgets those that no longer are, so
that they can become it again.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from clearml_sdk.automation.schedules.times import utc
from clearml_sdk.automation.triggers.entry import DatasetTrigger
from clearml_sdk.paging import PAGE, all_pages
from clearml_sdk.projects import find_project

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from clearml_sdk.automation.triggers.entry import BaseTrigger
    from clearml_sdk.session import Session

OVERLAP = timedelta(seconds=2)
"""What changed so shortly before the last change seen is looked at again: servers have clocks of their own."""
REMEMBERED = 10_000
"""So many objects that are what triggers when it is first looked are remembered."""


class Event:
    """An object that became what a trigger says."""

    def __init__(self, trigger: BaseTrigger, obj: dict[str, Any], occasion: str) -> None:
        self.trigger, self.object, self.occasion = trigger, obj, occasion

    def filled(self, values: dict[str, Any] | None) -> dict[str, Any] | None:
        """The values with `${model.id}` and the like in them replaced."""
        if not values:
            return None
        return {key: self._fill(value) for key, value in values.items()}

    def _fill(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        name = self.trigger.REFERENCE

        def put(found: re.Match[str]) -> str:
            known = self.object.get(found[1])
            return found[0] if known is None else str(known)

        return re.sub(rf"\$\{{{name}\.(id|name)\}}", put, value)


def now_on_server(session: Session, task: str) -> datetime:
    """The time by the server's clock."""
    session.call("tasks.ping", {"task": task})
    body = {"id": [task], "only_fields": ["last_update"], "search_hidden": True}
    found = session.call("tasks.get_all", body)["tasks"][0]
    moment = utc(found["last_update"])
    assert moment is not None
    return moment


class Memory:
    """What a trigger has seen, beside what it stores itself."""

    def __init__(self, stored: dict[str, Any] | None = None) -> None:
        self.since = utc((stored or {}).get("since"))
        """Statuses that were set before are no events."""
        self.departures: dict[str, int] = dict((stored or {}).get("departures") or {})
        """Object -> how often it stopped being what triggers."""

    def stored(self) -> dict[str, Any]:
        """As it is kept."""
        return {"since": self.since, "departures": self.departures}


def new_events(session: Session, trigger: BaseTrigger, memory: Memory) -> list[Event]:
    """The events since the last call, oldest first; what the trigger remembers is brought up to date.

    At the first call there are none: what is what triggers by then did not become it now.
    """
    seen = trigger.last_update
    assert isinstance(seen, datetime)
    query = trigger.build_query(seen)
    projects = _projects(session, trigger)
    if trigger.project and not projects:
        return []  # there is no such project yet
    query["project"] = projects or None
    del query["last_update"]
    memory.since = memory.since or seen
    if trigger._triggered_instances is None:
        known = [] if trigger.is_dated else _list(session, trigger, query, newest=REMEMBERED)
        before = [obj for obj in known if trigger.is_wanted(obj) and trigger.get_ref_time(obj) <= seen]
        trigger._triggered_instances = {str(obj["id"]): trigger.became_at(obj) or seen for obj in before}
    begin = f">{(seen - OVERLAP).replace(tzinfo=None).isoformat()}"
    remembered = dict(trigger._triggered_instances)
    found = [obj for obj in _list(session, trigger, {**query, "last_change": begin}) if trigger.is_wanted(obj)]
    for gone in _no_longer(session, trigger, begin, remembered, {str(obj["id"]) for obj in found}):
        memory.departures[gone] = memory.departures.get(gone, 0) + 1
        del remembered[gone]
    events = []
    for obj in found:
        id_, became = str(obj["id"]), trigger.became_at(obj)
        known_at = utc(remembered.get(id_)) or (memory.since if trigger.is_dated else None)
        if known_at is None or (became is not None and became > known_at):
            occasion = f"{id_}#{memory.departures.get(id_, 0)}{f'@{became.isoformat()}' if became else ''}"
            events.append(Event(trigger, obj, occasion))
        seen = max(seen, trigger.get_ref_time(obj))
    trigger._triggered_instances, trigger.last_update = remembered, seen
    return events


def told(event: Event) -> None:
    """Have the trigger remember the event."""
    trigger, obj = event.trigger, event.object
    moment = trigger.became_at(obj) or trigger.get_ref_time(obj)
    trigger._triggered_instances = {**(trigger._triggered_instances or {}), str(obj["id"]): moment}


def _no_longer(
    session: Session, trigger: BaseTrigger, begin: str, remembered: dict[str, Any], found: set[str]
) -> list[str]:
    """Those of the remembered objects that changed and are not what triggers any more."""
    wanted = sorted(remembered.keys() - found)
    changed: list[str] = []
    for start in range(0, len(wanted), PAGE):
        body = {"id": wanted[start : start + PAGE], "last_change": begin}
        changed += [str(obj["id"]) for obj in _list(session, trigger, body)]
    return changed


def _list(
    session: Session, trigger: BaseTrigger, conditions: dict[str, Any], *, newest: int | None = None
) -> list[dict[str, Any]]:
    """The objects, in the order of their last change; newest: so many of the last changed ones."""
    endpoint, name = trigger.ENDPOINT
    body = {
        **{key: value for key, value in conditions.items() if value is not None},
        "only_fields": list(trigger.OBJECT_FIELDS),
        "order_by": ["-last_change" if newest else "last_change"],
    }
    if endpoint != "models.get_all":
        body["search_hidden"] = True
    return all_pages(session, endpoint, name, body, limit=newest)


def _projects(session: Session, trigger: BaseTrigger) -> list[str]:
    """Ids of the projects that the trigger is about; [] for all, or for one that does not exist."""
    if not trigger.project:
        return []
    known = session.call("projects.get_all", {"id": [trigger.project], "search_hidden": True}).get("projects") or []
    project = known[0] if known else find_project(session, trigger.project)
    if project is None:
        return []
    found = [str(project["id"])]
    if isinstance(trigger, DatasetTrigger):
        below = rf"^{re.escape(str(project['name']))}/\.datasets/"
        body = {"name": below, "only_fields": ["id"], "search_hidden": True, "shallow_search": False}
        found += [str(item["id"]) for item in session.call("projects.get_all", body).get("projects") or []]
    return found


def unfinished(session: Session, trigger: BaseTrigger, limit: int) -> list[dict[str, Any]]:
    """Tasks that the trigger is about and that have not ended; the newest `limit`."""
    projects = _projects(session, trigger)
    if trigger.project and not projects:
        return []
    body: dict[str, Any] = {"status": ["created", "queued", "in_progress"], "only_fields": ["id", "status"]}
    body |= {"order_by": ["-last_change"], "page": 0, "page_size": limit, "search_hidden": True}
    if projects:
        body["project"] = projects
    if trigger.match_name:
        body["name"] = trigger.match_name
    return session.call("tasks.get_all", body).get("tasks") or []
