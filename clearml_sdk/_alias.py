"""Make `import clearml` find `clearml_sdk` where the official package is not installed.

`clearml_lean.pth` puts a finder at the end of `sys.meta_path`, which asks this module about `clearml` and nothing else.
`clearml.x` and `clearml_sdk.x` are one module object under two names.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Any


def find_spec(name: str) -> ModuleSpec | None:
    """The spec under which `clearml` or `clearml.x` is our module; None where it is not ours to answer."""
    if name != "clearml" and sys.modules.get("clearml") is not sys.modules.get("clearml_sdk"):
        return None  # the official package is in use: what it lacks is not ours to add
    ours = "clearml_sdk" + name[len("clearml") :]
    found = _spec_of(ours)
    if found is None:
        return None
    spec = ModuleSpec(name, AliasLoader(found), origin=found.origin)  # type: ignore[arg-type]  # a loader by its methods
    spec.submodule_search_locations = found.submodule_search_locations
    return spec


class AliasFinder:
    """First on `sys.meta_path` once `clearml` is ours: the ordinary finders would load a second copy of each file."""

    @staticmethod
    def find_spec(
        name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> ModuleSpec | None:
        return find_spec(name) if name.startswith("clearml.") else None


class AliasLoader:
    """Answers the module that has `found`'s name, importing it where that has not happened yet."""

    def __init__(self, found: ModuleSpec) -> None:
        self.found = found

    def create_module(self, spec: ModuleSpec) -> "ModuleType":
        return import_module(self.found.name)

    def exec_module(self, module: "ModuleType") -> None:
        module.__spec__ = self.found  # the import system has just written the alias's over it
        if self.found.name == "clearml_sdk" and AliasFinder not in sys.meta_path:
            sys.meta_path.insert(0, AliasFinder)

    def __getattr__(self, attribute: str) -> "Any":
        """What `runpy` and `inspect` ask of a loader is answered by the module's own, under its own name."""
        if attribute in ("get_code", "get_source", "is_package"):
            method = getattr(self.found.loader, attribute)
            return lambda name=None: method(self.found.name)
        raise AttributeError(attribute)


def _spec_of(name: str) -> ModuleSpec | None:
    if name in sys.modules:
        return sys.modules[name].__spec__
    from importlib.util import find_spec as find

    try:
        return find(name)
    except ModuleNotFoundError:
        return None  # the parent does not exist
