"""What a store may lose, from its own settings. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Persistence:
    """What an acknowledged write survives; None where the store does not tell."""

    survives_crash: bool | None
    """The death of the store's process."""
    survives_power_cut: bool | None
    text: str
    """For a person: what can be lost, and what to do about it."""


def judge(settings: Mapping[str, str]) -> Persistence:
    """Read `appendonly`, `appendfsync` and `save` of a Redis or Valkey; empty settings mean that it does not tell."""
    if not settings:
        return Persistence(None, None, "the store does not tell its settings; ask who runs it what it may lose")
    if settings.get("appendonly") != "yes":
        saved = bool(settings.get("save"))
        kept = "only what its last snapshot holds" if saved else "nothing"
        return Persistence(
            False, False, f"if the store ends, {kept} is left: set `appendonly yes` and `appendfsync always`"
        )
    fsync = settings.get("appendfsync", "everysec")
    if fsync == "always":
        return Persistence(True, True, "an acknowledged write is on disk")
    lost = "the last second" if fsync == "everysec" else "what the system had not written yet"
    return Persistence(True, False, f"a power cut may lose {lost}: set `appendfsync always` to lose nothing")
