"""Interpreters of this machine: which one a task asks for, and the facts that an environment depends on."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
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
names = sysconfig.get_scheme_names()
own = "pypy" if sys.implementation.name == "pypy" and sys.version_info < (3, 8) else "posix_prefix"
scheme = "venv" if "venv" in names else own if own in names else "posix_prefix"
at = {"base": "", "platbase": "", "installed_base": "", "installed_platbase": ""}
facts = {
    "executable": os.path.realpath(base),
    "version": platform.python_version(),
    "implementation": sys.implementation.name,
    "abi": sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag or "",
    "platform": sysconfig.get_platform(),
    "libc": "-".join(platform.libc_ver()),
    "build": sys.version,
    "library": os.path.join(sysconfig.get_config_var("LIBDIR") or "", sysconfig.get_config_var("INSTSONAME") or ""),
    "site_packages": sysconfig.get_path("purelib", scheme, at).lstrip("/"),
}
"""
QUESTION = FACTS + "print(json.dumps(facts))"
ASK_S = 30.0
IDENTITY = ("executable", "version", "implementation", "abi", "platform", "libc", "build")
"""The fields of an Interpreter that an environment depends on."""


class Interpreter(msgspec.Struct, frozen=True):
    """One Python.

    executable: real path, of the base interpreter where it was found through a virtual environment.
    site_packages: of a virtual environment made from it, relative to its root: `lib/python3.11/site-packages`.
    libc: name and version, "" where there is none to speak of. build: when and by what it was compiled.
    library: the shared library that holds the interpreter, where there is one.
    """

    executable: str
    version: str
    implementation: str
    abi: str
    platform: str
    libc: str
    site_packages: str
    build: str = ""
    library: str = ""

    @property
    def minor(self) -> str:
        """`3.11`"""
        return ".".join(self.version.split(".")[:2])

    def is_at_least(self, major: int, minor: int) -> bool:
        """Whether this is Python `major.minor` or newer."""
        return tuple(map(int, self.minor.split("."))) >= (major, minor)


@functools.cache
def _started_with() -> tuple[Interpreter, tuple[str, ...]]:
    """The interpreter that runs this process, and how its files looked when it was first asked for."""
    scope: dict[str, Any] = {}
    exec(FACTS, scope)
    found = msgspec.convert(scope["facts"], type=Interpreter)
    return found, stamps(Path(found.executable), found.library)


def own_interpreter() -> Interpreter:
    """The interpreter that runs the agent, without starting it again."""
    return _started_with()[0]


async def agents_interpreter(cache: Path) -> Interpreter:
    """The interpreter of the agent as it is on the disk now, which may have been replaced since the agent started."""
    found, seen = _started_with()
    path = Path(found.executable)
    return found if stamps(path, found.library) == seen else await describe(path, cache) or found


def stamps(executable: Path, library: str = "") -> tuple[str, ...]:
    """What changes when an interpreter is replaced by another one at the same path."""
    found = [str(executable)]
    for path in (executable, Path(library) if library else None):
        with contextlib.suppress(OSError):
            if path is not None and path.is_file():
                facts = path.stat()
                found.append(f"{os.path.realpath(path)} {facts.st_mtime_ns} {facts.st_size} {facts.st_ino}")
    return tuple(found)


async def find_interpreter(
    wish: str, settings: PackageSettings, *, cache: Path, environ: Mapping[str, str], log: Log
) -> Interpreter:
    """The interpreter for a task that wants version `wish` ("" for any), or the interpreter at the path `wish`.

    The order is of contract/agent_behaviour.md 5: the wish, agent.python_binary, agent.default_python, the agent's own.
    Where no interpreter has the version that it wants, it gets what it would get without the wish, with a warning.
    """
    wish = "" if settings.ignore_python_wish else wish
    own = await agents_interpreter(cache)
    if "/" in wish:
        if chosen := await describe(Path(wish), cache):
            return chosen
        wish = version_in(wish)
    search = environ.get("PATH", os.defpath)
    if wish and not _has_version(own, wish):
        for candidate in _candidates(wish, settings, search):
            found = await describe(candidate, cache)
            if found is not None and _has_version(found, wish):
                return found
        if (elsewhere := await _known_to_uv(wish, environ)) and (found := await describe(elsewhere, cache)):
            return found
    elif wish:
        return own
    for name in (settings.python_binary, settings.default_python):
        if not name:
            continue
        binary = f"python{name}" if name[0].isdigit() else name
        path = shutil.which(str(Path(binary).expanduser()) if "/" in binary else binary, path=search)
        found = await describe(Path(path), cache) if path else None
        if found is not None:
            return _with_warning(found, wish, log)
        log(f"WARNING: the configured Python {name!r} cannot be run (agent.python_binary, agent.default_python)")
    return _with_warning(own, wish, log)


async def describe(executable: Path, cache: Path) -> Interpreter | None:
    """Ask an interpreter about itself; None when it cannot be run. A binary's answer is kept, a script's is not."""
    try:
        with executable.open("rb") as file:
            is_script = file.read(2) == b"#!"
    except OSError:
        return None
    asked = "\0".join([*stamps(executable), str(executable.resolve()), QUESTION])
    kept = cache / "interpreters" / f"{hashlib.sha256(asked.encode()).hexdigest()[:32]}.json"
    with contextlib.suppress(OSError, msgspec.DecodeError):
        known = msgspec.json.decode(kept.read_bytes(), type=_Known)
        if tuple(known.library_stamps) == stamps(Path(), known.interpreter.library):
            return known.interpreter
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        done = await run_process([str(executable), "-I", "-c", QUESTION], env=environment, timeout_s=ASK_S)
        found = msgspec.json.decode(done.output, type=Interpreter)
    except (OSError, HelperTimeout, msgspec.DecodeError):
        return None
    if not is_script:
        kept.parent.mkdir(parents=True, exist_ok=True)
        new = kept.with_name(f".{uuid.uuid4().hex}")
        new.write_bytes(msgspec.json.encode(_Known(found, list(stamps(Path(), found.library)))))
        os.replace(new, kept)
    return found


class _Known(msgspec.Struct, frozen=True):
    """What is kept of an interpreter that was asked."""

    interpreter: Interpreter
    library_stamps: list[str]


def version_in(name: str) -> str:
    """`3.11` of `python3.11`, `/usr/bin/python3.11` or `python3.11.4` (`3.11.4`); "" when it says no minor version."""
    match = re.search(r"python(\d+\.\d+(?:\.\d+)?)(?:\.exe)?$", Path(name).name)
    return match[1] if match else ""


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
