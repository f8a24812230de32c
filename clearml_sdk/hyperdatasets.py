"""Hyper-datasets: a part of ClearML's commercial server, which this SDK does not have. Asking for one says so."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def __getattr__(name: str) -> "NoReturn":
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise ImportError(
        f"{name}: hyper-datasets need ClearML's commercial server. Open servers have no endpoints for them, "
        "and this SDK does not have them; clearml.Dataset has versioned files on any server"
    )
