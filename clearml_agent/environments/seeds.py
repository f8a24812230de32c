"""pip and its like, which every environment of an interpreter has: one entry of the cache for all of them."""

from __future__ import annotations

import time
from pathlib import Path

from clearml_agent.environments.cache import Cache
from clearml_agent.environments.interpreters import Interpreter
from clearml_agent.environments.layout import Entry
from clearml_agent.environments.recipes import SEEDS, Packages, Want
from clearml_agent.environments.requirements import Plan
from clearml_agent.errors import EnvironmentFailed

RETRY_S = 600.0


async def obtain_seeds(cache: Cache, interpreter: Interpreter, directory: Path) -> Entry | None:
    """pip (of `agent.package_manager.pip_version`), for what a task installs by itself, and setuptools where scripts
    take it for granted; last on the path. None, with a warning, where they cannot be had.
    """
    lines = cache.settings.pip_version or ("pip",)
    if not interpreter.is_at_least(3, 12):
        lines = (*lines, "setuptools<81")
    want = Want(SEEDS, Packages(Plan(shared=lines), interpreter, cache.installer, any_version=True))
    failed = cache.directory / f"{want.key}.failed"
    if failed.exists() and time.time() - failed.stat().st_mtime < RETRY_S:
        return None
    try:
        return (await cache.obtain(want, directory))[0]
    except EnvironmentFailed as error:
        failed.touch()
        cache.log(f"WARNING: this environment has no pip: {error.message}")
        return None
