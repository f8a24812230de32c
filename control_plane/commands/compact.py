"""`clearml-server compact`: seal what waits in the store's memory now, and make few segments of many."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from clearml_sdk.command_line import Parser
from control_plane.commands._progress import Progress
from control_plane.commands._target import CommandFailed, add_arguments, located, print_json, run
from control_plane.store import Query, Store
from control_plane.store.segments.due import QUIET_MS, Due
from control_plane.store.segments.sealer import Sealer

LEAST_MERGED = 2
REPLACED_KEPT_MS = 3_600_000
"""Servers may still read a file that was made one with others."""


@dataclass
class Done:
    """What was done."""

    owners: int = 0
    """Tasks and models that were looked at."""
    sealed_events: int = 0
    merged_segments: int = 0
    """How many segments there are less."""
    removed_files: int = 0
    """That nothing named any more."""


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="clearml-server compact",
        description="Seal the events that wait in memory into segments now, make one of small segments, and remove "
        "files that nothing names. The server may run; killing this spoils nothing.",
    )
    parser.add_argument("--task", action="append", metavar="ID", help="only this task or model; may be repeated")
    parser.add_argument(
        "--all",
        action="store_true",
        help="look at every task and model, also for small segments and events that no server noted for sealing",
    )
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    return run(parser.prog, _main(arguments))


async def _main(arguments: argparse.Namespace) -> int:
    done, started = Done(), time.monotonic()
    async with located(arguments) as target, target.store() as store:
        await store.open_segments(target.settings.segments_url)
        sealer, due = await store.events.sealer(), store.events.due
        if sealer is None or due is None:
            raise CommandFailed("there is no place for segments: set CLEARML_SERVER_SEGMENTS to a directory or a URL")
        owners = await _owners(store, due, arguments.task, everyone=arguments.all)
        with Progress() as progress:
            for owner in owners:
                await _compact(owner, sealer, due, done)
                progress(f"tasks and models, of {len(owners):,}", done.owners)
            done.removed_files = await _sweep(sealer)
    if arguments.json:
        print_json({**asdict(done), "seconds": round(time.monotonic() - started, 3)})
    else:
        print(
            f"{done.owners:,} tasks and models: {done.sealed_events:,} events sealed, "
            f"{done.merged_segments:,} segments less, {done.removed_files:,} files removed"
        )
    return 0


async def _owners(store: Store, due: Due, named: Sequence[str] | None, *, everyone: bool) -> list[str]:
    if named:
        is_task, is_model = await store.exists("task", named), await store.exists("model", named)
        for id, task, model in zip(named, is_task, is_model, strict=True):
            if not (task or model):
                raise CommandFailed(f"there is no task or model {id}")
        return list(dict.fromkeys(named))
    noted = [owner for owner, _ in await due.everyone()]
    known: list[str] = []
    for kind in ("task", "model"):
        found = await store.values(kind, Query.from_request(kind, {"search_hidden": True}), ["name"])
        known += [row[0] for row in found]
    there = set(known)
    return known if everyone else [owner for owner in noted if owner in there]


async def _compact(owner: str, sealer: Sealer, due: Due, done: Done) -> None:
    # Looked at once more by a server: what it writes next may not be noted anew (`due.NOTED_AGAIN_S`).
    await due.set(owner, int(time.time() * 1000) + QUIET_MS)
    done.sealed_events += await sealer.seal(owner)
    done.merged_segments += await sealer.merge(owner, least=LEAST_MERGED)
    done.owners += 1


async def _sweep(sealer: Sealer) -> int:
    now_s, removed = time.time(), 0
    while found := await sealer.remove_replaced(before_ms=int(now_s * 1000) - REPLACED_KEPT_MS):
        removed += found
    return removed + await sealer.sweep(now_s=now_s)
