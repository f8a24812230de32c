"""Steps made of what `add_step` and `add_function_step` are told."""

from __future__ import annotations

import inspect
import json
import re

from clearml_sdk import parameters
from clearml_sdk.automation.pipeline import function_code
from clearml_sdk.automation.pipeline.node import Node
from clearml_sdk.automation.pipeline.references import steps_named
from clearml_sdk.errors import UsageError
from clearml_sdk.facade.properties import container
from clearml_sdk.task_types import type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

_WHOLE = re.compile(r"^\$\{([^.}]+)\.([^}]+)\}$")


def check_name(name: str, nodes: Mapping[str, Node]) -> None:
    """Raise UsageError where no step can be called so."""
    if not name:
        raise UsageError("a step needs a name")
    if name == "pipeline":
        raise UsageError("no step can be called 'pipeline': ${pipeline.name} stands for the pipeline's parameters")
    if name in nodes:
        raise UsageError(f"there is a step {name!r} already")


class FunctionStep:
    """A function, its arguments, and the environment it runs in."""

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: Mapping[str, Any],
        *,
        returns: Sequence[str],
        nodes: Mapping[str, Node],
        store: Callable[[str, Any], str],
    ) -> None:
        """store: keeps an object that is no parameter, under a name, and returns where (`<task>.<artifact>`)."""
        self.name, self.function, self.returns = name, function, list(returns)
        self.values: dict[str, Any] = {}
        self.places: dict[str, str] = {}
        known = _defaults(function)
        unknown = set(arguments) - set(known) if not _takes_any(function) else set()
        if unknown:
            raise UsageError(f"step {name!r}: {function.__name__}() takes no {', '.join(sorted(unknown))}")
        for argument, value in {**known, **arguments}.items():
            if value is inspect.Parameter.empty:
                continue
            place = self._place(value, nodes)
            if place is None and not _is_parameter(value):
                place = store(f"{name}.{argument}", value)
            self.values[argument] = None if place is not None else value
            if place is not None:
                self.places[argument] = place

    def _place(self, value: Any, nodes: Mapping[str, Node]) -> str | None:
        """Where the value is that another step returns; None for any other value."""
        match = _WHOLE.match(value.strip()) if isinstance(value, str) else None
        if match is None or match.group(1) not in nodes:
            return None
        step, name = match.groups()
        return f"${{{step}.id}}.{name}" if name in nodes[step].return_artifacts else None

    def overrides(self) -> dict[str, Any]:
        """The parameters of the step, the function's own defaults among them: people change them there."""
        values = {name: value for name, value in self.values.items() if name not in self.places}
        return {
            **{f"{function_code.ARGUMENTS}/{name}": value for name, value in values.items()},
            **{f"{function_code.ARTIFACTS}/{name}": place for name, place in self.places.items()},
        }

    def sections(self) -> dict[str, dict[str, Any]]:
        """The parameters of its task."""
        arguments = {n: parameters.item(function_code.ARGUMENTS, n, v) for n, v in self.values.items()}
        places = {n: parameters.item(function_code.ARTIFACTS, n, v) for n, v in self.places.items()}
        return {function_code.ARGUMENTS: arguments, function_code.ARTIFACTS: places}

    def document(
        self,
        *,
        project: str | None,
        task_name: str | None,
        task_type: str | None,
        packages: bool | str | Sequence[str] | None,
        docker: tuple[Any, Any, Any],
        repository: tuple[str | None, str | None, str | None, str | None],
        tags: Sequence[str] | str | None,
        output_uri: str | bool | None,
        **code: Any,
    ) -> str:
        """JSON of the task that runs it. code: of `program`; repository: (repo, branch, commit, folder)."""
        text = function_code.program(self.function, returns=self.returns, **code)
        repo, branch, commit, folder = repository
        needed = function_code.requirements(text, self.function, packages)
        found: dict[str, Any] = {
            "name": task_name or self.name,
            "project": project,
            "type": type_name(task_type or "training"),
            "script": function_code.script(
                self.function.__name__, text, needed, repo=repo, branch=branch, commit=commit, working_dir=folder
            ),
            "hyperparams": self.sections(),
            "container": container(*docker),
        }
        if tags:
            found["tags"] = [tags] if isinstance(tags, str) else list(tags)
        if isinstance(output_uri, str):
            found["output_dest"] = output_uri
        return json.dumps(found, indent=1)


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    found = inspect.signature(inspect.unwrap(function)).parameters.values()
    return {one.name: one.default for one in found if one.kind not in kinds}


def _takes_any(function: Callable[..., Any]) -> bool:
    found = inspect.signature(inspect.unwrap(function)).parameters.values()
    return any(one.kind is inspect.Parameter.VAR_KEYWORD for one in found)


def _is_parameter(value: Any) -> bool:
    """Whether the value survives as the text of a parameter."""
    if isinstance(value, function_code.SIMPLE):
        return True
    if type(value) in (list, tuple):
        return all(_is_parameter(item) for item in value)
    if type(value) is dict:
        return all(isinstance(key, str) and _is_parameter(item) for key, item in value.items())
    return False


def queue_of_parents(parents: Sequence[str] | None, *values: Any) -> list[str]:
    """The steps named as parents, and those that the values refer to."""
    return list(dict.fromkeys([*(parents or []), *steps_named(*values)]))
