"""From a name on the file server to a path inside its folder, or a refusal. Pure but for looking at links.

Names are decoded once by the caller. Refused: empty names, NUL and other control characters, `.` and `..` parts,
absolute names on any system, names too long for the disk, and links that lead out of the folder.
"""

import os
from pathlib import Path

MAX_PART_BYTES = 255
MAX_NAME_BYTES = 4000


class BadName(ValueError):
    """A name that the file server refuses."""


def parts_of(name: str) -> list[str]:
    """The parts of a stored name; one leading slash is meant for the root of the server and is dropped.

    Raises BadName with the reason.
    """
    try:
        size_bytes = len(os.fsencode(name))
    except UnicodeEncodeError:
        raise BadName("the name is not text") from None
    if size_bytes > MAX_NAME_BYTES:
        raise BadName("the name is too long")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise BadName("the name holds control characters")
    if name.startswith("//"):
        raise BadName("the name is absolute")
    parts = [part for part in name.split("/") if part]
    if not parts:
        raise BadName("the name is empty")
    for part in parts:
        if part in (".", ".."):
            raise BadName("the name leads out of the server")
        if len(os.fsencode(part)) > MAX_PART_BYTES:
            raise BadName("a part of the name is too long")
    return parts


def inside(root: Path, name: str) -> Path:
    """The path of `name` under `root`, which must be a resolved path.

    Raises BadName, also when a link on the way leads out of `root`. The last part itself must not be a link: a file
    is opened with O_NOFOLLOW, and nobody but the server writes below the root.
    """
    path = root.joinpath(*parts_of(name))
    parent = Path(os.path.realpath(path.parent))
    if parent != root and root not in parent.parents:
        raise BadName("a link leads out of the server")
    if path.is_symlink():
        raise BadName("links are not served")
    return parent / path.name
