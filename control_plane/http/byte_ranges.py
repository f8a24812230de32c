"""Parts of a file by `Range` and `If-Range`: what of the file is to be sent. Pure.

One range at a time; who asks for several gets the whole file, as for anything that cannot be understood.
Source: RFC 9110, sections 8.8, 13.1.5 and 14.
"""

import os
import re
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime

_ONE_RANGE = re.compile(r"bytes\s*=\s*(?:(\d{1,19})-(\d{0,19})|-(\d{1,19}))\s*", re.IGNORECASE)
SETTLED_S = 1.0
"""A date tells versions apart once it is so old: two of one second have the same."""


@dataclass(frozen=True)
class Version:
    """One version of a stored file. A file is replaced whole, by renaming another into its place."""

    size_bytes: int
    etag: str
    modified_at: float

    @classmethod
    def of(cls, facts: os.stat_result) -> "Version":
        return cls(facts.st_size, f'"{facts.st_mtime_ns:x}-{facts.st_size:x}-{facts.st_ino:x}"', facts.st_mtime)

    @property
    def last_modified(self) -> str:
        return formatdate(int(self.modified_at), usegmt=True)


@dataclass(frozen=True)
class Part:
    """What is sent: the bytes from `start` up to `end`; `is_whole` where no part was asked for."""

    start: int
    end: int
    is_whole: bool


def wanted_part(version: Version, asked: str | None, only_if: str | None, *, now: float) -> Part | None:
    """What to send for the headers `Range` and `If-Range`; None when none of the range is in the file (416).

    Args:
        now: seconds since the epoch.
    """
    whole = Part(0, version.size_bytes, is_whole=True)
    found = _ONE_RANGE.fullmatch(asked) if asked is not None else None
    if found is None or (only_if is not None and not _is_of(version, only_if.strip(), now)):
        return whole
    first, last, suffix = found.groups()
    size = version.size_bytes
    if suffix is not None:
        return Part(max(0, size - int(suffix)), size, is_whole=False) if int(suffix) and size else None
    start = int(first)
    if last and int(last) < start:
        return whole  # no range at all
    if start >= size:
        return None
    return Part(start, min(size, int(last) + 1) if last else size, is_whole=False)


def _is_of(version: Version, validator: str, now: float) -> bool:
    """Whether the rest of what somebody has already is the rest of this version. Only strong validators count."""
    if validator.startswith(('"', "W/")):
        return validator == version.etag
    try:
        at = parsedate_to_datetime(validator).timestamp()
    except ValueError:
        return False
    return at == int(version.modified_at) and now - version.modified_at > SETTLED_S
