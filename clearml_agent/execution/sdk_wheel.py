"""Which SDK a task gets, and where ours is handed out: the server's own package index (PEP 503)."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from html import unescape
from typing import Any
from urllib.parse import urljoin

from clearml_agent.api import Api
from clearml_sdk.session import HttpRequest

log = logging.getLogger("clearml_agent")

PACKAGE = "clearml-lean"
LINK = re.compile(r"""<a\b[^>]*\bhref\s*=\s*["']([^"']+)["']""", re.IGNORECASE)


def wants_our_sdk(requirements: Mapping[str, Any], setting: str) -> bool:
    """Whether the task is to run with our SDK: recorded by it, or asked for by `agent.sdk: ours`. Pure.

    `agent.sdk: official` keeps the official package for every task.
    """
    if setting == "ours":
        return True
    return setting != "official" and str(requirements.get("sdk") or "").startswith(PACKAGE)


async def find_wheel(api: Api) -> str | None:
    """The address of the server's wheel, with its hash as fragment; None when it hands out none."""
    index = f"{api.settings.api_server}/simple/{PACKAGE}/"
    try:
        status, _, body = await api.connection.send(HttpRequest("GET", index, {"Accept": "text/html"}, b""), 10.0)
    except OSError as error:
        log.warning("%s: %s", index, error)
        return None
    if status != 200:
        return None
    return newest_wheel(index, body.decode("utf-8", "replace"))


def newest_wheel(index: str, page: str) -> str | None:
    """The last wheel that an index page links to, which is the newest. Pure."""
    links = [urljoin(index, unescape(link)) for link in LINK.findall(page)]
    wheels = [link for link in links if link.partition("#")[0].endswith(".whl")]
    return wheels[-1] if wheels else None
