"""uv for images with musl for their C library (Alpine), where the agent's own does not run: its static build."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from clearml_agent.environments.installer import Installer, Place
from clearml_agent.environments.interpreters import Interpreter, own_interpreter
from clearml_agent.environments.requirements import Plan
from clearml_agent.environments.settings import PackageSettings
from clearml_agent.errors import EnvironmentFailed
from clearml_agent.process import Log, helpers_run


def is_musl(interpreter: Interpreter) -> bool:
    """Whether this Python is none of glibc's. Pure. Before Python 3.9 Alpine's named the ABI like glibc's."""
    return "musl" in f"{interpreter.abi} {interpreter.libc}" or not interpreter.libc.strip("-")


async def static_uv(
    interpreter: Interpreter, settings: PackageSettings, *, cache: Path, environ: Mapping[str, str], log: Log
) -> Path:
    """The program, in the cache that containers have; of the same version as the agent's. Raises EnvironmentFailed."""
    machine = interpreter.platform.partition("-")[2] or "x86_64"
    installer = Installer(settings, environ, log)
    folder = cache / "images" / f"{installer.identity().replace(' ', '-')}-musl-{machine}"
    program = folder / "bin" / "uv"
    if program.exists():
        return program
    log("The image has musl for its C library: uv's build for it is fetched, once")
    new = folder.with_name(f".{uuid.uuid4().hex}")
    new.mkdir(parents=True)
    flags = ["--python-platform", f"{machine}-unknown-linux-musl", "--no-deps", "--only-binary", ":all:"]
    line = installer.identity().replace(" ", "==")
    try:
        with helpers_run(None):
            place = Place(Path(own_interpreter().executable), target=new)
            await installer.install([line], place, plan=Plan(), folder=new, scratch=new, flags=flags)
        if not folder.exists():
            new.rename(folder)
    except EnvironmentFailed as failed:
        raise EnvironmentFailed(
            f"the image has musl for its C library (Alpine), and uv's build for musl cannot be fetched: {failed}. Use "
            "an image with glibc (Debian, Ubuntu, Fedora), or give this machine a package index that has uv's wheels"
        ) from None
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return program
