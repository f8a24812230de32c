"""`Task`: hyperparameters, configuration objects, and the objects of the script that are connected to them."""

from __future__ import annotations

import os

from clearml_sdk import hocon_text, parameters, process_role
from clearml_sdk.bindings import arguments
from clearml_sdk.connecting import ConnectedDict, object_values, override_dict, override_object, plain
from clearml_sdk.facade.base import TaskBase
from clearml_sdk.notices import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Mapping
    from typing import Any


class _Arguments:
    """What Transformers writes its training arguments with, though the name says that it is private."""

    def __init__(self, task: TaskParameters) -> None:
        self._task = task

    def copy_from_dict(self, dictionary: Mapping[str, Any], prefix: str | None = None) -> None:
        """Set parameters of one section; the others stay."""
        section = prefix or parameters.GENERAL
        self._task.update_parameters({f"{section}/{name}": value for name, value in dictionary.items()})


class TaskParameters(TaskBase):
    """Parameters and configuration of a task."""

    @property
    def _arguments(self) -> _Arguments:
        return _Arguments(self)

    def connect(self, mutable: Any, name: str | None = None, ignore_remote_overrides: bool = False) -> Any:
        """Record a dictionary, an argparse parser, a class, an object or a model as this task's parameters.

        In a remote run the recorded values replace those of `mutable`, in the types that these have.

        Args:
            name: section; None: `General` (`Args` for a parser).
            ignore_remote_overrides: keep the script's own values, also in a remote run.

        Returns `mutable`; for a dictionary one that records later changes too. Raises ValueError after `close`, and
        for anything that cannot be connected.
        """
        self._check_open()
        takes = self._takes_values(ignore_remote_overrides)
        if isinstance(mutable, dict):
            return self._connect_dict(mutable, name or parameters.GENERAL, takes)
        if _is_parser(mutable):
            return self._connect_parser(mutable, takes)
        if hasattr(mutable, "connect") and hasattr(mutable, "id") and not isinstance(mutable, type):
            mutable.connect(self, name=name, ignore_remote_overrides=ignore_remote_overrides)
            return mutable
        if not isinstance(mutable, type) and not hasattr(mutable, "__dict__"):
            raise ValueError(f"cannot connect {type(mutable).__name__}: not a dict, parser, class, object or model")
        return self._connect_object(mutable, name or parameters.GENERAL, takes)

    def connect_configuration(
        self,
        configuration: Any,
        name: str | None = None,
        description: str | None = None,
        ignore_remote_overrides: bool = False,
    ) -> Any:
        """Record a dictionary, a list or a configuration file; in a remote run return what the server has instead.

        A file's path comes back as it was given, and in a remote run the file holds the recorded text.
        """
        self._check_open()
        name = name or parameters.GENERAL
        takes = self._takes_values(ignore_remote_overrides)
        recorded = self._configuration_entry(name) if takes else None
        if isinstance(configuration, str | os.PathLike):
            return self._connect_file(configuration, name, description, recorded)
        if not isinstance(configuration, dict | list | tuple):
            raise ValueError(f"cannot connect {type(configuration).__name__}: not a dict, a list or a file's path")
        value = hocon_text.read(recorded["value"]) if recorded and recorded.get("value") else plain(configuration)
        if recorded is None:
            with harmless(f"recording the configuration {name!r}"):
                self._write_configuration(name, hocon_text.write(value), description, "dictionary")
        if not isinstance(value, dict):
            return value
        found: ConnectedDict

        def changed() -> None:
            text = hocon_text.write(plain(found))
            self._later(
                f"recording the configuration {name!r}",
                lambda: self._write_configuration(name, text, description, "dictionary"),
            )

        found = ConnectedDict(value, changed)
        return found

    def connect_label_enumeration(
        self, enumeration: dict[str, int], ignore_remote_overrides: bool = False
    ) -> dict[str, int]:
        """Record label names and their numbers, which output models inherit; returns those in effect."""
        self._check_open()
        if not isinstance(enumeration, dict):
            raise ValueError(f"labels are a dict of names to numbers, not {type(enumeration).__name__}")
        if self._takes_values(ignore_remote_overrides):
            recorded = self._record.get("execution.model_labels") or {}
            if recorded:
                enumeration.clear()
                enumeration.update(recorded)
            return enumeration
        with harmless("recording the labels"):
            self._record.edit(execution={"model_labels": dict(enumeration)})
        return enumeration

    def set_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Set all parameters: `{"Section/name": value}` dictionaries or pairs; parameters not named are removed."""
        self._write_parameters(parameters.merge_arguments(args, _values(kwargs)), replace_all=True)

    def update_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Set some parameters: `{"Section/name": value}` dictionaries or pairs; the others stay."""
        self._write_parameters(parameters.merge_arguments(args, _values(kwargs)), replace_all=False)

    def set_parameters_as_dict(self, dictionary: dict[str, Any]) -> None:
        """Set all parameters from nested dictionaries, the first level being the sections."""
        self._write_parameters(parameters.flatten(dictionary), replace_all=True)

    def set_parameter(self, name: str, value: str, description: str | None = None, value_type: Any = None) -> None:
        """Set one parameter by its full name; `value_type` (a type or its name) overrides the value's own."""
        self._settle()
        section, short = parameters.split(name)
        known = (parameters.read(self._record).get(section) or {}).get(short) or {}
        kind = value_type if isinstance(value_type, str) else getattr(value_type, "__name__", None)
        kind = kind or (known.get("type") if isinstance(value, str) else None)
        about = description if description is not None else known.get("description")
        parameters.write(self._record, [parameters.item(section, short, value, kind=kind, description=about)])

    def get_parameter(self, name: str, default: Any = None, cast: bool = False) -> Any:
        """The value of one parameter by its full name: a text, or with `cast` in its type."""
        self._settle()
        return parameters.flat(self._record, cast=cast).get("/".join(parameters.split(name)), default)

    def get_parameters(self, backwards_compatibility: bool = True, cast: bool = False) -> dict[str, Any] | None:
        """All parameters as `{"Section/name": value}`: texts, or with `cast` in their types."""
        self._settle()
        return parameters.flat(self._record, cast=cast)

    def get_parameters_as_dict(self, cast: bool = False) -> dict[str, Any]:
        """All parameters as nested dictionaries, the first level being the sections."""
        self._settle()
        return parameters.nested(self._record, cast=cast)

    def delete_parameter(self, name: str, force: bool = False) -> bool:
        """Delete one parameter by its full name; of a task that is no draft only with `force`."""
        self._settle()
        section, short = parameters.split(name)
        body = {"hyperparams": [{"section": section, "name": short}], "force": force}
        answer = self._record.call("tasks.delete_hyper_params", body)
        self._record.forget()
        return bool(answer.get("deleted"))

    def set_configuration_object(
        self,
        name: str,
        config_text: str | None = None,
        description: str | None = None,
        config_type: str | None = None,
        config_dict: Any = None,
    ) -> None:
        """Set one configuration object, from a text or from a dictionary or list (which is stored as HOCON)."""
        if config_text is not None and config_dict is not None:
            raise ValueError("give config_text or config_dict, not both")
        if config_text is None and config_dict is not None:
            config_text, config_type = hocon_text.write(config_dict), config_type or "dictionary"
        self._settle()
        self._write_configuration(name, config_text or "", description, config_type)

    def get_configuration_object(self, name: str) -> str | None:
        """The text of one configuration object; None when there is none of that name."""
        entry = self._configuration_entry(name)
        return None if entry is None else str(entry.get("value") or "")

    def get_configuration_object_as_dict(self, name: str) -> dict[str, Any] | list[Any] | None:
        """One configuration object parsed (JSON or HOCON); None when there is none of that name."""
        text = self.get_configuration_object(name)
        return None if text is None else hocon_text.read(text)

    def get_configuration_objects(self) -> Mapping[str, str] | None:
        """The texts of all configuration objects by name."""
        self._settle()
        found = self._record.read_fields("configuration").get("configuration") or {}
        return {name: str(entry.get("value") or "") for name, entry in found.items()}

    # What the methods above are made of.

    def _takes_values(self, ignore_remote_overrides: bool) -> bool:
        run = self._run
        return run is not None and process_role.running_remotely() and not ignore_remote_overrides

    def _later(self, doing: str, send: Callable[[], None]) -> None:
        """Have `send` called soon by the run's outbox; at once for a task that this process does not run."""
        run = self._run
        if run is None:
            with harmless(doing):
                send()
        else:
            run.outbox.put(doing, send)

    def _section(self, name: str) -> dict[str, dict[str, Any]]:
        return parameters.read(self._record, fresh=False).get(name) or {}

    def _record_section(self, name: str, values: Mapping[Any, Any]) -> None:
        parameters.write(self._record, [parameters.item(name, key, value) for key, value in values.items()])

    def _connect_dict(self, values: dict[Any, Any], name: str, takes: bool) -> ConnectedDict:
        before = self._section(name) if takes else {}
        result = override_dict(values, before)
        found: ConnectedDict

        def changed() -> None:
            flat = parameters.flatten(plain(found))
            self._later(f"recording the parameters {name!r}", lambda: self._record_section(name, flat))

        found = ConnectedDict(result, changed)
        flat = parameters.flatten(result)
        with harmless(f"recording the parameters {name!r}"):
            self._record_section(name, {key: value for key, value in flat.items() if key not in before})
        if takes:
            values.clear()
            values.update(result)
        return found

    def _connect_object(self, target: Any, name: str, takes: bool) -> Any:
        before = self._section(name) if takes else {}
        if before:
            override_object(target, before)
        flat = parameters.flatten(object_values(target))
        with harmless(f"recording the parameters {name!r}"):
            self._record_section(name, {key: value for key, value in flat.items() if key not in before})
        return target

    def _connect_parser(self, parser: ArgumentParser, takes: bool) -> ArgumentParser:
        last = arguments.last_parsed()
        if last is not None and last[0] is parser:
            if takes:
                arguments.override(parser, last[1], self._argument_texts())
            self._record_arguments(parser, last[1])
        run = self._run
        if run is not None:
            arguments.bind(self._argument_binding(lambda name: True, takes))
        return parser

    def _argument_binding(self, wanted: Callable[[str], bool], takes: bool) -> arguments.ArgumentBinding:
        """How argparse is recorded, and in a remote run overridden, for the names that `wanted` accepts."""

        def texts() -> dict[str, str]:
            return {name: text for name, text in self._argument_texts().items() if wanted(name)}

        return arguments.ArgumentBinding(
            lambda parser, namespace: self._record_arguments(parser, namespace, wanted), texts if takes else None
        )

    def _argument_texts(self) -> dict[str, str]:
        return {name: entry.get("value") or "" for name, entry in self._section(parameters.ARGUMENTS).items()}

    def _record_arguments(
        self, parser: ArgumentParser, namespace: Namespace, wanted: Callable[[str], bool] = lambda name: True
    ) -> None:
        with harmless("recording the arguments"):
            known = arguments.actions(parser)
            values = {key: value for key, value in vars(namespace).items() if key in known and wanted(key)}
            before = self._section(parameters.ARGUMENTS) if process_role.running_remotely() else {}
            items = [
                parameters.item(parameters.ARGUMENTS, key, value, description=_help(known[key]))
                for key, value in values.items()
                if key not in before
            ]
            parameters.write(self._record, items)

    def _write_parameters(self, values: Mapping[str, Any], *, replace_all: bool) -> None:
        self._settle()
        parameters.write_flat(self._record, values, replace_all=replace_all)

    def _configuration_entry(self, name: str) -> dict[str, Any] | None:
        self._settle()
        found = self._record.read_fields("configuration").get("configuration") or {}
        return found.get(name)

    def _write_configuration(self, name: str, text: str, description: str | None, kind: str | None) -> None:
        entry = {"name": name, "value": text}
        if kind:
            entry["type"] = kind
        if description:
            entry["description"] = description
        self._record.change("configuration", {name: entry})

    def _connect_file(
        self, path: str | os.PathLike[str], name: str, description: str | None, recorded: dict[str, Any] | None
    ) -> Any:
        if recorded is not None:
            os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(str(recorded.get("value") or ""))
            return path
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            text = file.read()
        kind = os.path.splitext(path)[1].lstrip(".") or None
        with harmless(f"recording the configuration {name!r}"):
            self._write_configuration(name, text, description, kind)
        return path


def _is_parser(value: Any) -> bool:
    return any(f"{kind.__module__}.{kind.__name__}" == "argparse.ArgumentParser" for kind in type(value).__mro__)


def _help(action: Any) -> str:
    return action.help if isinstance(action.help, str) and action.help != "==SUPPRESS==" else ""


def _values(named: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments as parameters; names that begin with `__` are options of older versions."""
    return {key: value for key, value in named.items() if not key.startswith("__")}
