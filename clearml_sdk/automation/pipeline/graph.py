"""The steps' dependencies: which may run, which never will, and what is wrong with them. Pure."""

from __future__ import annotations

from clearml_sdk.automation.pipeline.node import PENDING, SKIPPED, Node
from clearml_sdk.automation.pipeline.references import FIELDS, PIPELINE, READ_APART, references, steps_named
from clearml_sdk.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping


def add_named_parents(nodes: Mapping[str, Node]) -> None:
    """Have each step wait for the steps that its values refer to. Raises UsageError for steps that there are not."""
    for node in nodes.values():
        named = steps_named(node.parameters, node.configurations, node.task_overrides, node.base_task_id)
        node.parents = list(dict.fromkeys([*node.parents, *named]))
        unknown = [parent for parent in node.parents if parent not in nodes]
        if unknown:
            raise UsageError(f"step {node.name!r} waits for {', '.join(map(repr, unknown))}, which are no steps")
        if node.name in node.parents:
            raise UsageError(f"step {node.name!r} refers to itself")


def check_references(nodes: Mapping[str, Node], parameters: Container[str]) -> None:
    """Raise UsageError for a reference that can stand for nothing, whatever the steps do."""
    for node in nodes.values():
        for reference in references([node.parameters, node.configurations, node.task_overrides, node.base_task_id]):
            name = ".".join(reference.path)
            if reference.owner == PIPELINE:
                if name != "id" and name not in parameters:
                    raise UsageError(f"step {node.name!r}: {reference.text}: the pipeline has no parameter {name!r}")
            elif not reference.path or reference.path[0] not in {*READ_APART, *FIELDS}:
                known = f"{', '.join(READ_APART)} and the fields of its task, such as script"
                raise UsageError(f"step {node.name!r}: {reference.text}: of a step there are {known}")


def in_order(nodes: Mapping[str, Node]) -> list[Node]:
    """Parents before their children, otherwise as added. Raises UsageError naming the steps of a circle."""
    waiting = dict(nodes)
    found: dict[str, Node] = {}
    while waiting:
        ready = [node for node in waiting.values() if all(parent in found for parent in node.parents)]
        if not ready:
            raise UsageError(f"these steps wait for one another in a circle: {', '.join(sorted(waiting))}")
        for node in ready:
            found[node.name] = waiting.pop(node.name)
    return list(found.values())


def ready(nodes: Mapping[str, Node]) -> list[Node]:
    """The steps that have not begun and whose parents all let them."""
    return [
        node
        for node in nodes.values()
        if node.status == PENDING
        and all(nodes[parent].is_over and nodes[parent].lets_pass for parent in node.parents if parent in nodes)
    ]


def skip_unreachable(nodes: Mapping[str, Node]) -> list[Node]:
    """Mark as skipped what waits for a step that is over and does not let it pass; those marked, parents first."""
    skipped: list[Node] = []
    while True:
        lost = [
            node
            for node in nodes.values()
            if node.status == PENDING
            and any(nodes[p].is_over and not nodes[p].lets_pass for p in node.parents if p in nodes)
        ]
        if not lost:
            return skipped
        for node in lost:
            node.status, node.skip_job = SKIPPED, True
        skipped += lost


def is_successful(nodes: Iterable[Node]) -> bool:
    """Whether the pipeline went well: every step that was to end did, and failed ones were allowed to."""
    return not any(node.stops_pipeline or not node.is_over for node in nodes)
