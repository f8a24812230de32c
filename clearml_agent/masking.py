"""What of a configuration may be shown: secrets are masked, by `agent.sanitize_config_printout`. Pure.

Source: contract/agent_behaviour.md 16.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

MASK = "****"
URL_PASSWORD = re.compile(r"(?<=://)([^/@:\s]*):[^/@\s]+@")


class Rules(msgspec.Struct, frozen=True):
    """Patterns of key names, searched without regard to case.

    hide: the value is masked; show: it is not, whatever `hide` says; hide_below: every value below is masked.
    """

    hide: tuple[str, ...] = ("secret", "pass", "token", "account_key", "contents", "^redis_url$")
    show: tuple[str, ...] = ("^enable_git_ask_pass$",)
    hide_below: tuple[str, ...] = ("^environment$",)

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> Rules:
        """The rules in a configuration; the built-in ones where it has none."""
        section = (tree.get("agent") or {}).get("sanitize_config_printout") or {}
        usual = cls()

        def patterns(name: str, default: tuple[str, ...]) -> tuple[str, ...]:
            found = section.get(name)
            return default if found is None else tuple(map(str, found))

        return cls(
            hide=patterns("hide_secrets", usual.hide),
            show=patterns("dont_hide_secrets", usual.show),
            hide_below=patterns("hide_secrets_recursive", usual.hide_below),
        )

    def hides(self, key: str) -> bool:
        return _matches(self.hide, key) and not _matches(self.show, key)


def masked(value: Any, rules: Rules | None = None, *, is_hidden: bool = False) -> Any:
    """A copy without secrets; passwords in addresses are masked wherever they stand."""
    rules = rules or Rules()
    if isinstance(value, Mapping):
        return {
            name: masked(
                item,
                rules,
                is_hidden=is_hidden
                or (not isinstance(item, Mapping) and rules.hides(str(name)))
                or _matches(rules.hide_below, str(name)),
            )
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [masked(item, rules, is_hidden=is_hidden) for item in value]
    if not isinstance(value, str) or not value:
        return value
    return MASK if is_hidden else URL_PASSWORD.sub(rf"\1:{MASK}@", value)


def _matches(patterns: tuple[str, ...], key: str) -> bool:
    return any(re.search(pattern, key, re.IGNORECASE) for pattern in patterns)
