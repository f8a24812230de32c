"""Wheels that requirements name by their address, kept in a folder (`agent.pip_download_cache`) and fetched once.

A file lies in a folder of its own, named after where it came from and the hash that its address asks for: the same
name from another place, or of another build, is another file.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
import shutil
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from clearml_agent.locks import LockTimeout, file_lock
from clearml_agent.process import Log
from clearml_agent.vcs.addresses import without_secrets

DOWNLOAD_S, LOCK_S = 60.0, 3600.0
_SHA256 = re.compile(r"#(?:[^\s;]*&)?sha256=([0-9a-fA-F]{64})")
_LINK = re.compile(r"^(?P<name>[\w.-]+(?:\[[^\]]*\])?\s*@\s*)?(?P<url>https?://[^\s;#]+\.whl)(?P<rest>.*)$")


async def local_copies(
    lines: Sequence[str], folder: Path, log: Log, *, is_offline: bool = False
) -> tuple[list[str], dict[str, str]]:
    """The lines with links to wheels replaced by files, and the link of each file's address.

    What cannot be fetched stays a link: the installer says then what is wrong with it.
    """
    found: list[str] = []
    links: dict[str, str] = {}
    for line in lines:
        path = None
        if match := _LINK.match(line):
            asked = _SHA256.match(match["rest"])
            path = await fetched(match["url"], asked[1].lower() if asked else "", folder, log, is_offline=is_offline)
        if match is None or path is None:
            found.append(line)
            continue
        name = match["name"] or f"{path.name.partition('-')[0]} @ "
        links[path.as_uri()] = without_secrets(match["url"])
        found.append(f"{name}{path.as_uri()}{match['rest']}")
    return found, links


async def fetched(url: str, sha256: str, folder: Path, log: Log, *, is_offline: bool = False) -> Path | None:
    """The file of `url` under `folder`, downloaded when it is not there; None when it cannot be had.

    `sha256` is the hash it has to have, in hexadecimal digits, or "".
    """
    place = hashlib.sha256(f"{without_secrets(url)}#{sha256}".encode()).hexdigest()[:24]
    path = folder / place / unquote(urlsplit(url).path.rpartition("/")[2])
    try:
        async with file_lock(folder / f".{place}.lock", timeout_s=LOCK_S, log=log):
            if path.exists():
                log(f"Using {path}")
            elif is_offline:
                return None
            else:
                log(f"Downloading {without_secrets(url)}")
                await asyncio.to_thread(_download, url, sha256, path)
    except (OSError, LockTimeout) as error:
        log(f"WARNING: {without_secrets(str(error))}: {path.name} is left to the installer")
        return None
    return path


def _download(url: str, sha256: str, path: Path) -> None:
    """Blocking. What is not complete has another name."""
    parts = urlsplit(url)
    headers = {}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with urllib.request.urlopen(urllib.request.Request(plain, headers=headers), timeout=DOWNLOAD_S) as answer:
            expected = answer.headers.get("Content-Length")
            with part.open("wb") as file:
                shutil.copyfileobj(answer, file, 1 << 20)
        if expected is not None and part.stat().st_size != int(expected):
            raise OSError(f"the download of {plain} ended early")
        with part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if sha256 and found != sha256:
            raise OSError(f"{plain} has the sha256 {found}, and {sha256} is asked for")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
