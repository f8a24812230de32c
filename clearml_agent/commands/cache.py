"""`clearml-agent cache`: list the built environments, say what they take, remove what nobody needs."""

from __future__ import annotations

import asyncio
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from clearml_agent import config, show
from clearml_agent.commands.options import Commands
from clearml_agent.environments import PackageSettings, inventory
from clearml_sdk.config import Config

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@click.group("cache", cls=Commands)
def cache() -> None:
    """The cache of built environments."""


@cache.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def list_environments(context: click.Context, as_json: bool) -> None:
    """List the environments, the most recently used first."""
    found = inventory.items(_folder(context)[0])
    if as_json:
        print(json.dumps(msgspec.to_builtins(found), indent=2))
        return
    if not found:
        print("no environment is in the cache")
        return
    rows = [
        (
            item.name,
            item.python,
            str(item.packages),
            _shown(item.size),
            _time(item.used_at),
            item.state,
            _short(item.requirements),
        )
        for item in found
    ]
    show.table(("environment", "python", "packages", "size", "last used", "state", "asked for"), rows)


@cache.command("size")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def size(context: click.Context, as_json: bool) -> None:
    """Say how much of the disk the cache takes."""
    found = inventory.size(_folder(context)[0])
    if as_json:
        print(json.dumps(msgspec.to_builtins(found), indent=2))
        return
    rows = [(found.path, str(found.environments), _shown(found.size), _shown(found.free))]
    show.table(("folder", "environments", "size", "free on the disk"), rows)


@cache.command("prune")
@click.argument("names", nargs=-1)
@click.option(
    "--unused", default="0s", show_default=True, help="Only those that nobody used for so long: 90m, 12h, 7d."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def prune(context: click.Context, names: tuple[str, ...], unused: str, as_json: bool) -> None:
    """Remove environments that no task uses: all, or those of the given NAMES."""
    folder, loaded = _folder(context)
    packages = PackageSettings.from_config(loaded.get, os.environ)
    work = inventory.prune(
        folder, packages, lambda line: click.echo(line, err=True), unused_s=_seconds(unused), names=names
    )
    removed = asyncio.run(work)
    if as_json:
        print(json.dumps(msgspec.to_builtins(removed), indent=2))
        return
    for item in removed:
        print(f"removed {item.name} ({_shown(item.size)})")
    print(f"{len(removed)} environments removed, {_shown(sum(item.size for item in removed))}")


def _folder(context: click.Context) -> tuple[Path, Config]:
    """The cache, which needs no server, and the configuration."""
    loaded = config.load(context.obj["config_file"])
    return config.environments_directory(loaded, config.home_directory()), loaded


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw]?)", text.strip())
    if match is None:
        raise click.BadParameter(f"{text!r} is no time: write 90m, 12h or 7d", param_hint="--unused")
    return float(match[1]) * UNITS[match[2] or "s"]


def _shown(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _short(lines: list[str]) -> str:
    text = ", ".join(lines)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
