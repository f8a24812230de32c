"""Interpreters of this machine: which one a task asks for, and the facts that an environment depends on."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from clearml_agent.environments.settings import PackageSettings
from clearml_agent.errors import EnvironmentFailed
from clearml_agent.process import HelperTimeout, Log, run_process

FACTS = r"""
import json, os, platform, sys, sysconfig
base = getattr(sys, "_base_executable", None) or sys.executable
scheme = "venv" if "venv" in sysconfig.get_scheme_names() else "posix_prefix"
at = {"base": "", "platbase": "", "installed_base": "", "installed_platbase": ""}
facts = {
    "executable": os.path.realpath(base),
    "version": platform.python_version(),
    "implementation": sys.implementation.name,
    "abi": sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag or "",
    "platform": sysconfig.get_platform(),
    "libc": "-".join(platform.libc_ver()),
    "site_packages": sysconfig.get_path("purelib", scheme, at).lstrip("/"),
}
"""
QUESTION = FACTS + "print(json.dumps(facts))"
ASK_S = 30.0


class Interpreter(msgspec.Struct, frozen=True):
    """One Python.

    executable: real path, of the base interpreter where it was found through a virtual environment.
    site_packages: of a virtual environment made from it, relative to its root: `lib/python3.11/site-packages`.
    libc: name and version, "" where there is none to speak of.
    """

    executable: str
    version: str
    implementation: str
    abi: str
    platform: str
    libc: str
    site_packages: str

    @property
    def minor(self) -> str:
        """`3.11`"""
        return ".".join(self.version.split(".")[:2])

    def is_at_least(self, major: int, minor: int) -> bool:
        """Whether this is Python `major.minor` or newer."""
        return tuple(map(int, self.minor.split("."))) >= (major, minor)

    @property
    def identity(self) -> tuple[str, ...]:
        """What an environment built for it depends on."""
        return (self.executable, self.version, self.implementation, self.abi, self.platform, self.libc)


@functools.cache
def own_interpreter() -> Interpreter:
    """The interpreter that runs the agent, without starting it again."""
    scope: dict[str, Any] = {}
    exec(FACTS, scope)
    return msgspec.convert(scope["facts"], type=Interpreter)


async def find_interpreter(
    wish: str, settings: PackageSettings, *, cache: Path, environ: Mapping[str, str], log: Log
) -> Interpreter:
    """The interpreter for a task that wants version `wish` ("" for any).

    The order is of contract/agent_behaviour.md 5: the wish, agent.python_binary, agent.default_python, the agent's own.
    Where no interpreter has the version that it wants, it gets what it would get without the wish, with a warning.
    """
    wish = "" if settings.ignore_python_wish else wish
    search = environ.get("PATH", os.defpath)
    if wish and not _has_version(own_interpreter(), wish):
        for candidate in _candidates(wish, settings, search):
            found = await describe(candidate, cache)
            if found is not None and _has_version(found, wish):
                return found
        if (elsewhere := await _known_to_uv(wish, environ)) and (found := await describe(elsewhere, cache)):
            return found
    elif wish:
        return own_interpreter()
    for name in (settings.python_binary, settings.default_python):
        if not name:
            continue
        binary = f"python{name}" if name[0].isdigit() else name
        path = shutil.which(str(Path(binary).expanduser()) if "/" in binary else binary, path=search)
        found = await describe(Path(path), cache) if path else None
        if found is not None:
            return _with_warning(found, wish, log)
        log(f"WARNING: the configured Python {name!r} cannot be run (agent.python_binary, agent.default_python)")
    return _with_warning(own_interpreter(), wish, log)


async def describe(executable: Path, cache: Path) -> Interpreter | None:
    """Ask an interpreter about itself; None when it cannot be run. A binary's answer is kept, a script's is not."""
    try:
        facts = executable.stat()
        with executable.open("rb") as file:
            is_script = file.read(2) == b"#!"
    except OSError:
        return None
    asked = f"{executable}\0{executable.resolve()}\0{facts.st_mtime_ns}\0{facts.st_size}\0{QUESTION}"
    kept = cache / "interpreters" / f"{hashlib.sha256(asked.encode()).hexdigest()[:32]}.json"
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(kept.read_bytes(), type=Interpreter)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        done = await run_process([str(executable), "-I", "-c", QUESTION], env=environment, timeout_s=ASK_S)
        found = msgspec.json.decode(done.output, type=Interpreter)
    except (OSError, HelperTimeout, msgspec.DecodeError):
        return None
    if not is_script:
        kept.parent.mkdir(parents=True, exist_ok=True)
        new = kept.with_name(f".{uuid.uuid4().hex}")
        new.write_bytes(msgspec.json.encode(found))
        os.replace(new, kept)
    return found


def uv_program() -> str:
    """The uv of the `uv` package, else the one on the path."""
    with contextlib.suppress(ImportError, FileNotFoundError):
        import uv

        return str(uv.find_uv_bin())
    if found := shutil.which("uv"):
        return found
    raise EnvironmentFailed("uv was not found: install the agent with `pip install 'clearml-lean[agent]'`")


def _candidates(wish: str, settings: PackageSettings, search: str) -> list[Path]:
    names = [
        settings.python_binary,
        settings.default_python,
        f"python{wish}",
        f"python{_minor(wish)}",
        "python3",
        "python",
    ]
    found = (shutil.which(name, path=search) for name in names if name and not name[0].isdigit())
    return [Path(path) for path in dict.fromkeys(found) if path]


async def _known_to_uv(wish: str, environ: Mapping[str, str]) -> Path | None:
    """An interpreter that uv knows (it installs some of its own, off the path); never a download."""
    argv = [uv_program(), "python", "find", "--no-python-downloads", "--no-project", "--no-config", wish]
    environment = {name: value for name, value in environ.items() if name != "VIRTUAL_ENV"}
    try:
        done = await run_process(argv, env=environment, timeout_s=ASK_S)
    except HelperTimeout:
        return None
    text = done.output.decode().strip()
    return Path(text) if done.code == 0 and text else None


def _has_version(interpreter: Interpreter, wish: str) -> bool:
    return (interpreter.version + ".").startswith(wish + ".")


def _minor(wish: str) -> str:
    return ".".join(wish.split(".")[:2])


def _with_warning(interpreter: Interpreter, wish: str, log: Log) -> Interpreter:
    if wish and not _has_version(interpreter, wish):
        log(f"WARNING: the task asks for Python {wish}, which is not on this machine: it gets {interpreter.version}")
    return interpreter
