"""The classes of one service, made when they are first asked for: `GetAllRequest`, `ParamsItem`, `TaskStatusEnum`."""

from __future__ import annotations

import inspect
import re
import types
from enum import StrEnum

from clearml_sdk.backend_api.services._contract import Contract, Field, check, contracts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REQUEST = "Request"
_STATUS = "created queued in_progress stopped published publishing closed failed completed unknown"
_TYPES = (
    "dataset_import annotation annotation_manual training testing inference data_processing application monitor "
    "controller optimizer service qc custom"
)
_EVENTS = "training_stats_scalar training_stats_vector training_debug_image plot log"
ENUMERATIONS = {
    ("tasks", "TaskStatusEnum"): _STATUS,
    ("tasks", "TaskTypeEnum"): _TYPES,
    ("tasks", "ArtifactModeEnum"): "input output",
    ("tasks", "ModelTypeEnum"): "input output",
    ("tasks", "ReplaceHyperparamsEnum"): "none section all",
    ("events", "EventTypeEnum"): _EVENTS,
    ("events", "ScalarKeyEnum"): "iter timestamp iso_time",
}
_OF_METRIC = "task timestamp iter metric variant model_event"
EVENTS = {
    "MetricsScalarEvent": ("training_stats_scalar", f"{_OF_METRIC} value"),
    "MetricsVectorEvent": ("training_stats_vector", f"{_OF_METRIC} values"),
    "MetricsImageEvent": ("training_debug_image", f"{_OF_METRIC} key url"),
    "MetricsPlotEvent": ("plot", f"{_OF_METRIC} plot_str skip_validation"),
    "TaskLogEvent": ("log", "task timestamp level worker msg"),
}
"""Classes of events: what `type` they have, and their fields."""


class ApiRequest:
    """A call that `Session.send` makes: its endpoint, and its parameters as attributes."""

    _service = _action = ""

    def __init__(self, **fields: Any) -> None:
        check(self._service, self._action, fields)
        self.__dict__.update(fields)

    @property
    def endpoint(self) -> str:
        """Such as `tasks.get_all`."""
        return f"{self._service}.{self._action}"

    def to_dict(self) -> dict[str, Any]:
        """What is sent: the parameters that were given, plain."""
        return unfolded(
            self.endpoint, {name: plain(value) for name, value in self.__dict__.items() if value is not None}
        )

    def __repr__(self) -> str:
        return f"<{self._service}.{type(self).__name__}: {self.to_dict()}>"


class ApiPart:
    """A part of a request or an answer, its fields as attributes; None where they were not given."""

    _names: tuple[str, ...] = ()

    def __init__(self, **fields: Any) -> None:
        unknown = [name for name in fields if name not in self._names]
        if unknown:
            raise ValueError(f"Unsupported keyword arguments: {', '.join(unknown)}")
        self.__dict__.update(dict.fromkeys(self._names), **fields)

    def to_dict(self) -> dict[str, Any]:
        """The fields that are set, plain."""
        return {name: plain(value) for name, value in self.__dict__.items() if value is not None}

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.to_dict()}>"


class ApiEvent(ApiPart):
    """An event, for `AddRequest`; its `type` goes without saying."""

    type = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields that are set, and the type, plain."""
        return {"type": self.type, **super().to_dict()}


class ServiceClasses:
    """The classes of a service; `module` is where they say they are from."""

    def __init__(self, service: str, module: str) -> None:
        self._service, self._module = service, module
        self._made: dict[str, type] = {}

    def get(self, name: str) -> type:
        """The class of this name. Raises AttributeError."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def names(self) -> list[str]:
        """All of them."""
        contract = self._contract()
        requests = [request_name(action) for action in contract.actions]
        return sorted(
            [
                *requests,
                *contract.parts,
                *(EVENTS if self._service == "events" else ()),
                *(name for service, name in ENUMERATIONS if service == self._service),
            ]
        )

    def _contract(self) -> Contract:
        return contracts()[self._service]

    def _make(self, name: str) -> type:
        if (self._service, name) in ENUMERATIONS:
            members = ENUMERATIONS[self._service, name].split()
            body = {"__module__": self._module}
            return types.new_class(name, (StrEnum,), {}, lambda space: _fill(space, members, body))
        if self._service == "events" and name in EVENTS:
            kind, fields = EVENTS[name]
            return type(name, (ApiEvent,), {"type": kind, "_names": (*fields.split(),), "__module__": self._module})
        contract = self._contract() if not name.startswith("__") else Contract()
        if name in contract.parts:
            names = contract.parts[name]
            return type(name, (ApiPart,), {"_names": names, "__module__": self._module})
        action = action_name(name)
        if name.endswith(REQUEST) and action in contract.actions:
            body = {"_service": self._service, "_action": action, "__module__": self._module}
            return type(name, (ApiRequest,), {**body, "__init__": _initialiser(contract.actions[action])})
        raise AttributeError(f"the service {self._service!r} has no {name!r}")


def _fill(space: Any, members: list[str], body: dict[str, str]) -> None:
    space.update(body)
    for member in members:
        space[member] = member


def request_name(action: str) -> str:
    """`get_all` -> `GetAllRequest`."""
    return "".join(word[:1].upper() + word[1:] for word in action.split("_")) + REQUEST


def action_name(name: str) -> str:
    """`GetAllRequest` -> `get_all`; a digit stays with its word, as the actions spell it."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name.removesuffix(REQUEST)).lower()


def unfolded(endpoint: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields as they are sent: an event that is to be added is not one of them, but they themselves."""
    if endpoint != "events.add":
        return fields
    return {**fields["event"], **{name: value for name, value in fields.items() if name != "event"}}


def plain(value: Any) -> Any:
    """Parts as dictionaries, members of enumerations as their values, to any depth."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    return value.value if hasattr(type(value), "__members__") else value


def _initialiser(fields: tuple[Field, ...]) -> Any:
    """`__init__` with the action's parameters in their order, by position and by name."""
    names = [field.name for field in fields]

    def __init__(self: ApiRequest, *arguments: Any, **named: Any) -> None:
        if len(arguments) > len(names):
            raise TypeError(f"{type(self).__name__} takes {len(names)} parameters, not {len(arguments)}")
        given = dict(zip(names, arguments, strict=False))
        twice = [name for name in named if name in given]
        if twice:
            raise TypeError(f"{type(self).__name__} got {', '.join(twice)} twice")
        ApiRequest.__init__(self, **given, **named)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    described = [
        inspect.Parameter(field.name, kind, default=inspect.Parameter.empty if field.is_required else None)
        for field in sorted(fields, key=lambda field: not field.is_required)
    ]
    own = inspect.Parameter("self", kind)
    __init__.__signature__ = inspect.Signature([own, *described])  # type: ignore[attr-defined]  # functions take it
    return __init__
