"""Conda environments: solved and installed by the conda, mamba or micromamba of this machine, else by py-rattler."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from clearml_agent.environments import tools
from clearml_agent.environments.cache import Cache
from clearml_agent.environments.installer import Place
from clearml_agent.environments.interpreters import own_interpreter
from clearml_agent.environments.recipes import PREFIX, Recipe, content_of, file_digest, index_facts
from clearml_agent.environments.requirements import Plan, is_pinned
from clearml_agent.errors import EnvironmentFailed
from clearml_agent.process import HelperTimeout, run_process
from clearml_agent.vcs.addresses import without_secrets

PROGRAMS = ("micromamba", "mamba", "conda")
TOOL = ("py-rattler>=0.20", "pyyaml")
RESULT = "conda.json"
_LINE = re.compile(r"^\s*([A-Za-z0-9_][\w.-]*)")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a conda environment is to hold.

    file: an environment file, which decides alone. lines: of conda; candidates: of pip, which conda is asked for first.
    python: `3.11`, "" for any. added: for pip in any case, such as our SDK.
    """

    file: Path | None = None
    lines: Sequence[str] = ()
    candidates: Sequence[str] = ()
    python: str = ""
    added: Sequence[str] = ()


class CondaEnvironment(Recipe):
    """A whole environment with its own Python, at the place where it stays."""

    tree = PREFIX

    def __init__(self, wanted: Wanted, cache: Cache, directory: Path, environ: Mapping[str, str]) -> None:
        self.wanted, self.cache, self.directory, self.environ = wanted, cache, directory, environ
        self.installer, self.settings = cache.installer, cache.installer.settings
        self.is_pinned = wanted.file is None and all(
            is_pinned(line) or re.match(r"^[\w.-]+=[^=<>]+=[^=<>]+$", line)
            for line in (*wanted.lines, *wanted.candidates)
        )

    @property
    def facts(self) -> dict[str, Any]:
        wanted, own = self.wanted, own_interpreter()
        return {
            "tool": "conda",
            "machine": f"{own.platform} {own.libc}",
            "files": {wanted.file.name: file_digest(wanted.file)} if wanted.file else {},
            "packages": sorted([*wanted.lines, *map(content_of, (*wanted.candidates, *wanted.added))]),
            "python": wanted.python,
            "channels": [without_secrets(name) for name in self.settings.conda.channels],
            "indexes": index_facts(self.settings),
        }

    @property
    def requirements(self) -> list[str]:
        wanted = self.wanted
        return [wanted.file.name] if wanted.file else [*wanted.lines, *map(without_secrets, wanted.candidates)]

    def frozen(self, entry: Path) -> list[str]:
        return list(json.loads((entry / RESULT).read_bytes())["installed"])

    async def fill(self, entry: Path) -> None:
        if self.settings.is_offline:
            raise EnvironmentFailed(
                "the agent runs in standalone mode, and this conda environment is not in the cache: start the task "
                "once without --standalone-mode"
            )
        prefix = entry / PREFIX
        program = next((path for name in PROGRAMS if (path := shutil.which(name, path=self.environ.get("PATH")))), None)
        result = await (self._by_program(program, entry) if program else self._by_rattler(entry))
        python = prefix / "bin" / "python"
        if not python.exists():
            raise EnvironmentFailed(
                "the conda environment has no Python. Name one in environment.yml, or channels that have one "
                "(agent.package_manager.conda_channels)"
            )
        pip = [*result["pip"], *self.wanted.added]
        if pip:
            await self.installer.install(
                pip, Place(python), plan=Plan(), folder=entry, scratch=entry, flags=["--break-system-packages"]
            )
        (entry / RESULT).write_text(json.dumps(result))

    async def _by_rattler(self, entry: Path) -> dict[str, Any]:
        wanted = self.wanted
        python, site = await tools.obtain(self.cache, TOOL, self.directory)
        job = {
            "file": str(wanted.file) if wanted.file else None,
            "specs": list(wanted.lines),
            "candidates": list(wanted.candidates),
            "channels": list(self.settings.conda.channels),
            "python": wanted.python,
            "prefix": str(entry / PREFIX),
            "cache": str(self.cache.directory / "conda"),
        }
        argv = tools.file_command(python, site, Path(__file__).with_name("conda_tool.py"))
        return dict(json.loads(await self._run(argv, entry, json.dumps(job).encode())))

    async def _by_program(self, program: str, entry: Path) -> dict[str, Any]:
        wanted, prefix = self.wanted, entry / PREFIX
        self.installer.log(f"{program} makes the environment")
        if wanted.file is not None:
            argv = [program, "env", "create", "--yes", "--quiet", "--prefix", str(prefix), "--file", str(wanted.file)]
            if Path(program).name == "conda":
                argv.remove("--yes")
            await self._run(argv, entry)
            pip: list[str] = []
        else:
            python = f"python={wanted.python}" if wanted.python else "python"
            specs = list(wanted.lines)
            specs += [] if any(name_of(line) == "python" for line in specs) else [python]
            channels = [word for name in self.settings.conda.channels for word in ("--channel", name)]
            await self._run([program, "create", "--yes", "--quiet", "--prefix", str(prefix), *channels, *specs], entry)
            pip = list(wanted.candidates)
        listed = json.loads(await self._run([program, "list", "--json", "--prefix", str(prefix)], entry))
        found = [f"{item['name']}={item['version']}={item.get('build_string', '')}" for item in listed]
        return {"installed": sorted(found), "pip": pip}

    async def _run(self, argv: list[str], folder: Path, stdin: bytes = b"") -> bytes:
        try:
            done = await run_process(
                argv,
                cwd=folder,
                env=tools.bare(self.environ),
                stdin=stdin,
                timeout_s=self.settings.install_s,
                log=self.installer.say,
            )
        except HelperTimeout as error:
            raise EnvironmentFailed(f"conda did not end within {error.timeout_s:.0f} s and was stopped") from None
        if done.code != 0:
            raise EnvironmentFailed(
                "the conda environment cannot be made. Correct environment.yml or the task's packages, or the channels "
                f"(agent.package_manager.conda_channels).\n{without_secrets(done.errors)[-3000:]}"
            )
        return done.output


def name_of(line: str) -> str:
    """The package of a conda line. Pure."""
    match = _LINE.match(line.rpartition("::")[2])
    return match[1].lower() if match else ""


async def activation(prefix: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of an activated environment: conda's own, and what its packages' scripts set."""
    found = {"CONDA_PREFIX": str(prefix), "CONDA_DEFAULT_ENV": str(prefix)}
    for file in sorted((prefix / "etc" / "conda" / "env_vars.d").glob("*.json")):
        found |= {str(name): str(value) for name, value in json.loads(file.read_bytes()).items()}
    scripts = sorted((prefix / "etc" / "conda" / "activate.d").glob("*.sh"))
    if not scripts:
        return found
    before = {**tools.bare(environ), **found, "PATH": f"{prefix}/bin:{environ.get('PATH', os.defpath)}"}
    program = 'for script; do . "$script" >&2; done; env -0'
    done = await run_process(
        ["bash", "-c", program, "activate", *map(str, scripts)], env=before, timeout_s=60, cwd=prefix
    )
    pairs = (item.partition("=") for item in done.output.decode("utf-8", "replace").split("\0") if "=" in item)
    after = {name: value for name, _, value in pairs if name not in ("PWD", "SHLVL", "_", "OLDPWD", "PATH")}
    return found | {name: value for name, value in after.items() if before.get(name) != value}


async def unpacked(package: str, folder: Path) -> Path:
    """The conda environment at `package`: a directory, or an archive of conda-pack, unpacked to `folder`."""
    path = Path(os.path.expandvars(package)).expanduser()
    if path.is_dir():
        return path
    if not path.is_file():
        raise EnvironmentFailed(
            f"there is no conda environment at {path}, no folder and no archive of conda-pack: correct the image of "
            "the task's container (agent.package_manager.conda_env_as_base_docker), or CLEARML_CONDA_ENV_PACKAGE"
        )
    prefix = folder / PREFIX
    prefix.mkdir(parents=True)
    await asyncio.to_thread(shutil.unpack_archive, path, prefix)
    fix = prefix / "bin" / "conda-unpack"
    if fix.exists():
        await run_process([str(prefix / "bin" / "python"), str(fix)], timeout_s=600)
    return prefix
