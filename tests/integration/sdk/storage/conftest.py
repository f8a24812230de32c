"""Object storage on this machine: S3 by moto's server, Google's by an emulator."""

from __future__ import annotations

import fcntl
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from clearml_sdk.storage import credentials
from tests.compat.official import PROJECT


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return  # an answer
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, f"{url} does not start"
            time.sleep(0.05)  # another process: there is no event to wait for


@pytest.fixture(scope="module")
def s3_host() -> Iterator[str]:
    """`host:port` of an S3 with a bucket `bucket`, whose requests must be signed."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_up(f"http://127.0.0.1:{port}/moto-api/", process)
        request = urllib.request.Request(f"http://127.0.0.1:{port}/bucket", method="PUT")
        urllib.request.urlopen(request, timeout=20).close()
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(20)


@pytest.fixture(scope="module")
def gs_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a storage like Google's, with a bucket `bucket`."""
    port = free_port()
    command = [
        *(str(Path(sys.executable).with_name("gcp-storage-emulator")), "start", "--host=127.0.0.1", f"--port={port}"),
        *("--in-memory", "--default-bucket=bucket"),
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path_factory.mktemp("gs")
    )
    try:
        wait_until_up(f"http://127.0.0.1:{port}/storage/v1/b/bucket", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(20)


AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of the account that every Azurite has; it is documented with it."""


@pytest.fixture(scope="module")
def azure_connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What connects to a storage like Azure's, with the account `devstoreaccount1` and a container `container`."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("Azurite is installed by npm, which is not here")
    folder = PROJECT / ".run" / "azurite"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "node_modules" / ".bin" / "azurite-blob"
    with (folder.parent / "azurite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            install = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "azurite@3"]
            subprocess.run(install, check=True, timeout=300, stdout=subprocess.DEVNULL)
    port = free_port()
    where = tmp_path_factory.mktemp("azure")
    command = [str(program), "--blobHost=127.0.0.1", f"--blobPort={port}", "--skipApiVersionCheck", "--silent"]
    process = subprocess.Popen(command, cwd=where, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}/devstoreaccount1"
    connection = f"AccountName=devstoreaccount1;AccountKey={AZURE_KEY};BlobEndpoint={endpoint};"
    try:
        wait_until_up(endpoint, process)
        fsspec.filesystem("abfs", connection_string=connection, skip_instance_cache=True).mkdir("container")
        yield connection
    finally:
        process.kill()
        process.wait(20)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing of this machine's own accounts, and nothing kept by drivers between tests."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_PROFILE",
        "STORAGE_EMULATOR_HOST",
        "AZURE_STORAGE_CONNECTION_STRING",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLEARML_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # asks for the kind of a bucket, over TLS only
    monkeypatch.setattr(credentials, "_given", {})
    yield
    for kind in ("s3", "gs"):
        fsspec.get_filesystem_class(kind).clear_instance_cache()
