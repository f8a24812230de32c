"""Why an environment was not reused: what differs between what is wanted and what is there. Pure but for `nearest`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from clearml_agent.environments import layout
from clearml_agent.environments.layout import Entry

WORDS = {
    "interpreter": "the interpreter",
    "packages": "the packages",
    "files": "the files of the code",
    "options": "the options among the requirements",
    "constraints": "the constraints",
    "indexes": "the package indexes",
    "flags": "the installer's flags",
    "installer": "the installer",
    "order": "the order of installation",
    "image": "the container's image",
    "pip version": "agent.package_manager.pip_version",
    "channels": "the conda channels",
    "python": "the Python version asked of conda",
    "machine": "the machine",
}

NOT_REUSED = "Not reused: "
"""Begins the console lines that say so; `clearml-agent explain` looks for them."""


class Difference(msgspec.Struct, frozen=True):
    """One fact that differs. fact: `interpreter.version`; kept, wanted: its values, None where there is none."""

    fact: str
    kept: Any = None
    wanted: Any = None

    def __str__(self) -> str:
        name, _, field = self.fact.partition(".")
        subject = WORDS.get(name, name) + (f" ({field})" if field else "")
        if isinstance(self.wanted, list) or isinstance(self.kept, list):
            kept, wanted = list(self.kept or []), list(self.wanted or [])
            gone = [str(item) for item in kept if item not in wanted]
            new = [str(item) for item in wanted if item not in kept]
            parts = [f"not {', '.join(gone)}"] if gone else []
            parts += [f"but {', '.join(new)}" if gone else f"also {', '.join(new)}"] if new else []
            return f"{subject}: {' '.join(parts) or 'in another order'}"
        return f"{subject}: {_shown(self.wanted)} instead of {_shown(self.kept)}"


def differences(wanted: Mapping[str, Any], kept: Mapping[str, Any]) -> list[Difference]:
    """What is not the same in two sets of facts, the keys of two environments. Pure."""
    found: list[Difference] = []
    for name in sorted({*wanted, *kept}):
        one, other = wanted.get(name), kept.get(name)
        if one == other:
            continue
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            inner = sorted(key for key in {*one, *other} if one.get(key) != other.get(key))
            found += [Difference(f"{name}.{key}", other.get(key), one.get(key)) for key in inner]
        else:
            found.append(Difference(name, other, one))
    return found


def reasons(wanted: Mapping[str, Any], entries: Sequence[Entry], *, now: float) -> list[str]:
    """Why none of `entries` serves `wanted`, compared with the most similar one; empty when one does. Pure.

    `wanted` and the records' facts are as `Want.facts` gives them.
    """
    wanted = msgspec.json.decode(msgspec.json.encode(wanted))
    if not entries:
        return ["no environment is in the cache"]
    scored = [(differences(wanted, entry.record.facts), entry) for entry in entries]
    found, entry = min(scored, key=lambda item: (_distance(item[0]), -item[1].record.built_at))
    name = entry.path.name
    if found:
        return [f"compared with {name}: {difference}" for difference in found]
    if entry.is_expired(now):
        return [f"{name} has expired: its versions are not exact, so they are looked up again once a day"]
    if (entry.path / layout.CHANGED).exists():
        return [f"{name} was changed after it was built"]
    return []


def why_not_reused(cache: Path, wanted: Mapping[str, Any], *, kind: str = "env") -> list[str]:
    """`reasons` for the cache at `cache` as it is now; reads the disk."""
    entries = [entry for entry in layout.entries(cache) if entry.record.key.startswith(f"{kind}-")]
    return reasons(wanted, entries, now=time.time())


def _distance(found: Sequence[Difference]) -> int:
    """How far an environment is from another: a package counts one, another interpreter or tool much."""
    total = 0
    for difference in found:
        if difference.fact == "packages":
            total += len(set(map(str, difference.wanted or [])) ^ set(map(str, difference.kept or [])))
        else:
            total += 20
    return total


def _shown(value: Any) -> str:
    return "nothing" if value in (None, "", [], {}) else str(value)
