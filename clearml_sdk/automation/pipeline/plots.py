"""The two plots of a pipeline's controller: the flow of its steps, and a table of them. Pure."""

from __future__ import annotations

from clearml_sdk.automation.pipeline import node as states
from clearml_sdk.automation.pipeline.graph import in_order
from clearml_sdk.automation.pipeline.node import Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

FLOW = ("Pipeline", "Execution Flow")
TABLE = ("Pipeline Details", "Execution Details")
COLOURS = {
    states.PENDING: "lightsteelblue",
    states.QUEUED: "#bdf5bd",
    states.RUNNING: "green",
    states.COMPLETED: "blue",
    states.CACHED: "darkslateblue",
    states.FAILED: "red",
    states.ABORTED: "royalblue",
    states.SKIPPED: "gray",
}
_LONGEST = 40


def flow(nodes: Mapping[str, Node]) -> dict[str, Any]:
    """A Sankey diagram: a node a step, coloured by its status, a link from each step to those that wait for it."""
    ordered = in_order(nodes)
    places = {node.name: place for place, node in enumerate(ordered)}
    links = [(places[parent], places[node.name]) for node in ordered for parent in node.parents if parent in places]
    linked = {place for link in links for place in link}
    # A step that is linked to nothing is drawn only when it has a link: to itself.
    links += [(place, place) for place in places.values() if place not in linked]
    sankey = {
        "type": "sankey",
        "orientation": "h",
        "link": {
            "source": [source for source, _ in links],
            "target": [target for _, target in links],
            "value": [1 for _ in links],
            "hovertemplate": "<extra></extra>",
        },
        "node": {
            "label": [_label(node) for node in ordered],
            "color": [COLOURS.get(node.status, "gray") for node in ordered],
            "hovertemplate": "%{label}<extra></extra>",
        },
        "textfont": {"color": "rgba(0,0,0,0)", "size": 1},
    }
    return {"data": [sankey], "layout": {}}


def table(nodes: Mapping[str, Node], link_of: Callable[[str], str]) -> dict[str, Any]:
    """A row a step: name, link to its task, name of the task, status, parameters. `link_of`: the page of a task id."""
    ordered = in_order(nodes)
    cells: list[list[str]] = [[], [], [], [], []]
    for node in ordered:
        task = node.executed or node.job_id or ""
        row = [node.name, f'<a href="{link_of(task)}"> {task} </a>' if task else "", node.name, node.status]
        row.append("<br />".join(f"{key}: {_short(value)}" for key, value in node.parameters.items()))
        for column, cell in zip(cells, row, strict=True):
            column.append(cell)
    look = {"align": "left", "line": {"width": 0.5, "color": "#d4d6e0"}}
    return {
        "data": [
            {
                "type": "table",
                "header": {"values": ["Pipeline Step", "Task ID", "Task Name", "Status", "Parameters"], **look},
                "cells": {"values": cells, **look, "height": 29},
            }
        ],
        "layout": {"title": "Pipeline Details", "name": "Execution Details"},
    }


def _label(node: Node) -> str:
    return "<br />".join([node.name, *(f"{key}: {_short(value)}" for key, value in node.parameters.items())])


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
