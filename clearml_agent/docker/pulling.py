"""What a pull's messages say to a person: each step of a layer once, and now and then how much has come. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SAID_EVERY_S = 10.0
MB = 1_000_000


class Progress:
    """The messages of one pull."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._layers: dict[str, tuple[int, int]] = {}
        self._said_at = 0.0

    def told(self, message: Mapping[str, Any], now: float) -> str:
        """The line that a message is worth, "" for none. now: any clock, in s."""
        status, layer = str(message.get("status") or ""), str(message.get("id") or "")
        detail = message.get("progressDetail") or {}
        if detail.get("total") and status == "Downloading":
            self._layers[layer] = int(detail.get("current") or 0), int(detail["total"])
            return self._now_and_then(now)
        if layer in self._layers and status in ("Download complete", "Pull complete"):
            self._layers[layer] = (self._layers[layer][1],) * 2
        text = f"{layer} {status}".strip()
        if "progress" in message or not text or text in self._said:
            return ""
        self._said.add(text)
        return text

    def _now_and_then(self, now: float) -> str:
        if not self._said_at:
            self._said_at = now
        if now < self._said_at + SAID_EVERY_S:
            return ""
        self._said_at = now
        current, total = (sum(pair[place] for pair in self._layers.values()) for place in (0, 1))
        return f"{current / MB:.0f} of {total / MB:.0f} MB downloaded, of the layers that have begun"
