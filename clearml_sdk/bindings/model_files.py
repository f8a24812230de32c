"""Model files that a library writes or reads become output and input models of the task, behind the script's back.

A file that is written again is the same model. With a destination for outputs it is copied first (the script may
overwrite it at once) and uploaded in the background; without one its path is recorded.
"""

from __future__ import annotations

import os
import shutil

from clearml_sdk import reporters
from clearml_sdk.bindings import weights_callbacks
from clearml_sdk.fork_lock import ForkLock
from clearml_sdk.models import weights
from clearml_sdk.models.output import OutputModel
from clearml_sdk.models.record import PACKAGE
from clearml_sdk.models.registered import InputModel
from clearml_sdk.notices import warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from clearml_sdk.bindings.switches import Switches
    from clearml_sdk.bindings.weights_callbacks import ModelInfo
    from clearml_sdk.task import Task


class ModelFiles:
    """The model files of one run."""

    def __init__(self, task: Task, switches: Switches) -> None:
        self._task, self._switches = task, switches
        self._entries: dict[str, str] = {}
        """The names in the task's list of models, by file."""
        self._models: dict[str, OutputModel] = {}
        self._is_stored: bool | None = None
        self._loaded: set[str] = set()
        self._waiting: dict[str, str] = {}
        """Folders of ours with copies that nothing is done with yet, by the file that was copied."""
        self._lock = ForkLock()

    def saved(self, file: Any, framework: str, *switches: str, design: str | None = None) -> None:
        """The script wrote a model to `file`: a path, or an open file.

        Args:
            framework: as `models.frameworks` names it.
            switches: the names in `auto_connect_frameworks` that have to agree.
            design: a description of the network.
        """
        path = path_of(file)
        if path is None or not os.path.exists(path) or not self._switches.accepts(path, *switches):
            return
        if hasattr(file, "flush"):
            file.flush()
        info = weights_callbacks.before("save", framework, path, self._task)
        if info is None or not os.path.exists(info.local_model_path):
            return
        record = self._task._record
        iteration = reporters.reporter_of(record.session, record.id).last_iteration
        with self._lock:
            key = info.local_model_id
            entry = self._entries[key] = self._entries.get(key) or self._free_entry(path)
        stored = self._copied(path, entry, info) if self._has_destination() else None
        folder = stored.temporary if stored is not None else None

        def send() -> None:
            self._send(key, path, entry, info, stored, iteration=iteration, design=design)

        with self._lock:
            superseded = self._waiting.pop(key, None)
            if folder is not None:
                self._waiting[key] = folder
            self._task._later(f"recording the model {key}", send)  # instead of a state of the file that still waits
        if superseded is not None:
            shutil.rmtree(superseded, ignore_errors=True)

    def loaded(self, file: Any, framework: str, *switches: str) -> None:
        """The script read a model from `file`."""
        path = path_of(file)
        if path is None or not os.path.exists(path) or not self._switches.accepts(path, *switches):
            return
        info = weights_callbacks.before("load", framework, path, self._task)
        if info is None:
            return
        with self._lock:
            if path in self._loaded:
                return
            self._loaded.add(path)
        self._task._later(f"recording the input model {path}", lambda: self._register(path, framework, info))

    def _has_destination(self) -> bool:
        """Whether model files are stored somewhere, by what is known here: the script does not wait for the server."""
        record = self._task._record
        if record._document is not None or self._is_stored is None:
            self._is_stored = bool(record.get("output.destination"))
        return self._is_stored or bool(OutputModel._default_destination)

    def _free_entry(self, path: str) -> str:
        """The name of the file, numbered where a file of another folder has it: these are two models."""
        stem, number = _stem(path), 1
        name, taken = stem, set(self._entries.values())
        while name in taken:
            number += 1
            name = f"{stem} {number}"
        return name

    def _copied(self, path: str, entry: str, info: ModelInfo) -> weights.Weights:
        """What is to be uploaded, as it is now: a copy of the file, an archive of a folder."""
        source, target = info.local_model_path, info.upload_filename
        name = os.path.basename(source)
        stem, extension = os.path.splitext(name)
        if os.path.isdir(source):
            stored = weights.package(self._task._record, None, source)
            stored.target = target or f"{entry}.zip"
            return stored
        folder = weights.new_folder(self._task._record)
        shutil.copyfile(source, copy := os.path.join(folder, name))
        own = entry if entry != _stem(path) else stem
        return weights.Weights(copy, target or own + extension, shown=path, delete=False, temporary=folder)

    def _send(
        self,
        key: str,
        path: str,
        entry: str,
        info: ModelInfo,
        stored: weights.Weights | None,
        *,
        iteration: int,
        design: str | None,
    ) -> None:
        if stored is not None:
            with self._lock:
                if self._waiting.get(key) != stored.temporary:
                    return  # superseded just now
                del self._waiting[key]
        model = self._model(key, path, entry, info.framework)
        if stored is not None and model.upload_storage_uri is None:  # the script has just changed its mind
            shutil.rmtree(str(stored.temporary), ignore_errors=True)
            stored = None
        if design is not None:
            model.update_design(config_text=design)
        if os.path.isdir(info.local_model_path) and PACKAGE not in model.system_tags:
            model.system_tags = [*model.system_tags, PACKAGE]
        if stored is not None or os.path.isfile(info.local_model_path):
            stored = stored or weights.Weights(info.local_model_path, None, shown=path, delete=False)
            model._store(stored, None, iteration, True, True)
        else:
            model.update_weights(register_uri=f"file://{info.local_model_path}", iteration=iteration)
        info.model = model
        weights_callbacks.after("save", info)

    def _model(self, key: str, path: str, entry: str, framework: str) -> OutputModel:
        """The model of a file; made when the file is saved for the first time."""
        with self._lock:
            model = self._models.get(key)
        if model is None:
            model = OutputModel(self._task, name=f"{self._task.name} - {_stem(path)}", framework=framework)
            model._entry = entry
            with self._lock:
                self._models[key] = model
        return model

    def _register(self, path: str, framework: str, info: ModelInfo) -> None:
        record = self._task._record
        own = self._models.get(path)
        if own is not None:
            model = InputModel._of(own._record())
        else:
            url = f"file://{path}"
            model = InputModel.load_model(url, load_archived=True) or InputModel.import_model(
                url, name=f"{self._task.name} - {_stem(path)}", framework=framework
            )
        weights.register(record, model.id, _stem(path), kind="input")
        info.model = model
        weights_callbacks.after("load", info)


def path_of(file: Any) -> str | None:
    """The absolute path of what a library was given to write to or read from; None where that is no file."""
    if isinstance(file, bytes | bytearray | int):
        return None
    if hasattr(file, "read") or hasattr(file, "write"):
        file = getattr(file, "name", None)
    if not isinstance(file, str | os.PathLike):
        return None
    try:
        text = os.fspath(file)
    except TypeError:
        warn_once("model file", f"a model's file has no path: {file!r}")
        return None
    return os.path.abspath(os.path.expanduser(text)) if isinstance(text, str) and "://" not in text else None


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]
