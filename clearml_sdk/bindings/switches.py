"""`auto_connect_frameworks`: which bindings are on, and for which files.

True or False for all; or a dictionary by framework: a bool, wildcards that a model's path has to match, or a dictionary
of that binding's own options. Missing names are on; an empty dictionary turns everything off.
"""

from __future__ import annotations

import fnmatch
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Switches:
    """The script's choice, asked by the names of the bindings."""

    def __init__(self, choice: bool | Mapping[str, Any]) -> None:
        self._choice: Mapping[str, Any] = choice if isinstance(choice, dict) else {}
        self._others = bool(choice)
        self._off: set[str] = set()

    def is_on(self, *names: str) -> bool:
        """Whether all of `names` are on."""
        return all(self._one(name) for name in names)

    def accepts(self, path: str, *names: str) -> bool:
        """Whether all of `names` are on for a model's file at `path`."""
        return all(self._one(name) and self._matches(self._choice.get(name), path) for name in names)

    def turn(self, name: str, *, is_off: bool) -> None:
        """Turn a name off whatever the choice was, or leave it to the choice again."""
        (self._off.add if is_off else self._off.discard)(name)

    def option(self, name: str, option: str, default: bool) -> bool:
        """An option of a binding, such as `report_hparams` of `tensorboard`."""
        value = self._choice.get(name)
        return bool(value.get(option, default)) if isinstance(value, dict) else default

    def _one(self, name: str) -> bool:
        if name in self._off:
            return False
        if not self._others or name not in self._choice:
            return self._others
        value = self._choice[name]
        return True if isinstance(value, dict) else bool(value)

    @staticmethod
    def _matches(value: Any, path: str) -> bool:
        patterns = [value] if isinstance(value, str) else value
        if not isinstance(patterns, list | tuple | set):
            return True
        wildcards = [f"*{one}" if one.startswith(".") else one for one in map(str, patterns)]
        return any(fnmatch.fnmatch(candidate, one) for one in wildcards for candidate in (path, os.path.basename(path)))
