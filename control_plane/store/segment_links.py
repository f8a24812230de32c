"""Hard links of the segments in a directory: what a server deletes while a backup is taken is still there for it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

_PREFIX = ".backup-"


def local_root(url: str) -> Path | None:
    """The directory that a place of segments is; None for another kind of place."""
    if url.startswith("file://"):
        return Path(unquote(url.removeprefix("file://")))
    return Path(url).expanduser() if url and "://" not in url else None


class SegmentLinks:
    """Links of every file of a place, made when `take` is called and gone when the block ends.

    with SegmentLinks(root) as links:
        links.take(); ...read the index...; links.take()
        for name, path in links.files(): ...
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        self._links: dict[str, Path] = {}

    def __enter__(self) -> SegmentLinks:
        for left in self._root.glob(f"{_PREFIX}*"):
            if not _runs(left.name):
                shutil.rmtree(left, ignore_errors=True)
        self._folder.mkdir(mode=0o700)
        return self

    def __exit__(self, *_error: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def take(self) -> None:
        """Link what is there now and was not before."""
        for path, folders, names in os.walk(self._root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                inside = os.path.relpath(os.path.join(path, name), self._root)
                if name.startswith(".") or inside in self._links:
                    continue  # on its way, or known: a file is written once
                # Not named like a segment: nobody shall take it for one.
                link = self._folder / f"{len(self._links)}.link"
                with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                    link.hardlink_to(os.path.join(path, name))
                    self._links[inside] = link

    def files(self) -> Iterator[tuple[str, Path]]:
        """Name within the place and a path with its content, of every file that was there when `take` was called."""
        yield from sorted(self._links.items())


def _runs(name: str) -> bool:
    """Whether the process that made a folder of links still runs."""
    pid = name.removeprefix(_PREFIX).partition("-")[0]
    try:
        os.kill(int(pid), 0)
    except ValueError:
        return True  # none of ours
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return True
