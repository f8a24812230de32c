"""`${CLEARML_TASK_ID}` and its like in container arguments: of the task, its queue, its worker, the agent. Pure.

Source: contract/agent_behaviour.md 8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from clearml_agent.docker.options import Option
from clearml_agent.errors import UsageError

_TEMPLATE = re.compile(r"\$\{CLEARML_(?:(TASK|CONFIG)\.([\w. -]+)|(\w+))\}")
_HARMLESS = re.compile(r"[\w@+=-][\w.@+= -]*")
"""What a task's own words may be in an argument of the agent: no other folder, no second field of a mount."""


class Templates(msgspec.Struct, frozen=True):
    """What templates stand for.

    facts: `TASK_ID` -> text, of `${CLEARML_TASK_ID}`, none of them the task's own words.
    task: as the API answers it, for `${CLEARML_TASK.project}`.
    config: the agent's configuration, for `${CLEARML_CONFIG.agent.worker_name}` in its own arguments.
    """

    facts: Mapping[str, str] = {}
    task: Mapping[str, Any] = {}
    config: Mapping[str, Any] = {}

    def fill(self, option: Option, *, is_agents: bool) -> Option:
        """The option with what its templates stand for; a name that is none of these stays for the environment.

        Raises UsageError for a field that is missing, or that could make another argument of the agent's.
        """

        def text(match: re.Match[str]) -> str:
            section, path, name = match.groups()
            if name:
                return self.facts.get(name, match[0])
            if section == "CONFIG" and not is_agents:
                raise UsageError(f"{match[0]} can stand in the agent's own container arguments only")
            found = _at(self.task if section == "TASK" else self.config, path)
            if found is None:
                where = "the task" if section == "TASK" else "the agent's configuration"
                raise UsageError(f"{match[0]} among the container arguments: {where} has no {path}")
            is_tasks_word = is_agents and section == "TASK" and option.name != "env"
            if is_tasks_word and (".." in found or not _HARMLESS.fullmatch(found)):
                raise UsageError(f"{match[0]} in --{option.name} is {found!r}, which may not stand there")
            return found

        filled = _TEMPLATE.sub(text, option.value)
        return option if filled == option.value else msgspec.structs.replace(option, value=filled)


def _at(tree: Mapping[str, Any], path: str) -> str | None:
    """The text at `a.b.c`, None where there is none."""
    found: Any = tree
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return None if found is None or isinstance(found, Mapping | list) else str(found)
