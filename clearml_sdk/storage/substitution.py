"""Other places for registered URLs: `sdk.storage.path_substitution`, for storage that this machine has mounted."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_added: list[dict[str, Any]] = []
_is_configured = True


def add(registered_prefix: str, local_prefix: str, *, windows_sep: bool = False, linux_sep: bool = False) -> None:
    """Read what is registered under one prefix from under another, in this process.

    windows_sep: turn the rest's backslashes into slashes; linux_sep: its slashes into backslashes.
    """
    if not registered_prefix or not local_prefix:
        raise ValueError("a path substitution needs a registered_prefix and a local_prefix")
    if windows_sep and linux_sep:
        raise ValueError("a path substitution replaces one kind of separators: not both")
    _added.append(
        {
            "registered_prefix": registered_prefix,
            "local_prefix": local_prefix,
            "replace_windows_sep": windows_sep,
            "replace_linux_sep": linux_sep,
        }
    )


def clear() -> None:
    """Use no substitutions in this process, those of the configuration included."""
    global _is_configured
    _added.clear()
    _is_configured = False


def substituted(url: str) -> str:
    """Where what is registered at `url` is read from."""
    return apply(url, [*_added, *_configured()])


def apply(url: str, entries: Iterable[Mapping[str, Any]]) -> str:
    """`url` by the first entry whose prefix it has, as whole folders."""
    for entry in entries:
        registered, local = str(entry.get("registered_prefix") or ""), str(entry.get("local_prefix") or "")
        rest = url[len(registered) :]
        if not registered or not local or not url.startswith(registered):
            continue
        if rest and rest[0] not in "/\\" and registered[-1] not in "/\\":
            continue
        if entry.get("replace_windows_sep"):
            rest = rest.replace("\\", "/")
        elif entry.get("replace_linux_sep"):
            rest = rest.replace("/", "\\")
        return local + rest
    return url


def _configured() -> list[Mapping[str, Any]]:
    if not _is_configured:
        return []
    from clearml_sdk.config.asked import config

    found = config.get("storage.path_substitution", None) or []
    return [entry for entry in found if isinstance(entry, dict)]
