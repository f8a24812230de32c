"""Solve and install a conda environment with py-rattler. Runs by itself, with the packages of its tool environment.

Reads a job from its standard input, writes what it installed to its standard output (both JSON):

    job     {"file": "environment.yml" or null, "specs": [conda lines], "candidates": [pip lines], "channels": [...],
             "python": "3.11" or "", "prefix": directory, "cache": directory}
    result  {"installed": ["name=version=build", ...], "pip": [pip lines that conda does not have]}
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # the agent itself has neither of them
    import rattler
    import rattler.exceptions
    import yaml

DEFAULTS = ["https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r"]
OTHER_NAMES = {"torch": "pytorch", "opencv-python": "opencv", "tables": "pytables"}
PLAIN = re.compile(r"^([A-Za-z0-9][\w.-]*)\s*((?:[=<>!~]=?=?\s*[\w.*+!]+\s*,?\s*)*)$")


def read_file(path: Path) -> tuple[list[str], list[str], list[str]]:
    """Channels, conda lines and pip lines of an environment file."""
    found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    conda: list[str] = []
    pip: list[str] = []
    for item in found.get("dependencies") or []:
        if isinstance(item, dict):
            pip += [str(line) for line in item.get("pip") or []]
        else:
            conda.append(str(item))
    return [str(name) for name in found.get("channels") or [] if name != "nodefaults"], conda, pip


def as_conda(line: str) -> tuple[str, str] | None:
    """A pip line as (name, match specification); None for what conda has no word for."""
    match = PLAIN.match(line.strip())
    if match is None:
        return None
    name = re.sub(r"[_.]+", "-", match[1]).lower()
    name = OTHER_NAMES.get(name, name)
    version = re.sub(r"\s+", "", match[2]).replace("===", "==").rstrip(",")
    return name, f"{name} {version}".strip()


def without_build(spec: str) -> str:
    """`numpy=1.26=py311_0` without its build, which another platform does not have."""
    return re.sub(r"^([\w.-]+==?[\w.*+!]+)=[^=\s]+$", r"\1", spec.strip())


async def split(
    gateway: rattler.Gateway, channels: list[str], platforms: list[Any], candidates: list[str]
) -> tuple[list[str], list[str]]:
    """Of pip lines, those that the channels have, as specifications, and the others."""
    known = {line: as_conda(line) for line in candidates}
    names = sorted({found[0] for found in known.values() if found})
    records: dict[str, list[Any]] = {}
    if names:
        for source in await gateway.query(channels, platforms, names, recursive=False):
            for record in source:
                records.setdefault(record.name.normalized, []).append(record)
    conda, pip = [], []
    for line, found in known.items():
        if found and any(rattler.MatchSpec(found[1]).matches(record) for record in records.get(found[0], [])):
            conda.append(found[1])
        else:
            pip.append(line)
    return conda, pip


async def main() -> None:
    job = json.load(sys.stdin)
    channels, specs = list(job["channels"]), list(job["specs"])
    pip: list[str] = []
    if job["file"]:
        own, specs, pip = read_file(Path(job["file"]))
        channels = own or channels
    channels = [url for name in channels for url in (DEFAULTS if name == "defaults" else [name])]
    gateway = rattler.Gateway(cache_dir=Path(job["cache"]) / "repodata")
    platforms = [str(rattler.Subdir.current()), "noarch"]
    more, lacking = await split(gateway, channels, platforms, job["candidates"])
    specs += more
    pip += lacking
    if not any(re.match(r"python\b(?!-)", spec) for spec in specs):
        specs.append(f"python {job['python']}.*" if job["python"] else "python")
    options: dict[str, Any] = {
        "gateway": gateway, "platforms": platforms, "virtual_packages": rattler.VirtualPackage.detect(),
    }  # fmt: skip
    try:
        records = await rattler.solve(channels, [rattler.MatchSpec(spec) for spec in specs], **options)
    except rattler.exceptions.SolverError:
        looser = [without_build(spec) for spec in specs]
        if looser == specs:
            raise
        print("no solution with the recorded builds: the versions alone are asked for", file=sys.stderr)
        records = await rattler.solve(channels, [rattler.MatchSpec(spec) for spec in looser], **options)
    print(f"Installing {len(records)} conda packages", file=sys.stderr)
    await rattler.install(
        records, job["prefix"], cache_dir=Path(job["cache"]) / "pkgs", show_progress=False, execute_link_scripts=True
    )
    installed = [f"{record.name.normalized}={record.version}={record.build}" for record in records]
    print(json.dumps({"installed": sorted(installed), "pip": pip}))


if __name__ == "__main__":
    known = vars(rattler.exceptions).values()
    ERRORS = tuple(kind for kind in known if isinstance(kind, type) and issubclass(kind, Exception))
    code = 0
    try:
        asyncio.run(main())
    except (*ERRORS, OSError, ValueError, yaml.YAMLError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # rattler's threads may still drop Python objects: an interpreter that ends under them crashes
