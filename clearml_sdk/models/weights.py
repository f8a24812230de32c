"""Storing the weights of an output model: registered at once, uploaded in the background.

The order to upload them is in the journal of this process until they are stored, as that of an artifact is.
"""

from __future__ import annotations

import os
import tempfile

from clearml_sdk import reporters
from clearml_sdk.artifacts.uploads import may_pass
from clearml_sdk.background import Background
from clearml_sdk.errors import ClearmlError, UsageError
from clearml_sdk.journal import artifacts as kept
from clearml_sdk.models.frameworks import guess_framework
from clearml_sdk.models.record import ModelRecord
from clearml_sdk.notices import say, warn_once
from clearml_sdk.record import TaskRecord
from clearml_sdk.storage import transfer, urls
from clearml_sdk.storage.locations import TaskFolder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

uploads = Background("clearml-models", 2)
"""All uploads of weights of this process."""


class Weights:
    """What is to be stored.

    path: the file. target: its name at the destination. shown: how the comment calls it. delete: remove the file once
    it is uploaded; temporary: a folder of ours to remove then.
    """

    def __init__(
        self, path: str, target: str | None, *, shown: str | None = None, delete: bool, temporary: str | None = None
    ) -> None:
        self.path = os.path.abspath(os.path.expanduser(path))
        if not os.path.isfile(self.path):
            raise UsageError(f"there are no weights at {path}")
        self.target = target or os.path.basename(self.path)
        self.shown = shown or path
        self.delete, self.temporary = delete, temporary


def store(
    model: ModelRecord,
    task: TaskRecord,
    weights: Weights,
    *,
    destination: str | None,
    iteration: int | None,
    update_comment: bool,
    fields: dict[str, Any],
    entry: str | None,
    wait: bool,
) -> str:
    """Store the weights of `model` and return their URL.

    Args:
        destination: where to; None: nowhere, and the local file itself is registered.
        fields: what else changes in the model then.
        entry: its name in the task's list; None: the name of the file.
        wait: return when they are uploaded and the model names them.
    """
    if update_comment:
        fields = {**fields, "comment": snapshot_comment(str(model.document.get("comment") or ""), weights.shown)}
    if not (fields.get("framework") or model.document.get("framework")) and (guess := guess_framework(weights.target)):
        fields = {**fields, "framework": guess}
    if iteration is not None:
        fields = {**fields, "iteration": int(iteration)}
    register(task, model.id, entry or os.path.splitext(weights.target)[0], kind="output")
    destination = task.session.storage_of(task.id) or destination
    if destination is None:
        url = f"file://{weights.path}"
        model.edit(uri=url, task=task.id, **fields)
        return url
    url = TaskFolder(task).url("models", weights.target, destination=destination)
    folder = new_folder(task) if weights.temporary is None and not wait else weights.temporary
    is_kept = folder is not None and kept.is_kept(folder) and not wait
    if is_kept and folder is not None:
        order = {"model": model.id, "task": task.id, "url": url, "fields": fields}
        kept.keep(folder, file=weights.path, entry=order, delete=weights.delete)

    def run() -> bool:
        is_over = True
        try:
            transfer.upload(model.session, weights.path, url, progress=uploads.moved)
            model.edit(uri=url, task=task.id, **fields)
            if weights.delete and weights.temporary is None:
                os.unlink(weights.path)
        except (ClearmlError, OSError) as error:
            if os.environ.get("CLEARML_RAISE_ERRORS") == "1":
                raise
            is_over = not (is_kept and may_pass(error))
            later = "" if is_over else "; they wait in the journal, for the next start to store them"
            warn_once(f"weights {url}", f"the weights {weights.shown} were not stored: {error}{later}")
            return False
        finally:
            if is_over and folder is not None:
                kept.drop(folder)
        if urls.is_remote(url):
            say(f"Task: stored the model's weights at {url}")
        return True

    job = uploads.run(run, key=model.id, is_kept=is_kept, where=lambda: url)
    if wait and not job.wait():
        raise UsageError(f"the weights {weights.shown} could not be stored at {url}")
    return url


def new_folder(task: TaskRecord) -> str:
    """A folder for a copy of weights: in the journal, where it survives this process, else in a temporary place."""
    if not task.session.is_offline:
        try:
            return kept.new_folder(reporters.reporter_of(task.session, task.id).spool_folder(), kept.WEIGHTS)
        except OSError as error:
            warn_once("no-weights-journal", f"weights not stored when the process dies are lost ({error})")
    return tempfile.mkdtemp(prefix="clearml-model-")


def register(task: TaskRecord, model_id: str, name: str, *, kind: str) -> None:
    """Put the model into the task's list of models: `kind` "input" or "output", under `name`."""
    task.call("tasks.add_or_update_model", {"name": name, "model": model_id, "type": kind})
    task.forget()


def snapshot_comment(comment: str, shown: str) -> str:
    """The comment with what was stored last in its first line."""
    first, _, rest = comment.partition("\n")
    kept = rest if first.startswith("snapshot ") and first.endswith(" stored") else comment
    return f"snapshot {shown} stored\n{kept}" if kept else f"snapshot {shown} stored"


def package(
    task: TaskRecord, files: Sequence[str | os.PathLike[str]] | None, folder: str | os.PathLike[str] | None
) -> Weights:
    """Several files, or all of a folder, as one archive of weights of an output model of `task`."""
    import zipfile

    if (files is None) == (folder is None):
        raise UsageError("a package of weights is made of weights_filenames or of weights_path: give one of them")
    if folder is not None:
        base = os.path.expanduser(os.fspath(folder))
        if not os.path.isdir(base):
            raise UsageError(f"there is no folder {base}")
        found = [os.path.join(where, name) for where, _, names in sorted(os.walk(base)) for name in sorted(names)]
        listed = [(path, os.path.relpath(path, base)) for path in found]
    else:
        listed = [(os.path.expanduser(os.fspath(path)), os.path.basename(path)) for path in files or ()]
    missing = [path for path, _ in listed if not os.path.isfile(path)]
    if missing or not listed:
        raise UsageError(f"there are no weights at {missing[0] if missing else folder}")
    temporary = new_folder(task)
    target = os.path.join(temporary, "model_package.zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        for path, name in listed:
            archive.write(path, name)
    return Weights(target, None, shown=str([path for path, _ in listed]), delete=False, temporary=temporary)
