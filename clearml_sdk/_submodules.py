"""Submodules as attributes of their packages, imported when they are first asked for.

Libraries reach them after nothing but `import clearml` (`clearml.model.Model`, `clearml.utilities.proxy_object`).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def submodule(package: str, name: str) -> "ModuleType":
    """The module `package.name`; AttributeError where there is none, or where it is private."""
    from importlib import import_module
    from importlib.util import find_spec

    if name.startswith("_") or find_spec(f"{package}.{name}") is None:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return import_module(f"{package}.{name}")
