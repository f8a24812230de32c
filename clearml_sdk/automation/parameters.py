"""What an optimization searches: ranges and sets of values of a task's parameters."""

from __future__ import annotations

import itertools
import random

from clearml_sdk.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

STEPS = 100
"""Steps of a range that was given none."""


class RandomSeed:
    """The generator that all of these draw from."""

    _seed = 1337
    _random = random.Random(_seed)

    @staticmethod
    def set_random_seed(seed: int = 1337) -> None:
        """Begin the generator anew."""
        RandomSeed._seed, RandomSeed._random = seed, random.Random(seed)

    @staticmethod
    def get_random_seed() -> int:
        """The seed it began with."""
        return RandomSeed._seed


class Parameter(RandomSeed):
    """A parameter, by its full name (`Section/name`), and the values it may take."""

    def __init__(self, name: str | None) -> None:
        """name: None for sets of parameters, which name each."""
        self.name = name

    def get_value(self) -> Mapping[str, Any]:
        """{name: value drawn at random}."""
        raise NotImplementedError(f"{type(self).__name__} cannot be drawn from")

    def to_list(self) -> Sequence[Mapping[str, Any]]:
        """All values, as {name: value} each."""
        raise NotImplementedError(f"{type(self).__name__} cannot be listed")

    def to_dict(self) -> Mapping[str, Any]:
        """As it is stored; `from_dict` reads it."""
        return {"type": type(self).__name__, **{key: _stored(value) for key, value in vars(self).items()}}

    @classmethod
    def from_dict(cls, a_dict: Mapping[str, Any]) -> Parameter:
        """The parameter that was stored so. Raises UsageError for a kind that there is not."""
        fields = dict(a_dict)
        name = str(fields.pop("type", ""))
        kind = _KINDS.get(name)
        if kind is None:
            raise UsageError(f"no such kind of parameter: {name!r}; there are {', '.join(_KINDS)}")
        found = kind.__new__(kind)
        found.__dict__.update({key: _read(value) for key, value in fields.items()})
        return found


class UniformParameterRange(Parameter):
    """A number between two; with `step_size` one of the steps from the lower."""

    def __init__(
        self,
        name: str,
        min_value: float,
        max_value: float,
        step_size: float | None = None,
        include_max_value: bool = True,
    ) -> None:
        super().__init__(name)
        if min_value > max_value:
            raise UsageError(f"{name}: {min_value} is more than {max_value}")
        self.min_value, self.max_value = min_value, max_value
        self.step_size, self.include_max = step_size, include_max_value

    def get_value(self) -> Mapping[str, Any]:
        """{name: value drawn at random}."""
        if self.step_size:
            return {str(self.name): self._random.choice(self._steps())}
        return {str(self.name): self._random.uniform(self.min_value, self.max_value)}

    def to_list(self) -> Sequence[Mapping[str, float]]:
        """All steps; a hundred where there is no step."""
        return [{str(self.name): value} for value in self._steps()]

    def _steps(self) -> list[float]:
        step = self.step_size or (self.max_value - self.min_value) / STEPS
        if not step:
            return [self.min_value]
        count = int((self.max_value - self.min_value) / step + 1e-9)
        found = [self.min_value + step * index for index in range(count + 1)]
        if self.include_max and found[-1] < self.max_value - 1e-12:
            found.append(self.max_value)
        return found if self.include_max else [value for value in found if value < self.max_value - 1e-12]


class LogUniformParameterRange(UniformParameterRange):
    """`base` to the power of a number between two."""

    def __init__(
        self,
        name: str,
        min_value: float,
        max_value: float,
        base: float = 10,
        step_size: float | None = None,
        include_max_value: bool = True,
    ) -> None:
        super().__init__(name, min_value, max_value, step_size, include_max_value)
        self.base = base

    def get_value(self) -> Mapping[str, Any]:
        """{name: value drawn at random}."""
        return {name: self.base**value for name, value in super().get_value().items()}

    def to_list(self) -> Sequence[Mapping[str, float]]:
        """All steps of the exponent; a hundred where there is no step."""
        return [{str(self.name): self.base**value} for value in self._steps()]


class UniformIntegerParameterRange(Parameter):
    """A whole number between two."""

    def __init__(
        self, name: str, min_value: int, max_value: int, step_size: int = 1, include_max_value: bool = True
    ) -> None:
        super().__init__(name)
        if min_value > max_value:
            raise UsageError(f"{name}: {min_value} is more than {max_value}")
        self.min_value, self.max_value = min_value, max_value
        self.step_size, self.include_max = step_size, include_max_value

    def get_value(self) -> Mapping[str, Any]:
        """{name: value drawn at random}."""
        return {str(self.name): self._random.choice(self._steps())}

    def to_list(self) -> Sequence[Mapping[str, int]]:
        """All of them."""
        return [{str(self.name): value} for value in self._steps()]

    def _steps(self) -> list[int]:
        found = list(range(self.min_value, self.max_value, self.step_size))
        return [*found, self.max_value] if self.include_max else found


class DiscreteParameterRange(Parameter):
    """One of these values."""

    def __init__(self, name: str, values: Sequence[Any] = ()) -> None:
        super().__init__(name)
        self.values = list(values)

    def get_value(self) -> Mapping[str, Any]:
        """{name: value drawn at random}."""
        return {str(self.name): self._random.choice(self.values)}

    def to_list(self) -> Sequence[Mapping[str, Any]]:
        """All of them."""
        return [{str(self.name): value} for value in self.values]


class ParameterSet(Parameter):
    """One of these combinations: dictionaries of names to values, or to ranges of them."""

    def __init__(self, parameter_combinations: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(None)
        self.values = [dict(combination) for combination in parameter_combinations]

    def get_value(self) -> Mapping[str, Any]:
        """One combination, drawn at random, its ranges too."""
        found: dict[str, Any] = {}
        for name, value in self._random.choice(self.values).items():
            found.update(_renamed(value.get_value(), name) if isinstance(value, Parameter) else {name: value})
        return found

    def to_list(self) -> Sequence[Mapping[str, Any]]:
        """All combinations, with all values of their ranges."""
        found = []
        for combination in self.values:
            parts = [
                [_renamed(one, name) for one in value.to_list()] if isinstance(value, Parameter) else [{name: value}]
                for name, value in combination.items()
            ]
            found += [
                {key: item for part in chosen for key, item in part.items()} for chosen in itertools.product(*parts)
            ]
        return found


def _renamed(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A range inside of a set takes the name that the set gives it, unless it has one of its own."""
    return {key if key and key != "None" else name: value for key, value in values.items()}


def _stored(value: Any) -> Any:
    if isinstance(value, Parameter):
        return value.to_dict()
    if isinstance(value, dict):
        return {key: _stored(item) for key, item in value.items()}
    return [_stored(item) for item in value] if isinstance(value, list | tuple) else value


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        return (
            Parameter.from_dict(value) if value.get("type") in _KINDS else {key: _read(v) for key, v in value.items()}
        )
    return [_read(item) for item in value] if isinstance(value, list) else value


_KINDS: dict[str, type[Parameter]] = {
    kind.__name__: kind
    for kind in (
        UniformParameterRange,
        LogUniformParameterRange,
        UniformIntegerParameterRange,
        DiscreteParameterRange,
        ParameterSet,
    )
}
