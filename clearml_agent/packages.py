"""Which packages a directory of an environment holds, as `pip freeze` would say it, without starting anything."""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LEFT_OUT = frozenset({"pip", "setuptools", "wheel", "distribute"})
"""What `pip freeze` leaves out."""


def freeze(folders: Iterable[Path]) -> list[str]:
    """Requirement lines for the packages of `folders`, sorted; of two with one name the earlier folder's counts."""
    found: dict[str, str] = {}
    for folder in folders:
        for distribution in importlib.metadata.distributions(path=[str(folder)]):
            name = distribution.metadata["Name"]
            if not name:
                continue  # a folder that only looks like a package
            key = re.sub(r"[-_.]+", "-", name).lower()
            if key not in LEFT_OUT:
                found.setdefault(key, line_of(name, distribution.version, distribution.read_text("direct_url.json")))
    return [found[key] for key in sorted(found)]


def line_of(name: str, version: str, direct_url: str | None) -> str:
    """One line: `name==version`, or where the package came from. Source: PEP 610."""
    if not direct_url:
        return f"{name}=={version}"
    try:
        facts: dict[str, Any] = json.loads(direct_url)
    except ValueError:
        return f"{name}=={version}"
    url = str(facts.get("url") or "")
    folder = f"&subdirectory={facts['subdirectory']}" if facts.get("subdirectory") else ""
    if source := facts.get("vcs_info"):
        return f"{name} @ {source['vcs']}+{url}@{source['commit_id']}" + folder.replace("&", "#", 1)
    if (facts.get("dir_info") or {}).get("editable"):
        return f"-e {url.removeprefix('file://')}"
    hashes = (facts.get("archive_info") or {}).get("hashes") or {}
    digest = f"#sha256={hashes['sha256']}" if "sha256" in hashes else ""
    return f"{name} @ {url}{digest or folder.replace('&', '#', 1)}"
