"""Disks that fill up, files cut short, folders of others."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.store import EmbeddedStore, EmbeddedStoreError, Store
from tests.conftest import ApiFailure, start_server
from tests.redis_servers import until

pytestmark = pytest.mark.embedded
TMPFS_MIB = 24


@contextlib.contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of its own, a few MiB large."""
    with tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True) as name:
        mount = shutil.which("mount")
        made = mount and subprocess.run(
            [mount, "-t", "tmpfs", "-o", f"size={TMPFS_MIB}m", "tmpfs", name], capture_output=True, check=False
        )
        if not made or made.returncode:
            pytest.skip("only root may mount a small file system")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "-l", name], check=True)


def fill(path: Path) -> None:
    """Write until nothing fits any more."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def test_a_full_disk_fails_writes_and_is_recovered_from() -> None:
    with small_disk() as disk:
        server = start_server(disk / "data", disk / "run")
        try:
            kept = [server.call("tasks.create", {"name": f"kept {n}", "type": "testing"})["id"] for n in range(5)]
            fill(disk / "ballast")
            # What room is left in the last page of its file may take a few more.
            failure = None
            for number in range(50):
                try:
                    made = server.call("tasks.create", {"name": f"full {number}", "type": "testing"})
                    kept.append(made["id"])
                except ApiFailure as error:
                    failure = error
                    break
            assert failure is not None, "everything was stored on a full disk"
            assert failure.code in (429, 500, 503)
            (disk / "ballast").unlink()

            def stored() -> bool:
                with contextlib.suppress(ApiFailure):
                    kept.append(server.call("tasks.create", {"name": "room again", "type": "testing"})["id"])
                    return True
                return False

            until(stored, "writes work again", limit_s=90)  # one try may wait for its store for 15 s
            found = {task["id"] for task in server.call("tasks.get_all", {"only_fields": ["id"]})["tasks"]}
            assert set(kept) <= found
        finally:
            server.stop()


async def test_a_file_cut_short_loses_only_what_was_cut(short_tmp: Path) -> None:
    async with EmbeddedStore(short_tmp / "store") as embedded:
        store = await Store.open(embedded.url)
        for number in range(20):
            transaction = store.transaction()
            transaction.create("project", f"p{number}", {"name": f"p{number}", "description": "x" * 1000})
            await transaction.commit()
        await store.close()
    (tail,) = (short_tmp / "store" / "appendonlydir").glob("*.incr.aof")
    os.truncate(tail, tail.stat().st_size - 700)  # within the last transaction
    async with EmbeddedStore(short_tmp / "store") as embedded:
        store = await Store.open(embedded.url)
        assert sorted(await store.ids("project")) == sorted(f"p{number}" for number in range(19))
        assert await store.get("project", "p19") is None
        await store.close()


async def test_a_folder_of_somebody_else_is_refused_in_words(short_tmp: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder that is not its own")
    os.chmod(short_tmp, 0o755)
    (short_tmp / "store").mkdir(mode=0o700)
    os.seteuid(65534)
    try:
        with pytest.raises(EmbeddedStoreError, match="not yours"):
            async with EmbeddedStore(short_tmp / "store"):
                pass
    finally:
        os.seteuid(0)
