"""The reports of a session, sent to its task: batches that are the same whenever they are sent."""

from __future__ import annotations

import json
import os

from clearml_sdk.notices import warn_once
from clearml_sdk.offline.carrying import Carrier
from clearml_sdk.offline.folder import SessionFolder
from clearml_sdk.offline.sealing import LOG, METRICS
from clearml_sdk.reading import SINGLE_VALUE_ITERATION
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import JSON_LINES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

BATCH_EVENTS = 4000
BATCH_CHARS = 4 << 20
NOTED_BATCHES = 16


def replay(
    record: TaskRecord,
    folder: SessionFolder,
    carrier: Carrier,
    *,
    name: str,
    offset: int,
    done: str,
    note: Callable[[str], None],
) -> None:
    """Send what was reported in the session.

    Args:
        name: of this import; with a batch's place in its file it is the batch's id, which the server takes once.
        offset: added to the iterations (not to single values: they have none).
        done: what `note` was given last, by this or an earlier process: batches up to there are not sent again.
    """
    for file in (LOG, METRICS):
        at, _, line = done.partition(":")
        if file == LOG and at == METRICS:
            continue
        skipped = int(line) if at == file else 0
        end = skipped
        for sent, (start, end, events) in enumerate(_batches(os.path.join(folder.path, file), skipped), 1):
            lines = [json.dumps(_moved(event, record.id, offset, carrier), ensure_ascii=False) for event in events]
            answer = record.session.call(
                "events.add_batch",
                "\n".join(lines).encode("utf-8", "replace"),
                content_type=JSON_LINES,
                headers={"X-ClearML-Batch": f"{name}.{file}.{start}-{end}"},
            )
            if answer.get("errors"):
                warn_once("offline refused", f"the server did not take some reports: {answer.get('errors_info')}")
            if sent % NOTED_BATCHES == 0:
                note(f"{file}:{end}")
        note(f"{file}:{end}")


def _batches(path: str, skipped: int) -> Iterator[tuple[int, int, list[dict[str, Any]]]]:
    """(first line, line behind the last, events) from a file with lists of events on its lines; whole lines only."""
    if not os.path.isfile(path):
        return
    events: list[dict[str, Any]] = []
    start, end, chars = skipped, skipped, 0
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file):
            if number < skipped or not line.strip():
                end = max(end, number + 1)
                continue
            found = _parsed(path, number, line)
            if events and (len(events) + len(found) > BATCH_EVENTS or chars + len(line) > BATCH_CHARS):
                yield start, number, events
                events, start, chars = [], number, 0
            events += found
            chars += len(line)
            end = number + 1
    if events:
        yield start, end, events


def _parsed(path: str, number: int, line: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(line)
    except ValueError:
        warn_once(f"offline line {path}", f"line {number + 1} of {path} is not whole, and left out")
        return []
    return [event for event in (found if isinstance(found, list) else [found]) if isinstance(event, dict)]


def _moved(event: dict[str, Any], task: str, offset: int, carrier: Carrier) -> dict[str, Any]:
    """An event as one of the server's task."""
    moved = {key: value for key, value in event.items() if key != "method"}
    moved["task"] = carrier.models.get(str(moved.get("task")), task)
    if offset and isinstance(moved.get("iter"), int) and moved["iter"] != SINGLE_VALUE_ITERATION:
        moved["iter"] += offset
    if moved.get("url"):
        url = carrier.carry(str(moved["url"]))
        if url != moved["url"]:
            moved["url"], moved["key"] = url, url.partition("://")[2].partition("/")[2]
    if isinstance(moved.get("plot_str"), str):
        moved["plot_str"] = carrier.carry_in(moved["plot_str"])
    return moved
