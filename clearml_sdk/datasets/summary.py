"""What people see of a version: its lineage, its content, and how it changed, as the web page draws them."""

from __future__ import annotations

import json
import time

from clearml_sdk.datasets.state import ancestry
from clearml_sdk.datasets.stored import StoredDataset, human_size
from clearml_sdk.logger import Logger
from clearml_sdk.paging import tasks_by_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STRUCT = "Dataset Struct"
CONTENT = "Dataset Content"
CONTENT_LIMIT_BYTES = 1 << 20
"""The listing on the server is for people to look at; the whole one is the state."""
FIELDS = ["id", "name", "status", "runtime"]


class Version:
    """A version in the lineage. size_bytes: of all it holds; kept_bytes: what this dataset still has of it."""

    def __init__(self, document: dict[str, Any], kept_bytes: int) -> None:
        runtime = document.get("runtime") or {}
        self.id, self.name = str(document["id"]), str(document.get("name") or "")
        self.status, self.version = str(document.get("status") or ""), runtime.get("version")
        self.size_bytes = int(runtime.get("ds_total_size") or 0)
        self.counts = tuple(int(runtime.get(f"ds_change_{kind}") or 0) for kind in ("remove", "modify", "add"))
        self.kept_bytes = kept_bytes


def lineage(stored: StoredDataset) -> list[Version]:
    """All versions that this one stands on, parents first, itself last."""
    order = ancestry(stored.state.graph, stored.id)
    kept: dict[str, int] = {}
    for entry in stored.state.entries():
        kept[entry.parent_dataset_id] = kept.get(entry.parent_dataset_id, 0) + (entry.size or 0)
    documents = tasks_by_id(stored.session, order, FIELDS)
    # One that was deleted meanwhile still has its place.
    return [
        Version(documents.get(one, {"id": one, "name": one, "status": "deleted"}), kept.get(one, 0)) for one in order
    ]


def write_struct(stored: StoredDataset, versions: list[Version] | None = None) -> None:
    """Record the lineage, by which the page draws it, and by which it is found who stands on whom."""
    found = versions if versions is not None else lineage(stored)
    number = {version.id: str(position) for position, version in enumerate(found)}
    struct = {
        number[version.id]: {
            "job_id": version.id,
            "status": version.status,
            "last_update": int(time.time()),
            "parents": [number[parent] for parent in stored.state.graph.get(version.id) or [] if parent in number],
            "job_size": version.size_bytes,
            "name": version.name,
            "version": version.version,
        }
        for version in found
    }
    _configure(stored, STRUCT, json.dumps(struct, indent=2), "json", "Structure of the dataset")


def write_content(stored: StoredDataset) -> None:
    """Record the list of files, cut where it is too long to look at."""
    _configure(stored, CONTENT, content_text(stored), "CSV", "Dataset content preview")


def content_text(stored: StoredDataset, limit_bytes: int = CONTENT_LIMIT_BYTES) -> str:
    """The list of files and links as CSV."""
    state = stored.state
    counts = f"{len(state.files)} files" + (f" + {len(state.links)} links" if state.links else "")
    lines = [f"File Name ({counts}), File Size (total {human_size(state.size_bytes)}), Hash (SHA2)"]
    size, left = 0, len(state.files) + len(state.links)
    rows = [f"{path}, {entry.size}, {entry.hash}" for path, entry in sorted(state.files.items())]
    rows += [f"{entry.link}, {entry.size or ''}, {entry.hash or ''}" for _, entry in sorted(state.links.items())]
    for row in rows:
        size += len(row) + 1
        if size > limit_bytes:
            lines.append(f"... and {left} more, , ")
            break
        lines.append(row)
        left -= 1
    return "\n".join(lines)


def report_changes(stored: StoredDataset, logger: Logger, versions: list[Version]) -> None:
    """Draw the lineage, and tell in a table what each version changed."""
    logger.report_plotly("__Dataset Genealogy", "", genealogy(stored.state.graph, versions), iteration=0)
    head = ["Dataset id", "name", "removed", "modified", "added", "size"]
    rows = [[one.id, one.name, *one.counts, human_size(one.kept_bytes)] for one in versions]
    logger.report_table(
        "__Dataset Summary",
        "Details",
        iteration=0,
        table_plot=[head, *rows],
        extra_layout={"title": "Files by parent dataset id"},
    )


def genealogy(graph: dict[str, list[str]], versions: list[Version]) -> dict[str, Any]:
    """The figure of the lineage: a flow diagram, or a dot where there is one version alone."""
    told = [
        f"name {one.name}<br />removed {one.counts[0]}<br />modified {one.counts[1]}<br />added {one.counts[2]}"
        f"<br />size {human_size(one.kept_bytes)}"
        for one in versions
    ]
    layout = {"xaxis": {"visible": False}, "yaxis": {"visible": False}, "title": ""}
    if len(versions) == 1:
        dot = {
            "type": "scatter",
            "mode": "markers",
            "x": [0],
            "y": [1],
            "text": [versions[0].id],
            "customdata": told,
            "hovertemplate": "%{customdata}<extra></extra>",
            "marker": {"size": [40]},
            "showlegend": False,
        }
        return {"data": [dot], "layout": {"hovermode": "closest", **layout}}
    number = {one.id: position for position, one in enumerate(versions)}
    links = [(number[p], number[one.id]) for one in versions for p in graph.get(one.id) or [] if p in number]
    weight = [max(1, sum(versions[source].counts[1:])) for source, _ in links]
    flow = {
        "type": "sankey",
        "orientation": "h",
        "link": {
            "source": [source for source, _ in links],
            "target": [target for _, target in links],
            "value": weight,
            "hovertemplate": "<extra></extra>",
        },
        "node": {
            "label": [one.id for one in versions],
            "color": [*["lightblue"] * (len(versions) - 1), "mediumpurple"],
            "customdata": told,
            "hovertemplate": "%{customdata}<extra></extra>",
            "hoverlabel": {"align": "left"},
        },
        "textfont": {"color": "rgba(0,0,0,255)", "size": 10},
    }
    return {"data": [flow], "layout": layout}


def _configure(stored: StoredDataset, name: str, value: str, kind: str, description: str) -> None:
    stored.record.change(
        "configuration", {name: {"name": name, "value": value, "type": kind, "description": description}}
    )
