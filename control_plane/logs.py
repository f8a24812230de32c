"""Structured logs: one JSON object a line, and the one processor that keeps secrets out of them.

No line holds a query string, an authorization, a cookie, or text that a user sent (task environments live there):
events have a fixed name and named fields; names that mean secrets are blanked; texts are searched for what looks
like one. Of exceptions that are not ours the type and the places are kept, never the message: it quotes data.
"""

import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any

BLANK = "[redacted]"

_SECRET_NAMES = re.compile(
    r"auth|cookie|secret|token|passw|credential|api_?key|access_?key|query|\benv|environ|private", re.IGNORECASE
)
_PATTERNS = (
    (re.compile(r"eyJ[\w-]{5,}\.[\w-]+\.[\w-]*"), BLANK),  # JWT
    (re.compile(r"\b(Basic|Bearer)\s+[\w+/=.~-]+", re.IGNORECASE), rf"\1 {BLANK}"),
    (re.compile(r"(?<=://)[^/@\s]+@"), f"{BLANK}@"),  # user:password in a URL
    (re.compile(r"\?[^\s\"']*"), "?" + BLANK),  # query strings
    (
        re.compile(r"((?:secret|token|passw(?:or)?d|api_?key|access_?key)\w*[\"']?\s*[=:]\s*)[\"']?[^\s\"',;&]+", re.I),
        rf"\1{BLANK}",
    ),
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def redact_text(text: str) -> str:
    """`text` without what looks like a secret."""
    for pattern, blank in _PATTERNS:
        text = pattern.sub(blank, text)
    return text


def redact(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of one log line, fit to be written."""
    return {name: BLANK if _SECRET_NAMES.search(name) else _clean(value) for name, value in fields.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, Mapping):
        return redact({str(name): item for name, item in value.items()})
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(item) for item in value]
    return value


def exception_facts(error: BaseException) -> dict[str, Any]:
    """Type and places of an exception and of its causes; the message only where no user's data can be in it."""
    chain: list[str] = []
    current: BaseException | None = error
    while current is not None and len(chain) < 8:
        kind = type(current)
        name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
        if isinstance(current, OSError) and current.strerror:
            name += f": {current.strerror}"
        chain.append(name)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    return {"error": " <- ".join(chain), "at": places[-12:]}


class JsonLines(logging.Formatter):
    """The formatter of every handler; nothing reaches a log except through `redact`."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": redact_text(record.getMessage()),
        }
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        fields.update(redact(extra))
        if record.exc_info and record.exc_info[1] is not None:
            fields.update(redact(exception_facts(record.exc_info[1])))
        return json.dumps(fields, default=lambda value: f"<{type(value).__name__}>")


def configure(level: str) -> None:
    """Send every logger of this process to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # aiohttp and asyncio quote requests and tasks in what they say at debug level.
    for chatty in ("aiohttp.access", "aiohttp.server", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)
