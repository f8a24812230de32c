"""`clearml-server restore`: an empty data directory or Redis, filled from a backup."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from clearml_sdk.command_line import Parser
from control_plane.commands._progress import Progress
from control_plane.commands._target import CommandFailed, add_arguments, print_json, run
from control_plane.commands.backup import SECRETS
from control_plane.services.setup import write_private
from control_plane.settings import Settings, load
from control_plane.store import keys
from control_plane.store.archive import CHUNK_BYTES, members, verify
from control_plane.store.backup import finish_directory, finish_redis, restore_directory, restore_redis
from control_plane.store.embedded import half_restored
from control_plane.store.segments.copies import PREFIX, is_taken, restore_files
from control_plane.store.segments.files import SegmentFiles, open_files


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="clearml-server restore",
        description="Fill an empty data directory (or, with --redis, an empty Redis) from a file of "
        "`clearml-server backup`. No server may use it meanwhile.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the backup")
    add_arguments(parser)
    parser.add_argument(
        "--segments",
        metavar="DIR|URL",
        help="where the sealed events of the backup go: an empty directory, or place in object storage (default: "
        "CLEARML_SERVER_SEGMENTS, else `segments` in the data directory)",
    )
    arguments = parser.parse_args(argv)
    return run(parser.prog, _main(arguments))


async def _main(arguments: argparse.Namespace) -> int:
    settings = load(
        os.environ, {"data_dir": arguments.data_dir, "redis_url": arguments.redis, "segments": arguments.segments}
    )
    path: Path = arguments.file.expanduser().absolute()
    with Progress() as progress:
        manifest = await asyncio.to_thread(verify, path, lambda read: progress("bytes checked", read))
        if manifest["layout"] > keys.SCHEMA_VERSION:
            raise CommandFailed(
                f"{path} holds data of layout {manifest['layout']}, this version reads {keys.SCHEMA_VERSION}: "
                f"use clearml-lean {manifest['version']} or newer"
            )
        place = _place(settings) if _has_segments(manifest) else None
        await _refuse_data(settings, manifest, place)
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if settings.redis_url:
            with tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True) as scratch:
                await restore_redis(settings.redis_url, path, manifest, Path(scratch), progress)
            count = await _put_back(path, settings, place, progress)
            await finish_redis(settings.redis_url)
        else:
            directory = settings.data_dir / "store"
            await restore_directory(directory, path, manifest, progress)
            count = await _put_back(path, settings, place, progress)
            finish_directory(directory)
    where = "the Redis given" if settings.redis_url else settings.data_dir
    if arguments.json:
        print_json({"file": path, "data_dir": settings.data_dir, "files_restored": count, "backup": manifest})
    else:
        print(f"{where} holds the data of {manifest['moments'][0]}, {count:,} of {manifest['files']:,} files")
        if place is not None and (settings.redis_url or place.url != str(settings.data_dir / "segments")):
            print(f"start servers with CLEARML_SERVER_SEGMENTS set to {place.url}: sealed events")
        if manifest["segments_elsewhere"]:
            print(f"sealed events are read from {manifest['segments_elsewhere']}, as before")
    return 0


def _has_segments(manifest: dict[str, Any]) -> bool:
    return any(name.startswith(PREFIX) for name in manifest["members"])


def _place(settings: Settings) -> SegmentFiles:
    """Where restored segments go: the place that is set, else the default directory."""
    return open_files(settings.segments_url or str(settings.data_dir / "segments"))


async def _put_back(path: Path, settings: Settings, place: SegmentFiles | None, progress: Progress) -> int:
    """Files, secrets and segments; returns how many files."""
    if place is not None:
        await restore_files(place, path, progress)
    return await asyncio.to_thread(_unpack, path, settings, progress)


async def _refuse_data(settings: Settings, manifest: dict[str, Any], place: SegmentFiles | None) -> None:
    """Raise CommandFailed where something would be overwritten."""
    if not settings.redis_url and half_restored(settings.data_dir / "store"):
        return  # all that lies there is of an earlier try
    taken = [] if settings.redis_url else [settings.data_dir / name for name in ("store", *SECRETS)]
    found = [str(path) for path in taken if path.exists()]
    if place is not None and await is_taken(place):
        found.append(place.url)
    files = settings.files_dir
    if manifest["files_content"] and files.is_dir() and any(files.iterdir()):
        found.append(str(files))
    if found:
        raise CommandFailed(
            f"there is data already: {', '.join(found)}. Name an empty directory with --data-dir, or move these away"
        )


def _unpack(path: Path, settings: Settings, progress: Progress) -> int:
    """Files and secrets; returns how many files."""
    count = 0
    for name, content in members(path):
        if name in SECRETS:
            target = settings.data_dir / name
            # With a Redis, a directory that has its own is another replica's.
            if not (settings.redis_url and target.exists()):
                write_private(target, content.read())
        elif name.startswith("files/"):
            inside = PurePosixPath(name.removeprefix("files/"))
            if inside.is_absolute() or ".." in inside.parts:
                raise CommandFailed(f"the backup names a file outside of its directory: {name}")
            target = settings.files_dir / inside
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with target.open("wb") as file:
                shutil.copyfileobj(content, file, CHUNK_BYTES)
                file.flush()
                os.fsync(file.fileno())
            count += 1
            progress("files", count)
    return count
