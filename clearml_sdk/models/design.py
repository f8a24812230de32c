"""The description of a model's network, as text."""

from __future__ import annotations

from clearml_sdk import hocon_text
from clearml_sdk.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def design_text(text: str | None, values: dict[str, Any] | None) -> str:
    """The description as text: as it is given, or a dictionary as HOCON."""
    if text is not None and values is not None:
        raise UsageError("a model is described by config_text or by config_dict, not by both")
    if text is not None and not isinstance(text, str):
        raise ValueError(f"config_text is a text, not a {type(text).__name__}")
    return hocon_text.write(values) if values is not None else text or ""
