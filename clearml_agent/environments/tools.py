"""Programs that the agent needs now and then (poetry, conda's solver): installed on demand, each in its own place.

They are entries of the cache like any other: built once under a lock, removed when nobody used them for long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from clearml_agent.environments.cache import Cache
from clearml_agent.environments.interpreters import Interpreter, agents_interpreter
from clearml_agent.environments.recipes import TOOL, Packages, Want
from clearml_agent.environments.requirements import Plan
from clearml_agent.errors import EnvironmentFailed
from clearml_agent.process import helpers_run_elsewhere

MODULE = (
    "import runpy, site, sys; site.addsitedir(sys.argv[1]); sys.argv = sys.argv[2:]; "
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)
FILE = (
    "import runpy, site, sys; site.addsitedir(sys.argv[1]); sys.argv = sys.argv[2:]; "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)


async def obtain(
    cache: Cache, packages: Sequence[str], directory: Path, interpreter: Interpreter | None = None
) -> tuple[str, Path]:
    """The interpreter and the package directory of a tool, in use as long as `directory` exists.

    Args:
        interpreter: runs it where the agent's own cannot, in a container.

    Raises EnvironmentFailed.
    """
    if interpreter is None or not helpers_run_elsewhere():
        interpreter = await agents_interpreter(cache.directory)
    recipe = Packages(Plan(shared=tuple(packages)), interpreter, cache.installer, any_version=True)
    try:
        entry, _ = await cache.obtain(Want(TOOL, recipe), directory)
    except EnvironmentFailed as failed:
        raise EnvironmentFailed(f"{packages[0]} cannot be installed on the agent's machine: {failed.message}") from None
    return interpreter.executable, entry.site


def module_command(python: str, site: Path, module: str, *arguments: str) -> list[str]:
    """The command line that runs `python -m module` with the packages of `site`, which no child of it sees."""
    return [python, "-I", "-c", MODULE, str(site), module, *arguments]


def file_command(python: str, site: Path, file: Path, *arguments: str) -> list[str]:
    """The same for a Python file."""
    return [python, "-I", "-c", FILE, str(site), str(file), *arguments]


def bare(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without virtual environments, for a tool that is told which one it works on."""
    dropped = ("VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "PYTHONPATH", "PYTHONHOME", "POETRY_ACTIVE")
    return {name: value for name, value in environment.items() if name not in dropped}
