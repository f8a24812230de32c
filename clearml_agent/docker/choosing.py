"""Which image, arguments and setup script a task gets. Pure. Source: contract/agent_behaviour.md 8.

The order: the task's own container; the command line; rules over the task's fields; CLEARML_DOCKER_IMAGE;
agent.default_docker.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from clearml_agent.docker.options import split
from clearml_agent.environments.requirements import requirement_name

USUAL_IMAGE = "nvidia/cuda:12.6.3-cudnn-runtime-ubuntu20.04"


class Choice(msgspec.Struct, frozen=True):
    """What a container is made from.

    arguments: words. setup: the task's own shell lines. update_back: record it in the task, which names no image.
    reason: who chose, for the console.
    """

    image: str
    arguments: tuple[str, ...] = ()
    setup: str = ""
    update_back: bool = False
    reason: str = ""


class Defaults(msgspec.Struct, frozen=True):
    """What there is to choose from besides the task.

    given: words after `--docker`. ignores_task: agent.disable_task_docker_override.
    """

    given: tuple[str, ...] = ()
    variable: str = ""
    image: str = USUAL_IMAGE
    arguments: tuple[str, ...] = ()
    rules: tuple[Mapping[str, Any], ...] = ()
    update_back: bool = True
    ignores_task: bool = False


def choose(task: Mapping[str, Any], project: str, defaults: Defaults) -> Choice:
    """Choose for `task`, a record of the API; `project` is its project's full name. Raises UsageError."""
    container = task.get("container") or {}
    setup = str(container.get("setup_shell_script") or "")
    image = str(container.get("image") or "").strip()
    words = tuple(split(str(container.get("arguments") or "")))
    rules = () if defaults.given else defaults.rules
    forced = next((rule for rule in rules if rule.get("force_container_rules") and fits(rule, task, project)), None)
    if forced is not None:
        return _of_rule(forced, setup, defaults)
    if image and not defaults.ignores_task:
        # Before there was a field for arguments they stood behind the image.
        image, *behind = split(image)
        return Choice(image, (*behind, *words), setup, False, "the task's container")
    if defaults.given:
        return Choice(defaults.given[0], (*defaults.given[1:], *_of_task(words, defaults)), setup, defaults.update_back,
                      "--docker")  # fmt: skip
    rule = next((rule for rule in rules if fits(rule, task, project)), None)
    if rule is not None:
        return _of_rule(rule, setup, defaults)
    chosen = split(defaults.variable) if defaults.variable else [defaults.image, *defaults.arguments]
    reason = "CLEARML_DOCKER_IMAGE" if defaults.variable else "agent.default_docker"
    return Choice(chosen[0], (*chosen[1:], *_of_task(words, defaults)), setup, defaults.update_back, reason)


def _of_task(words: tuple[str, ...], defaults: Defaults) -> tuple[str, ...]:
    """A task may bring arguments without an image."""
    return () if defaults.ignores_task else words


def _of_rule(rule: Mapping[str, Any], setup: str, defaults: Defaults) -> Choice:
    image, *behind = split(str(rule.get("image") or defaults.image))
    arguments = (*behind, *split(rule.get("arguments") or ""))
    update = bool(rule.get("update_back_task", defaults.update_back))
    more = str(rule.get("setup_shell_script") or "")
    return Choice(image, arguments, "\n".join(filter(None, (more, setup))), update, "agent.default_docker.match_rules")


def fits(rule: Mapping[str, Any], task: Mapping[str, Any], project: str) -> bool:
    """Whether every field that a rule names is found in the task; a rule without any fits every task."""
    wanted = rule.get("match") or {}
    script = task.get("script") or {}
    fields: dict[str, Any] = {
        "project": project,
        "user": task.get("user"),
        "tags": task.get("tags") or [],
        "container": (task.get("container") or {}).get("image"),
        **{f"script.{name}": script.get(name) for name in ("repository", "branch", "binary", "entry_point")},
    }
    for name, pattern in _flat(wanted):
        if name.startswith("script.requirements"):
            if not _has_packages(pattern, name.rpartition(".")[2], script.get("requirements") or {}):
                return False
        elif not _found(pattern, fields.get(name)):
            return False
    return True


def _flat(wanted: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in wanted.items():
        if name == "script" and isinstance(value, Mapping):
            found += [(f"script.{inner}", item) for inner, item in value.items()]
        elif value not in (None, "", [], {}):
            found.append((name, value))
    return found


def _found(pattern: Any, value: Any) -> bool:
    """Whether the pattern (of several, each) is found in the value (of several, in one)."""
    values = [str(item) for item in value] if isinstance(value, list | tuple) else [str(value or "")]
    patterns = [str(item) for item in pattern] if isinstance(pattern, list | tuple) else [str(pattern)]
    return all(any(re.search(one, text) for text in values) for one in patterns)


def _has_packages(wanted: Any, _kind: str, requirements: Mapping[str, Any]) -> bool:
    """Whether the recorded packages have those of `{pip: {name: version specification}}`."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    recorded: dict[str, str] = {}
    for kind in ("pip", "conda"):
        lines = requirements.get(kind) or ""
        for line in lines.splitlines() if isinstance(lines, str) else map(str, lines):
            recorded[requirement_name(line)] = line.partition("==")[2].split(";")[0].strip()
    per_kind = wanted if isinstance(wanted, Mapping) else {}
    names: dict[str, Any] = {}
    for value in per_kind.values():
        names |= value if isinstance(value, Mapping) else {}
    for name, specification in names.items():
        version = recorded.get(requirement_name(str(name)))
        if version is None:
            return False
        try:
            if specification and version and Version(version) not in SpecifierSet(str(specification)):
                return False
        except (InvalidSpecifier, InvalidVersion):
            return False
    return True


def names(sequence: Any) -> tuple[str, ...]:
    """A list of the configuration, or one word of it, as texts."""
    if sequence is None:
        return ()
    if isinstance(sequence, Sequence) and not isinstance(sequence, str):
        return tuple(map(str, sequence))
    return tuple(split(str(sequence)))
