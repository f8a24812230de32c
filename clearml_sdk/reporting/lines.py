"""Console text into lines: progress bars that rewrite their line become their last state. Pure."""

from __future__ import annotations

import re

MAX_LINE_CHARS = 1 << 16
_UP = re.compile(r"\x1b\[(\d*)A")


class LineFolder:
    """Collects what is written to a stream; `feed` gives back the lines that are complete.

    Args:
        period_s: a line that is rewritten again and again (carriage returns) is given out at least so often.
    """

    def __init__(self, period_s: float = 10.0) -> None:
        self._period_s = period_s
        self._open = ""
        self._given_at: float | None = None

    def feed(self, text: str, now: float) -> str:
        """What is complete with `text`: lines without the last newline, or "" when nothing is. now: monotonic s."""
        if "\r" not in text and "\x1b[" not in text:
            if text == "\n":
                done, self._open = self._open, ""
                return self._fold(done)
            head, newline, tail = text.rpartition("\n")
            if not newline:
                self._open += text
                return self._overlong()
            done, self._open = self._open + head, tail
            return self._fold(done)
        text = self._open + text.replace("\r\n", "\n")
        head, newline, self._open = text.rpartition("\n")
        done = self._fold(head) if newline else ""
        if "\r" in self._open:
            self._open = _last_state(self._open)
            if self._given_at is None:
                self._given_at = now
            elif now - self._given_at >= self._period_s:
                self._given_at = now
                shown = self._open.strip("\r")
                return f"{done}\n{shown}" if done else shown
        return done

    def rest(self) -> str:
        """What was written since the last newline; nothing is left then."""
        done, self._open = self._open, ""
        return self._fold(done)

    def _fold(self, text: str) -> str:
        if "\r" not in text and "\x1b[" not in text:
            return text
        self._given_at = None
        lines: list[str] = []
        for line in text.split("\n"):
            ups = [int(count or 1) for count in _UP.findall(line)]
            if ups:  # a group of bars that is drawn again: what it is drawn over is not kept
                del lines[max(0, len(lines) - sum(ups)) :]
                line = _UP.sub("", line)
            lines.append(_last_state(line).strip("\r"))
        return "\n".join(lines)

    def _overlong(self) -> str:
        """A line without an end is cut, so that it is neither kept for ever nor lost."""
        if len(self._open) < MAX_LINE_CHARS:
            return ""
        done, self._open = self._open, ""
        return self._fold(done)


def _last_state(line: str) -> str:
    """What a terminal shows last of a line that carriage returns rewrite; a trailing one is kept."""
    parts = line.split("\r")
    shown = next((part for part in reversed(parts) if part), "")
    return shown + "\r" if line.endswith("\r") else shown
