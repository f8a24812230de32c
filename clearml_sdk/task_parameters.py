"""`TaskParameters`: a class whose parameters are declared, checked when an object is made, and connected to a task."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, ClassVar

    from clearml_sdk.task import Task

__all__ = ["TaskParameters", "param", "percent_param", "range_validator"]

_MANDATORY = object()


class Parameter:
    """One declared parameter. A validator is called with the object, this declaration and the value, and raises."""

    name = ""

    def __init__(
        self,
        validators: Sequence[Callable[[Any, Parameter, Any], object]],
        kind: type | None,
        default: Any,
        factory: Callable[[], Any] | None,
        converter: Callable[[Any], Any] | None,
        metadata: dict[str, Any],
    ) -> None:
        self.validators, self.type, self.metadata = tuple(validators), kind, metadata
        self.default, self.factory, self.converter = default, factory, converter

    @property
    def is_mandatory(self) -> bool:
        return self.default is _MANDATORY and self.factory is None

    def taken(self, owner: object, value: Any) -> Any:
        """`value`, converted and checked. Raises TypeError for another type, what the validators raise otherwise."""
        if self.converter is not None:
            value = self.converter(value)
        if value is not None and self.type is not None and not isinstance(value, self.type):
            raise TypeError(
                f"{self.name!r} must be {self.type.__name__}, not {value!r}, which is {type(value).__name__}"
            )
        for validate in self.validators:
            validate(owner, self, value)
        return value

    def initial(self) -> Any:
        return self.factory() if self.factory is not None else self.default


class TaskParameters:
    """Base of classes that declare parameters by `name = param(...)`; `task.connect` records an object of one.

    Objects are made with values by position or by name, and compare by their values. Assignments later are not checked.
    """

    _declared: ClassVar[dict[str, Parameter]] = {}
    __hash__ = None  # type: ignore[assignment]  # compared by values that change

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Parameter)}
        cls._declared = {**cls._declared, **own}
        for name, parameter in own.items():
            parameter.name = name
            delattr(cls, name)
        optional = None
        for name, parameter in cls._declared.items():
            if not parameter.is_mandatory:
                optional = name
            elif optional is not None:
                raise ValueError(
                    f"{cls.__name__}.{name} has no default, but {optional} before it has one: declare it first"
                )

    def __init__(self, *values: Any, **named: Any) -> None:
        names = list(self._declared)
        if len(values) > len(names):
            raise TypeError(f"{type(self).__name__} takes {len(names)} values, {len(values)} were given")
        given = dict(zip(names, values, strict=False))
        for name, value in named.items():
            if name not in self._declared:
                raise TypeError(f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(names) or 'none'}")
            if name in given:
                raise TypeError(f"{type(self).__name__}: {name!r} was given twice")
            given[name] = value
        if missing := [name for name, one in self._declared.items() if one.is_mandatory and name not in given]:
            raise TypeError(f"{type(self).__name__}: missing {', '.join(missing)}")
        for name, parameter in self._declared.items():
            setattr(self, name, parameter.taken(self, given[name] if name in given else parameter.initial()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.to_dict().items())})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """The values by their names."""
        return {name: getattr(self, name) for name in self._declared}

    def update_from_dict(self, source_dict: Mapping[str, Any]) -> None:
        """Set the values that a dictionary names. Raises ValueError for a name that was not declared."""
        for name, value in source_dict.items():
            if name not in self._declared:
                raise ValueError(f"unknown key {name!r} for {type(self).__name__}: it has {', '.join(self._declared)}")
            setattr(self, name, value)

    def connect(self, task: Task) -> TaskParameters:
        """`task.connect` of this object."""
        task.connect(self)
        return self


def range_validator(min_value: float | None, max_value: float | None) -> Callable[[Any, Parameter, float | None], None]:
    """A check that a value is within limits, both included; None for no limit. Raises ValueError."""

    def check(instance: Any, attribute: Any, value: float | None) -> None:
        too_low = value is not None and min_value is not None and value < min_value
        too_high = value is not None and max_value is not None and value > max_value
        if too_low or too_high:
            raise ValueError(f"{attribute.name} must be in range [{min_value}, {max_value}], not {value!r}")

    return check


def param(
    validator: Callable[..., object] | Sequence[Callable[..., object]] | None = None,
    range: tuple[int | None, int | None] | None = None,
    type: type | None = None,
    desc: str | None = None,
    metadata: dict[str, Any] | None = None,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Declare a parameter.

    Args:
        validator: one or more functions of the object, the declaration and the value, which raise.
        range: limits, both included; None for no limit.
        type: what values have to be an instance of; None is always taken.
        kwargs: `default` or `factory` (without them the parameter is mandatory), `converter`.
    """
    known = {"default", "factory", "converter"}
    if args or not known.issuperset(kwargs):
        raise TypeError(f"a parameter takes {', '.join(sorted(known))}, not {list(args) + sorted(set(kwargs) - known)}")
    checks = [validator] if callable(validator) else list(validator or [])
    if range:
        checks.append(range_validator(*range))
    return Parameter(
        checks, type, kwargs.get("default", _MANDATORY), kwargs.get("factory"), kwargs.get("converter"),
        {**(metadata or {}), "desc": desc},
    )  # fmt: skip


def percent_param(*args: Any, **kwargs: Any) -> Any:
    """Declare a parameter that is a fraction: a float from 0 to 1."""
    validator = args[0] if args else kwargs.pop("validator", None)
    return param(validator, (0, 1), float, *args[1:], **kwargs)
