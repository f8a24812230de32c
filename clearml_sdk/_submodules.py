"""Submodules as attributes of their packages, imported when they are first asked for.

Libraries reach them after nothing but `import clearml` (`clearml.model.Model`, `clearml.utilities.proxy_object`).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def submodule(package: str, name: str) -> "ModuleType":
    """The module `package.name`; AttributeError where there is none, or where it is private."""
    from importlib import import_module

    missing = AttributeError(f"module {package!r} has no attribute {name!r}")
    if name.startswith("_"):
        raise missing
    try:
        return import_module(f"{package}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{package}.{name}":
            raise  # it is there: what it imports is missing
        raise missing from None
