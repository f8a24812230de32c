"""`clearml-server size`: which projects and tasks hold the bytes, in Redis and in the file server."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clearml_sdk.command_line import Parser
from clearml_sdk.commands.output import print_table, shown_id
from control_plane.commands._target import CommandFailed, Target, add_arguments, located, print_json, run
from control_plane.store import Query, Store
from control_plane.store.segments.files import open_files
from control_plane.store.usage import usages

_OWNER = re.compile(r"\.([0-9a-f]{32})(?=/|$)")
"""SDKs put what a task uploads below `<project>/<name>.<id>/`."""

COLUMNS = ("documents", "events", "sealed", "files")
"""In Redis, in Redis, among the segments, in the file server."""


@dataclass
class Row:
    """One task, model or project and its bytes."""

    kind: str
    id: str
    name: str
    project: str
    """The id of its project; of a project, its own."""
    documents: int = 0
    events: int = 0
    sealed: int = 0
    files: int = 0

    @property
    def total(self) -> int:
        return self.documents + self.events + self.sealed + self.files


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="clearml-server size",
        description="Say which projects, tasks and models hold the bytes: in Redis, in segments, in files.",
    )
    add_arguments(parser)
    parser.add_argument("--top", type=int, default=20, metavar="N", help="so many of each, the largest (default: 20)")
    parser.add_argument("--project", metavar="NAME", help="only this project and those below it")
    arguments = parser.parse_args(argv)
    return run(parser.prog, _main(arguments))


async def _main(arguments: argparse.Namespace) -> int:
    async with located(arguments) as target, target.store() as store:
        rows, projects, unowned = await measured(store, target, arguments.project)
    rows.sort(key=lambda row: (-row.total, row.id))
    projects.sort(key=lambda row: (-row.total, row.name))
    total = {name: sum(getattr(row, name) for row in rows) for name in COLUMNS}
    if arguments.json:
        top = arguments.top
        print_json(
            {
                "total": total,
                "files_of_no_task": unowned,
                "projects": [_plain(row) for row in projects[:top]],
                "owners": [_plain(row) for row in rows[:top]],
            }
        )
        return 0
    _print(projects, rows, total, unowned, arguments.top)
    return 0


async def measured(store: Store, target: Target, project: str | None) -> tuple[list[Row], list[Row], int]:
    """A row for each task and model, one for each project, and the bytes of files that belong to none."""
    names = dict(await _names(store))
    if project is not None:
        wanted = {id for id, name in names.items() if name == project or name.startswith(project + "/")}
        if not wanted:
            raise CommandFailed(f"there is no project {project!r}")
    owners: dict[str, Row] = {}
    for kind in ("task", "model"):
        query = Query.from_request(kind, {"search_hidden": True})
        found = await store.values(kind, query, ["name", "project"])
        some = [one for one in found if project is None or one[2] in wanted]
        for id, name, its_project in some:
            owners[id] = Row(kind, id, name or "", its_project or "")
        async for usage in usages(store.connection, kind, [one[0] for one in some]):
            owners[usage.id].documents, owners[usage.id].events = usage.document, usage.events
    unowned = 0
    if target.settings.segments_url:
        for segment in await open_files(target.settings.segments_url).list():
            if segment.owner in owners:
                owners[segment.owner].sealed += segment.size
    for owner, size in (await asyncio.to_thread(file_sizes, target.settings.files_dir)).items():
        if owner in owners:
            owners[owner].files = size
        else:
            unowned += size
    sums: dict[str, Row] = {}
    for row in owners.values():
        name = names.get(row.project, "(no project)")
        one = sums.setdefault(row.project, Row("project", row.project, name, row.project))
        for column in COLUMNS:
            setattr(one, column, getattr(one, column) + getattr(row, column))
    return list(owners.values()), list(sums.values()), 0 if project is not None else unowned


def file_sizes(folder: Path) -> dict[str, int]:
    """Owner -> bytes of the files in the folder; "" for those whose path names no owner."""
    found: dict[str, int] = {}
    for path, _, files in os.walk(folder):
        inside = os.path.relpath(path, folder)
        for name in files:
            match = _OWNER.search(f"{inside}/{name}")
            try:
                size = os.lstat(os.path.join(path, name)).st_size
            except FileNotFoundError:
                continue  # deleted meanwhile
            owner = match[1] if match else ""
            found[owner] = found.get(owner, 0) + size
    return found


async def _names(store: Store) -> list[tuple[Any, ...]]:
    return await store.values("project", Query.from_request("project", {"search_hidden": True}), ["name"])


def _plain(row: Row) -> dict[str, Any]:
    return {**asdict(row), "total": row.total}


def _print(projects: list[Row], rows: list[Row], total: dict[str, int], unowned: int, top: int) -> None:
    from rich.filesize import decimal

    names = {row.id: row.name for row in projects}
    sizes = (*COLUMNS, "total")
    heads, right = [size.upper() for size in sizes], [size.upper() for size in sizes]

    def of(row: Row) -> list[str]:
        return [decimal(getattr(row, size)) for size in sizes]

    print(f"{len(projects)} projects")
    print_table(("NAME", "ID", *heads), [(row.name, shown_id(row.id), *of(row)) for row in projects[:top]], right=right)
    print(f"\n{len(rows)} tasks and models")
    listed = [(row.name, shown_id(row.id), row.kind, names.get(row.project, ""), *of(row)) for row in rows[:top]]
    print_table(("NAME", "ID", "KIND", "PROJECT", *heads), listed, right=right)
    print(
        "\nin all: "
        + ", ".join(f"{column} {decimal(total[column])}" for column in COLUMNS)
        + (f"; files of no task or model {decimal(unowned)}" if unowned else "")
    )
