"""How a step becomes a task that runs: its values resolved, its task made, and put into a queue or started here."""

from __future__ import annotations

import hashlib
import json

from clearml_sdk.automation.jobs.base import BaseJob
from clearml_sdk.automation.jobs.cloned import ClearmlJob
from clearml_sdk.automation.jobs.local import LocalClearmlJob
from clearml_sdk.automation.pipeline import state
from clearml_sdk.automation.pipeline.node import GOOD, Node
from clearml_sdk.automation.pipeline.references import PIPELINE, Reference, of_pipeline, of_task, references, replaced
from clearml_sdk.errors import UsageError
from clearml_sdk.projects import MIN_NAME
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def task_name(step: str) -> str:
    """What the task of a step is called: as the step, where that can be a task's name. Pure."""
    return step if len(step) >= MIN_NAME else f"step {step}"


class Launcher:
    """Makes the jobs of one run of a pipeline.

    Args:
        task: id of the controller.
        run: which run of it.
        parameters: of the pipeline, for `${pipeline.name}`.
        code: configuration object -> JSON of the task to make, for steps that are functions.
    """

    def __init__(
        self,
        session: Session,
        nodes: Mapping[str, Node],
        *,
        task: str,
        run: str,
        parameters: Mapping[str, Any],
        code: Mapping[str, str],
        project: str | None,
        tags: list[str],
        output_uri: str | bool | None,
        locally: bool,
        local_imports: bool,
    ) -> None:
        self._session, self._nodes, self._task, self._run = session, nodes, task, run
        self._parameters, self._code, self._project, self._tags = parameters, code, project, tags
        self._output_uri, self._locally, self._local_imports = output_uri, locally, local_imports
        self._documents: dict[str, dict[str, Any]] = {}

    def values(self, node: Node) -> dict[str, Any]:
        """The step's parameters with their references resolved. Raises UsageError."""
        deep = node.recursively_parse_parameters
        return {name: replaced(value, self._resolve, deep=deep) for name, value in node.parameters.items()}

    def job(self, node: Node, parameters: Mapping[str, Any], attempt: int) -> BaseJob:
        """A job for the step, not launched yet; a cached one where the step allows that. Raises ClearmlError."""
        runtime = {state.RUN: self._run, state.STEP: node.name, state.ATTEMPT: attempt}
        overrides = replaced(node.task_overrides, self._resolve)
        if node.explicit_docker_image:
            overrides = {**overrides, "container.image": node.explicit_docker_image}
        document = None
        base = node.base_task_id and replaced(node.base_task_id, self._resolve)
        if node.task_factory_func is not None and not base:
            made = node.task_factory_func(node)
            if made is None:
                raise UsageError(f"step {node.name!r}: its function made no task")
            base = made if isinstance(made, str) else made.id
        elif node.job_code_section:
            document = json.loads(self._code[node.job_code_section])
            if self._project:
                document.pop("project", None)
        clones = node.clone_task or document is not None
        kind = LocalClearmlJob if self._locally else ClearmlJob
        job = kind(
            base_task_id=base or "",
            parameter_override=parameters,
            configuration_overrides=replaced(node.configurations, self._resolve),
            task_overrides=overrides,
            tags=self._tags,
            parent=self._task,
            disable_clone_task=not clones,
            allow_caching=node.cache_executed_step,
            target_project=self._project,
            output_uri=node.output_uri if node.output_uri is not None else self._output_uri,
            enable_local_imports=self._local_imports,
            task_name=task_name(node.name),
            runtime=runtime,
            document=document,
            session=self._session,
            call_name=hashlib.md5(f"{self._run} {node.name} {attempt}".encode(), usedforsecurity=False).hexdigest(),
        )
        return job

    def _resolve(self, reference: Reference) -> Any:
        if reference.owner == PIPELINE:
            if reference.path == ["id"] and "id" not in self._parameters:
                return self._task
            value = of_pipeline(reference, self._parameters)
            nested = isinstance(value, str) and any(True for _ in references(value))
            return replaced(value, self._resolve) if nested else value
        node = self._nodes.get(reference.owner)
        if node is None:
            raise UsageError(f"{reference.text}: there is no step {reference.owner!r}")
        task = node.executed or node.job_id
        if task is None or node.status not in GOOD:
            return None  # it failed, and its children were to run all the same
        if reference.path == ["id"]:
            return task
        return of_task(reference, self._document(task))

    def _document(self, task: str) -> dict[str, Any]:
        """The task of a step that is over, its models spelled out."""
        if task not in self._documents:
            document = self._session.call("tasks.get_by_id", {"task": task})["task"]
            models = document.get("models") or {}
            ids = [entry["model"] for kind in models.values() for entry in kind if isinstance(entry.get("model"), str)]
            if ids:
                found = self._session.call("models.get_all", {"id": ids}).get("models") or []
                by_id = {model["id"]: model for model in found}
                document["models"] = {
                    kind: [{**entry, "model": by_id.get(entry.get("model"), entry.get("model"))} for entry in entries]
                    for kind, entries in models.items()
                }
            self._documents[task] = document
        return self._documents[task]
