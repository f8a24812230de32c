"""Wheels that requirements name by their address, kept in a folder (`agent.pip_download_cache`) and fetched once."""

from __future__ import annotations

import asyncio
import base64
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
_LINK = re.compile(r"^(?P<name>[\w.-]+(?:\[[^\]]*\])?\s*@\s*)?(?P<url>https?://[^\s;#]+\.whl)(?P<rest>.*)$")


async def local_copies(lines: Sequence[str], folder: Path, log: Log) -> tuple[list[str], dict[str, str]]:
    """The lines with links to wheels replaced by files, and the link of each file's address.

    What cannot be fetched stays a link: the installer says then what is wrong with it.
    """
    found: list[str] = []
    links: dict[str, str] = {}
    for line in lines:
        match = _LINK.match(line)
        path = await fetched(match["url"], folder, log) if match else None
        if match is None or path is None:
            found.append(line)
            continue
        name = match["name"] or f"{path.name.partition('-')[0]} @ "
        links[path.as_uri()] = without_secrets(match["url"])
        found.append(f"{name}{path.as_uri()}{match['rest']}")
    return found, links


async def fetched(url: str, folder: Path, log: Log) -> Path | None:
    """The file of `url` in `folder`, downloaded when it is not there; None when it cannot be had."""
    path = folder / unquote(urlsplit(url).path.rpartition("/")[2])
    try:
        async with file_lock(folder / f".{path.name}.lock", timeout_s=LOCK_S, log=log):
            if path.exists():
                log(f"Using {path}")
            else:
                log(f"Downloading {without_secrets(url)}")
                await asyncio.to_thread(_download, url, path)
    except (OSError, LockTimeout) as error:
        log(f"WARNING: {without_secrets(str(error))}: {path.name} is left to the installer")
        return None
    return path


def _download(url: str, path: Path) -> None:
    """Blocking. What is not complete has another name."""
    parts = urlsplit(url)
    headers = {}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with urllib.request.urlopen(urllib.request.Request(plain, headers=headers), timeout=DOWNLOAD_S) as answer:
            expected = answer.headers.get("Content-Length")
            with part.open("wb") as file:
                shutil.copyfileobj(answer, file, 1 << 20)
        if expected is not None and part.stat().st_size != int(expected):
            raise OSError(f"the download of {plain} ended early")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
