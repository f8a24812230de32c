"""What a scheduler keeps on the server: its entries, for people to edit, and how far it is.

The entries are configuration objects of the scheduler's task; how far it is, is another one, `state`: one call stores
it whole, and it outlives a reset.
"""

from __future__ import annotations

import json
from datetime import datetime

from clearml_sdk.notices import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from clearml_sdk.automation.schedules.entry import BaseScheduleJob
    from clearml_sdk.task import Task

STATE, STATE_DESCRIPTION = "state", "how far the scheduler is: not to be edited"
OF = "task"
"""Key of the state: the scheduler's task. A copy of that has launched nothing yet."""
WRITTEN = "written"
"""Key of the state: the configuration objects as the scheduler wrote them. What differs was changed by somebody."""


class Kept:
    """The entries and the state of the scheduler whose task is `task`."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._saved = ""
        self._written: dict[str, str] = {}

    def load(self) -> dict[str, Any]:
        """The state as the last process left it; {} at first, and in the run of a copy of the task."""
        text = self._task.get_configuration_object(STATE)
        if not text:
            return {}
        try:
            found = json.loads(text)
        except ValueError as error:
            say(f"the state of this scheduler cannot be read, it begins anew: {error}")
            return {}
        if not isinstance(found, dict) or found.get(OF) != self._task.id:
            return {}
        self._written = dict(found.get(WRITTEN) or {})
        return found

    def save(self, state: dict[str, Any]) -> None:
        """Store how far the scheduler is, in one call; waits until it is stored."""
        text = encoded({OF: self._task.id, **state, WRITTEN: self._written})
        if text != self._saved:
            self._task.set_configuration_object(STATE, text, description=STATE_DESCRIPTION, config_type="json")
            self._saved = text

    def show(self) -> None:
        """Store the state as an artifact, too, where people look for it. In the background: nothing is read from it."""
        self._task.upload_artifact(STATE, self._saved, preview="scheduler internal state")

    def write(self, name: str, entries: Sequence[BaseScheduleJob], description: str) -> None:
        """Store the entries as a configuration object, where they are not already."""
        text = encoded([entry.to_dict() for entry in entries])
        if self._written.get(name) != text or self._task.get_configuration_object(name) != text:
            self._task.set_configuration_object(name, text, description=description, config_type="json")
        self._written[name] = text

    def edited(self, name: str) -> list[dict[str, Any]] | None:
        """The entries as somebody has changed them; None where nobody has.

        In a run by an agent the task says what the entries are, as with all parameters.
        """
        text = self._task.get_configuration_object(name)
        if text is None or text == self._written.get(name):
            return None
        if name not in self._written and self._task.running_locally():
            return None
        try:
            found = json.loads(text)
            if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
                raise ValueError("it is a list of entries")
        except ValueError as error:
            say(f"the configuration object {name} cannot be used, the schedule stays as it was: {error}")
            return None
        self._written[name] = text
        return found


def encoded(value: Any) -> str:
    """JSON with times as ISO 8601."""
    return json.dumps(value, default=lambda item: item.isoformat() if isinstance(item, datetime) else str(item))
