"""Run something when a module is imported, and not before: a binding costs nothing where its library is not used."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_waiting: dict[str, list[Callable[[ModuleType], None]]] = {}


def when_imported(name: str, act: Callable[[ModuleType], None]) -> None:
    """Call `act(module)` right after module `name` was executed; at once if it already is loaded."""
    module = sys.modules.get(name)
    if module is not None:
        act(module)
        return
    _waiting.setdefault(name, []).append(act)
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)


class _Finder:
    """Finds what the other finders find, with a loader that tells us when it has executed the module."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        acts = _waiting.pop(name, None)
        if acts is None:
            return None
        from importlib.util import find_spec

        spec = find_spec(name)
        if spec is None or spec.loader is None:
            _waiting[name] = acts
            return None
        spec.loader = _Loader(spec.loader, acts)  # type: ignore[assignment]  # a loader by its methods
        return spec


class _Loader:
    def __init__(self, loader: Any, acts: list[Callable[[ModuleType], None]]) -> None:
        self._loader, self._acts = loader, acts

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None:
            spec.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        for act in self._acts:
            act(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
