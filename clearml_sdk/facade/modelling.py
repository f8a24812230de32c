"""`Task`: its input and output models, the description of its network and its labels."""

from __future__ import annotations

import os

from clearml_sdk import hocon_text, parameters
from clearml_sdk.facade.base import TaskBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from clearml_sdk.models.record import ModelRecord
    from clearml_sdk.models.task_models import TaskModels
    from clearml_sdk.session import Session

DESIGN = parameters.GENERAL
"""Name of the configuration object that holds the description of the network."""


class TaskModelling(TaskBase):
    """Models of a task."""

    @property
    def models(self) -> TaskModels:
        """The task's models: `models["output"]`, `models.output[-1]`, `models.input["name"]`."""
        return self.get_models()

    def get_models(self) -> TaskModels:
        """The task's input and output models, see `models`."""
        from clearml_sdk.model import task_models

        self._settle()
        return task_models(self._record)

    @property
    def input_models_id(self) -> Mapping[str, str]:
        """Ids of the input models by name."""
        return self._model_ids("input")

    @property
    def output_models_id(self) -> Mapping[str, str]:
        """Ids of the output models by name."""
        return self._model_ids("output")

    def _model_ids(self, kind: str) -> dict[str, str]:
        found = (self._record.read_fields("models").get("models") or {}).get(kind) or []
        return {str(entry.get("name")): str(entry.get("model")) for entry in found}

    def get_labels_enumeration(self) -> Mapping[str, int]:
        """The label names and their numbers."""
        return dict(self._record.get("execution.model_labels") or {})

    def get_label_num_description(self) -> dict[int, str]:
        """The labels by number."""
        return {number: name for name, number in self.get_labels_enumeration().items()}

    def get_num_of_classes(self) -> int:
        """How many classes the labels name: one more than the highest number, as numbers begin with that of nothing."""
        return max((number + 1 for number in self.get_labels_enumeration().values()), default=0)

    def set_model_label_enumeration(self, enumeration: Mapping[str, int] | None = None) -> None:
        """Set the label names and their numbers."""
        self._record.edit(execution={"model_labels": dict(enumeration or {})})

    @property
    def labels_stats(self) -> dict[str, Any]:
        """Counts by label that the task's annotations were recorded with; empty where there are none."""
        return dict(self._record.get("last_label_stats") or {})

    # The description of the network.

    def set_model_config(self, config_text: str | None = None, config_dict: Mapping[str, Any] | None = None) -> None:
        """Deprecated: describe the network, as text or as a dictionary. Use `connect_configuration`."""
        from clearml_sdk.models.design import design_text

        text = design_text(config_text, dict(config_dict) if config_dict is not None else None)
        self._settle()
        self._record.change("configuration", {DESIGN: {"name": DESIGN, "value": text}})

    def get_model_config_text(self) -> str:
        """Deprecated: the description of the network as text; "" without one."""
        return self.get_model_design()

    def get_model_config_dict(self) -> dict[str, Any]:
        """Deprecated: the description of the network, parsed."""
        found = hocon_text.read(self.get_model_design())
        return found if isinstance(found, dict) else {"value": found}

    def get_model_design(self) -> str:
        """The description of the network as text; "" without one."""
        self._settle()
        found = self._record.read_fields("configuration", "execution.model_desc")
        entry = (found.get("configuration") or {}).get(DESIGN)
        if entry is not None:
            return str(entry.get("value") or "")
        description = (found.get("execution") or {}).get("model_desc") or {}
        return "\n".join(str(text) for text in description.values())

    def update_model_desc(self, new_model_desc_file: str | None = None) -> Any:
        """Replace the description of the network by the text of a file."""
        if not new_model_desc_file:
            raise ValueError("name the file with the new description of the network")
        with open(os.path.expanduser(new_model_desc_file), encoding="utf-8") as file:
            text = file.read()
        self.set_model_config(config_text=text)
        return self._quietly("tasks.edit", {"force": True, "execution": {"model_desc": {"design": text}}}, False)

    def save_exec_model_design_file(self, filename: str = "model_design.txt", use_cache: bool = False) -> str:
        """Write the description of the network to a file of the task's `cache_dir`, and return its path.

        use_cache: leave a file that is there already. Raises ValueError when the task has no description.
        """
        path = os.path.join(self.cache_dir, filename)
        if use_cache and os.path.isfile(path):
            return path
        text = self.get_model_design()
        if not text:
            raise ValueError(f"task {self.id} has no description of a network: set_model_config() sets one")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    # Changing the lists.

    def set_input_model(
        self,
        model_id: str | None = None,
        model_name: str | None = None,
        update_task_design: bool = True,
        update_task_labels: bool = True,
        name: str | None = None,
    ) -> None:
        """List a model among the inputs of the task, and take over its description and labels.

        Args:
            model_name: instead of the id: the model of this name that was updated last.
            name: of the entry; None: the name of the file of its weights.

        Raises ValueError when no model is named so, NotFound for an unknown id.
        """
        from clearml_sdk.models import weights
        from clearml_sdk.models.record import ModelRecord
        from clearml_sdk.storage import urls

        session = self._record.session
        model = ModelRecord(session, model_id) if model_id else _model_named(session, model_name)
        document = model.document
        entry = name or os.path.splitext(urls.file_name(str(document.get("uri") or "")))[0] or str(document["name"])
        self._settle()
        weights.register(self._record, model.id, entry, kind="input")
        design = (document.get("design") or {}).get("design")
        if update_task_design and design:
            self.set_model_config(config_text=str(design))
        if update_task_labels and document.get("labels"):
            self.set_model_label_enumeration(document["labels"])

    def remove_input_models(self, models_to_remove: Sequence[Any]) -> None:
        """Take models (or ids) off the task's list of inputs; the models themselves stay."""
        gone = {str(getattr(model, "id", model)) for model in models_to_remove}
        self._settle()
        listed = (self._record.read_fields("models").get("models") or {}).get("input") or []
        entries = [{"name": entry["name"], "type": "input"} for entry in listed if entry.get("model") in gone]
        if entries:
            self._record.call("tasks.delete_models", {"models": entries})
            self._record.forget()

    def update_output_model(
        self,
        model_path: str,
        name: str | None = None,
        comment: str | None = None,
        tags: Sequence[str] | None = None,
        model_name: str | None = None,
        iteration: int | None = None,
        auto_delete_file: bool = True,
    ) -> str:
        """Store weights as an output model of the task, in the background, and return their URL.

        Args:
            model_path: a file, a folder (stored as one archive), or the URL of weights that are stored already.
            name: of the entry; None: the name of the file. An output model that has it already gets the new weights.
            model_name: None: the name of the task, with `name` after it.
            auto_delete_file: remove the file once it is stored.

        Raises ValueError when there is nothing at `model_path`.
        """
        from clearml_sdk.model import OutputModel
        from clearml_sdk.storage import urls

        session = self._record.session
        given: dict[str, Any] = {"name": model_name, "comment": comment, "tags": list(tags) if tags else None}
        listed = self.output_models_id.get(name) if name else None
        if listed:
            model = OutputModel._existing(self, listed)
            model._record().edit(**{key: value for key, value in given.items() if value is not None})
        else:
            own_name = str(self._record.get("name", ""))
            given["name"] = model_name or (f"{own_name} - {name}" if name else own_name)
            model = OutputModel(self, **given)
        model._entry = name
        if urls.is_remote(model_path):
            return model.update_weights(register_uri=model_path, iteration=iteration)
        path = os.path.expanduser(model_path.removeprefix("file://"))
        destination = model.upload_storage_uri or session.settings.files_server
        if os.path.isdir(path):
            target = f"{os.path.basename(os.path.normpath(path))}.zip"
            return model.update_weights_package(
                weights_path=path, upload_uri=destination, target_filename=target, iteration=iteration
            )
        return model.update_weights(
            path, upload_uri=destination, iteration=iteration, auto_delete_file=auto_delete_file
        )


def _model_named(session: Session, name: str | None) -> ModelRecord:
    import re

    from clearml_sdk.models.record import ModelRecord, find_models

    if not name:
        raise ValueError("name the model: model_id or model_name")
    found = find_models(session, {"name": f"^{re.escape(name)}$", "order_by": ["-last_update"]}, 1)
    if not found:
        raise ValueError(f"there is no model named {name!r}")
    return ModelRecord(session, str(found[0]["id"]), found[0])
