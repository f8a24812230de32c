"""`clearml-server backup`: a server's data as of one moment, in one file, while it works on."""

from __future__ import annotations

import argparse
import asyncio
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from clearml_sdk.command_line import Parser
from control_plane import __version__
from control_plane.commands._progress import Progress
from control_plane.commands._target import CommandFailed, Target, add_arguments, located, print_json, run
from control_plane.http.new_files import UPLOADING
from control_plane.store import keys
from control_plane.store.archive import Writer
from control_plane.store.backup import save
from control_plane.store.connection import Connection
from control_plane.store.segment_links import SegmentLinks, local_root
from control_plane.store.segments.copies import PREFIX, save_files
from control_plane.store.segments.files import MARK
from control_plane.store.segments.hold import held
from control_plane.store.segments.place import open_place

SECRETS = ("credentials.json", "secret")
"""Files of the data directory without which a restored server would be another one to its clients."""
LISTING = "files.txt"


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="clearml-server backup",
        description="Write documents, queues, credentials and events, of one moment, into FILE. The server may run.",
        epilog="Whoever has the file has the administrator's key: keep it as you keep passwords.",
    )
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="the file to make; in a directory: a name with the time"
    )
    add_arguments(parser)
    parser.add_argument(
        "--files", action="store_true", help="also the content of the file server; else only the list of its files"
    )
    parser.add_argument(
        "--segments",
        action="store_true",
        help="also the sealed events that lie in object storage; those in a directory always are in it",
    )
    arguments = parser.parse_args(argv)
    return run(parser.prog, _main(arguments))


async def _main(arguments: argparse.Namespace) -> int:
    now = datetime.now(UTC)
    path: Path = arguments.file.expanduser().absolute()
    if path.is_dir():
        path /= f"clearml-{now:%Y%m%d-%H%M%S}.backup"
    async with located(arguments) as target:
        with ExitStack() as stack:
            archive, progress = stack.enter_context(Writer(path)), stack.enter_context(Progress())
            place = target.settings.segments_url
            root = local_root(place)
            links = stack.enter_context(SegmentLinks(root)) if root is not None and root.is_dir() else None
            connection = Connection(target.url, retry_s=5.0)
            try:
                await _check_place(connection, place, root)
                remote = await open_place(connection, place) if arguments.segments and place and root is None else None
                # Held: a segment that a snapshot names is there to be linked, whatever is deleted meanwhile.
                async with held(connection):
                    facts = await save(
                        connection, archive, progress, embedded=not target.settings.redis_url, links=links
                    )
                    if remote is not None:
                        await save_files(remote, archive, progress)
            finally:
                await connection.close()
            if links is not None:
                await asyncio.to_thread(_add_segments, archive, links, progress)
            # After the store: a file that a document names was uploaded before.
            count = await asyncio.to_thread(_add_files, archive, target, progress, content=arguments.files)
            manifest = {
                "version": __version__,
                "created": now.isoformat(timespec="seconds"),
                **facts,
                "files": count,
                "files_content": bool(arguments.files),
                "segments_elsewhere": place if place and root is None and remote is None else "",
            }
            archive.finish(manifest)
    size = path.stat().st_size
    if arguments.json:
        print_json({"file": path, "bytes": size, **manifest})
    else:
        print(f"{path}: {size:,} bytes, the data of {manifest['moments'][0]}")
        if manifest["segments_elsewhere"]:
            print(f"the sealed events stay in {place}: copy them too")
        if not arguments.files and count:
            print(f"the {count:,} files of the file server are listed in it; --files puts their content in")
    return 0


async def _check_place(connection: Connection, place: str, root: Path | None) -> None:
    """Raise CommandFailed where sealed events lie that would not be found."""
    found = await connection.run(lambda client: client.get(keys.segments_mark()))
    if found is None:
        return
    if not place:
        raise CommandFailed("this store has sealed events: set CLEARML_SERVER_SEGMENTS to where its servers keep them")
    mark = root / MARK if root is not None else None
    if mark is not None and (not mark.exists() or mark.read_bytes() != found):
        raise CommandFailed(f"the sealed events of this store do not lie in {root}: set CLEARML_SERVER_SEGMENTS")


def _add_segments(archive: Writer, links: SegmentLinks, progress: Progress) -> None:
    # The mark first: who restores sees at once whether a place is another store's.
    names = sorted(links.files(), key=lambda one: (one[0] != MARK, one[0]))
    for count, (name, path) in enumerate(names, 1):
        with path.open("rb") as source:
            archive.add(PREFIX + name, source)
        progress("segments", count)


def _add_files(archive: Writer, target: Target, progress: Progress, *, content: bool) -> int:
    data_dir = target.settings.data_dir
    for name in SECRETS:
        if (data_dir / name).exists():
            with (data_dir / name).open("rb") as source:
                archive.add(name, source)
    listed, count = [], 0
    for path in _files(target.settings.files_dir):
        inside = path.relative_to(target.settings.files_dir)
        try:
            with path.open("rb") as source:
                facts = os.fstat(source.fileno())
                if content:
                    archive.add(f"files/{inside}", source)
        except FileNotFoundError:
            continue  # deleted meanwhile
        listed.append(f"{facts.st_size}\t{int(facts.st_mtime)}\t{inside}\n")
        count += 1
        progress("files", count)
    archive.begin(LISTING)
    archive.write("".join(listed).encode(errors="surrogateescape"))
    archive.end()
    return count


def _files(folder: Path) -> Iterator[Path]:
    """Every file whose upload is complete; links are none of ours."""
    for path, _, names in os.walk(folder):
        for name in sorted(names):
            found = Path(path, name)
            try:
                is_file = stat.S_ISREG(found.lstat().st_mode)
            except FileNotFoundError:
                continue  # deleted meanwhile
            if is_file and not name.startswith(UPLOADING):
                yield found
