"""A task's environment on top of a conda environment: what the task installs by itself stays its own here, too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from clearml_agent.environments import modes, thin
from clearml_agent.environments.build import path_of_others
from clearml_agent.environments.cache import Cache
from clearml_agent.environments.conda import CondaEnvironment, Wanted, activation, unpacked
from clearml_agent.environments.installer import Installer, Place
from clearml_agent.environments.interpreters import describe, version_in
from clearml_agent.environments.layout import Entry
from clearml_agent.environments.recipes import ENVIRONMENT, Want
from clearml_agent.environments.request import Clock, Environment, EnvironmentRequest
from clearml_agent.environments.requirements import SDK_NAMES, Plan, read_plan, requirement_name
from clearml_agent.environments.seeds import obtain_seeds
from clearml_agent.errors import EnvironmentFailed
from clearml_agent.packages import freeze
from clearml_agent.process import Log


async def build_conda(
    request: EnvironmentRequest, directory: Path, *, cache: Path, log: Log, environ: Mapping[str, str], clock: Clock
) -> Environment:
    """See `build`."""
    settings = request.settings
    installer = Installer(settings, environ, log)
    store = Cache(cache, installer, settings, log)
    directory.mkdir(parents=True)
    modes.say(request.mode, settings, log)
    plan = read_plan(request.requirements, request.root, sdk_wheel_url=request.sdk_wheel_url, log=log)
    entries: list[Entry] = []
    key, reused = "", True
    if settings.conda.base:
        prefix = await unpacked(settings.conda.base, directory / "conda")
        log(f"The conda environment {prefix} is used as it is")
    else:
        sdk = [line for line in plan.shared if requirement_name(line) in SDK_NAMES]
        wheel = [line for line in sdk if " @ " in line]
        wish = request.python_wish
        wanted = Wanted(
            file=request.mode.file,
            lines=[] if request.mode.file else list(request.conda),
            candidates=[] if request.mode.file else [line for line in plan.shared if line not in wheel],
            python="" if settings.ignore_python_wish else version_in(wish) if "/" in wish else wish,
            added=wheel or (sdk if request.mode.file else []),
        )
        want = Want(ENVIRONMENT, CondaEnvironment(wanted, store, directory, environ))
        entry, reused = await store.obtain(want, directory)
        entries, key, prefix = [entry], want.key, entry.tree
    clock.took("packages")
    interpreter = await describe(prefix / "bin" / "python", cache)
    if interpreter is None:
        raise EnvironmentFailed(f"the Python of the conda environment {prefix} cannot be run")
    site = prefix / interpreter.site_packages
    seeds = None if (site / "pip").is_dir() else await obtain_seeds(store, interpreter, directory)
    python = thin.make(directory, interpreter, [seeds] if seeds else [], system_site_packages=True)
    clock.took("thin")
    if plan.own:
        installer = await installer.with_repositories(request.repositories, plan.own)
        await installer.install(
            plan.own,
            Place(python),
            plan=Plan(options=plan.options),
            folder=request.root or directory,
            scratch=directory,
        )
        clock.took("own")
    log(f"Environment {key or prefix}: {'reused' if reused else 'built'} in {sum(clock.stages.values()):.3f} s")
    path = [str(python.parent), str(prefix / "bin"), *path_of_others(environ)]
    return Environment(
        python=python,
        variables={**await activation(prefix, environ), "VIRTUAL_ENV": str(directory), "PATH": os.pathsep.join(path)},
        reused=reused and not plan.own,
        frozen=freeze([directory / interpreter.site_packages, site]),
        frozen_conda=entries[0].record.frozen if entries else [],
        key=key,
        is_recorded=settings.conda.full_update,
        stages=clock.stages,
        shared=(*entries, *([seeds] if seeds else [])),
    )
