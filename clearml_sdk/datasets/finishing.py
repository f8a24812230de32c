"""The end of making a version: what people see of it is written, and its task is completed."""

from __future__ import annotations

from clearml_sdk.datasets import summary
from clearml_sdk.datasets.stored import StoredDataset, forget_file
from clearml_sdk.logger import Logger
from clearml_sdk.notices import harmless

FLUSH_S = 60.0


def finalize(stored: StoredDataset, logger: Logger) -> None:
    """Complete a version that has everything stored. Its status comes last: before that, nobody uses it."""
    drop_unused(stored)
    stored.state.chunks[stored.id] = len(stored.data_artifacts())
    if not stored.state.chunks[stored.id]:
        del stored.state.chunks[stored.id]
    stored.save()
    versions = summary.lineage(stored)
    summary.write_struct(stored, versions)
    summary.write_content(stored)
    with harmless("drawing the dataset's lineage"):
        summary.report_changes(stored, logger, versions)
        logger.report_text("Finalizing dataset", print_console=False)
        logger._reporter.flush(FLUSH_S)
    stored.record.call("tasks.completed", {"force": True, "status_reason": "completed"})
    stored.record.forget()


def drop_unused(stored: StoredDataset) -> None:
    """Remove chunks that no file of the version is in any more: what they held was changed before it was finished."""
    used = {entry.artifact_name for entry in stored.state.files.values() if entry.parent_dataset_id == stored.id}
    unused = {name: item for name, item in stored.data_artifacts().items() if name not in used}
    if unused:
        keys = [{"key": name, "mode": "output"} for name in unused]
        stored.record.call("tasks.delete_artifacts", {"artifacts": keys, "force": True})
        stored.record.forget()
    for item in unused.values():
        forget_file(stored.session, str(item.get("uri") or ""))


def publish(stored: StoredDataset) -> bool:
    """Publish a finished version. Raises ApiError."""
    stored.record.call("tasks.publish", {})
    stored.record.forget()
    return True
