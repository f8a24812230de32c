"""A session as it is carried to a server: its journals as lines, its task as `task.json`, all of it in an archive.

The files are those of the official SDK's sessions, so that either SDK imports what the other has recorded. Everything
is made anew from the state and the journals, which stay: sealing again, or after a death in the middle, is harmless.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile

from clearml_sdk.errors import UsageError
from clearml_sdk.journal import artifacts, framing
from clearml_sdk.journal.batches import BatchBuilder
from clearml_sdk.journal.folder import JournalFolder, left_behind
from clearml_sdk.journal.reports import REPORTS
from clearml_sdk.journal.segment import HEADER_BYTES, Segment
from clearml_sdk.journal.uploads import UPLOADS
from clearml_sdk.notices import warn_once
from clearml_sdk.offline import documents
from clearml_sdk.offline.documents import State
from clearml_sdk.offline.folder import DATA, SessionFolder, write_json
from clearml_sdk.storage.locations import file_stem, task_path
from clearml_sdk.storage.sources import FileSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

TASK, METRICS, LOG = "task.json", "metrics.jsonl", "log.jsonl"
EXPORTED = ("id", "name", "type", "comment", "tags", "system_tags", "execution", "hyperparams", "configuration")
ALSO = ("script", "container", "output", "runtime", "status", "status_reason", "status_message", "parent")
MODELS = "offline_models"
_LOG_HEAD = '{"type":"log"'


def seal(folder: SessionFolder, *, whole: bool = True) -> None:
    """Write the session's files. Raises OSError, and with `whole` UsageError while a process still reports to it."""
    adopted: list[JournalFolder] = []
    try:
        for path in left_behind(folder.journal):
            journal = JournalFolder.adopt(path)
            if journal is None and not whole:
                warn_once("offline in use", f"a process still records into {folder.path}: import the folder then")
                continue
            if journal is None:
                raise UsageError(f"a process still records into {folder.path}: wait for its end")
            adopted.append(journal)
        for journal in adopted:
            _store_artifacts(folder, journal)
        _write_events(folder, adopted)
        write_json(os.path.join(folder.path, TASK), _exported(folder, folder.read()))
    finally:
        for journal in adopted:
            journal.release(remove=False)


def pack(folder: SessionFolder) -> str:
    """The path of an archive with the sealed session, beside its folder. Raises OSError."""
    path = f"{folder.path}.zip"
    partial = f"{path}.part"
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for name in (TASK, METRICS, LOG):
            archive.write(os.path.join(folder.path, name), name)
        for where, _, names in sorted(os.walk(folder.data)):
            for name in sorted(names):
                file = os.path.join(where, name)
                archive.write(file, os.path.join(DATA, os.path.relpath(file, folder.data)))
    os.replace(partial, path)
    return path


def _exported(folder: SessionFolder, state: State) -> dict[str, Any]:
    task = state.task
    return {
        **{key: task[key] for key in (*EXPORTED, *ALSO) if task.get(key) is not None},
        "project_name": documents.project_name(task),
        "offline_folder": folder.path,
        "offline_output_models": [],
        MODELS: {"listed": task.get("models") or {}, "models": state.models},
    }


def _write_events(folder: SessionFolder, journals: list[JournalFolder]) -> None:
    """Metrics and console, a list of events on each line."""
    targets = {name: os.path.join(folder.path, name) for name in (METRICS, LOG)}
    partials = {name: f"{path}.part" for name, path in targets.items()}
    with (
        open(partials[METRICS], "w", encoding="utf-8", errors="replace") as metrics,
        open(partials[LOG], "w", encoding="utf-8", errors="replace") as log,
    ):
        for journal in journals:
            for lines in _batches(folder, journal):
                texts = [line for line in lines if line.startswith(_LOG_HEAD)]
                others = [line for line in lines if not line.startswith(_LOG_HEAD)]
                for file, chosen in ((log, texts), (metrics, others)):
                    if chosen:
                        file.write(f"[{','.join(chosen)}]\n")
    for name, partial in partials.items():
        os.replace(partial, targets[name])


def _store_artifacts(folder: SessionFolder, journal: JournalFolder) -> None:
    """What a process that was killed had not stored yet."""
    for kept in artifacts.waiting(journal.files_path):
        order = artifacts.Order(kept)
        task = folder.read().task
        below = task_path(documents.project_name(task), str(task["name"]), folder.id)
        target = os.path.join(folder.data, below, "artifacts", file_stem(order.name), os.path.basename(order.file))
        if os.path.isfile(order.file):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(order.file, target)
            source = FileSource(target)
            facts = {"uri": target, "content_size": source.length, "hash": source.sha256()}
            with folder.changing() as changed:
                body = {"artifacts": [{**order.entry, **facts}]}
                documents.answer(changed, "tasks.add_or_update_artifacts", body)
        else:
            warn_once(f"offline {order.file}", f"an artifact's file is not there any more: {order.file}")
        artifacts.drop(kept)


def _batches(folder: SessionFolder, journal: JournalFolder) -> Iterator[list[str]]:
    """Everything in a journal as events, some at a time; files that waited in it go to where their events say."""
    task, worker = str(journal.facts["task"]), str(journal.facts.get("worker", ""))
    for lane, number, path in list(journal.segments()):
        segment = Segment.load(number, path)
        if segment is None:
            continue
        try:
            if lane == REPORTS:
                builder, start = BatchBuilder(task, worker), HEADER_BYTES
                while start < segment.end:
                    batch = builder.build(segment.map, start, segment.end)
                    start = batch.end
                    if batch.events:
                        yield batch.body.decode("utf-8", "replace").split("\n")
            elif lane == UPLOADS:
                yield from ([line] for line in _uploaded(folder, journal, segment))
        finally:
            segment.close()


def _uploaded(folder: SessionFolder, journal: JournalFolder, segment: Segment) -> Iterator[str]:
    for kind, payload, end in framing.records(segment.map, HEADER_BYTES, segment.end):
        if kind != framing.EVENT:
            continue
        order = json.loads(segment.map[payload:end])
        is_own = not os.path.isabs(order["file"])
        source = os.path.join(journal.files_folder(), order["file"]) if is_own else order["file"]
        target = folder.file_of(order["url"])
        if target is None:
            continue
        if os.path.isfile(source):  # else an earlier sealing has put it there
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if order["remove"]:
                shutil.move(source, target)
            else:
                shutil.copyfile(source, target)
        if os.path.isfile(target):
            yield json.dumps(order["event"], ensure_ascii=False)
        else:
            warn_once(f"offline {target}", f"a reported file is not there any more: {source}")


def is_session(path: str) -> bool:
    """Whether `path` is the folder of a session, of ours (perhaps not sealed) or of the official SDK's."""
    return os.path.isfile(os.path.join(path, TASK)) or SessionFolder(path).exists
