"""pip itself, for what uv does not do: other version control systems, options of pip's own, and old pips' resolver."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from clearml_agent.environments import thin
from clearml_agent.environments.harvest import harvest
from clearml_agent.environments.installer import PIPS_OWN_FLAGS, Installer
from clearml_agent.environments.interpreters import Interpreter
from clearml_agent.environments.requirements import Plan
from clearml_agent.environments.settings import PackageSettings
from clearml_agent.errors import EnvironmentFailed
from clearml_agent.process import HelperTimeout, run_process
from clearml_agent.vcs.addresses import without_secrets

_OTHER_VCS = re.compile(r"(^|@\s*|-e\s+|--editable[\s=]+)(hg|svn|bzr)\+")


def why_not_uv(plan: Plan, settings: PackageSettings) -> str:
    """What of this only pip can do, "" for nothing. Pure."""
    for flag in (*settings.flags, *plan.options, *plan.arguments):
        name = re.split(r"[\s=]", flag, maxsplit=1)[0]
        if name in PIPS_OWN_FLAGS:
            return f"uv does not know {name}"
    for line in (*plan.shared, *plan.own):
        if match := _OTHER_VCS.search(line):
            return f"uv does not fetch {match[2]}+ addresses"
        if option := next((word for word in line.split() if word.split("=")[0] in PIPS_OWN_FLAGS), ""):
            return f"uv does not know {option.split('=')[0]}"
    return ""


def legacy_flags(version: str, legacy: Iterable[str]) -> list[str]:
    """The flag for the old resolver where `version` is in one of the ranges `legacy` (`>=20.3,<24.3`). Pure."""
    found = _numbers(version)
    for text in legacy:
        checks = [re.match(r"\s*(>=|<=|<|>|==)\s*([\d.]+)\s*$", part) for part in text.split(",")]
        if checks and all(check and _holds(found, check[1], _numbers(check[2])) for check in checks):
            return ["--use-deprecated=legacy-resolver"]
    return []


async def install(
    installer: Installer, plan: Plan, interpreter: Interpreter, scratch: Path, site: Path, seeds: Path | None
) -> None:
    """Install the shared lines of `plan` with the pip in `seeds`, as `--target site` of uv would leave them.

    Raises EnvironmentFailed.
    """
    version = pip_version(seeds)
    if seeds is None or version is None:
        raise EnvironmentFailed("these packages need pip, which could not be installed: look at the lines above")
    venv = scratch / ".pip"
    thin.remove(site)
    python = thin.make_bare(venv, interpreter, [seeds])
    await install_into(installer, plan, plan.shared, python, scratch, version)
    harvest(venv, interpreter, site)


async def install_into(
    installer: Installer,
    plan: Plan,
    lines: Iterable[str],
    python: Path,
    scratch: Path,
    version: str,
    folder: Path | None = None,
) -> None:
    """`python -m pip install` of `lines` in the virtual environment of `python`.

    folder: what relative paths in the lines are relative to.
    """
    settings = installer.settings
    file = scratch / "pip-requirements.txt"
    file.write_text("".join(f"{line}\n" for line in (*plan.lines_of_options, *lines)))
    file.chmod(0o600)  # an address in a line may hold a password
    argv = [
        str(python),
        "-m",
        "pip",
        "install",
        "--no-input",
        "--disable-pip-version-check",
        "--no-warn-script-location",
    ]
    argv += ["-r", str(file), *_pips_words(plan.arguments), *legacy_flags(version, settings.legacy_resolver)]
    argv += [*settings.flags, *(["--upgrade"] if settings.force_upgrade else [])]
    if plan.constraints:
        constraints = scratch / "constraints.txt"
        constraints.write_text("\n".join(plan.constraints) + "\n")
        argv += ["-c", str(constraints)]
    try:
        done = await run_process(
            argv, cwd=folder or scratch, env=_environment(installer), timeout_s=settings.install_s, log=installer.say
        )
    except HelperTimeout as error:
        raise EnvironmentFailed(f"pip did not end within {error.timeout_s:.0f} s and was stopped") from None
    finally:
        file.unlink(missing_ok=True)
    if done.code != 0:
        errors = "\n".join(done.errors.splitlines()[-25:])
        raise EnvironmentFailed(
            f"pip {version} cannot install the packages. Correct them (Execution > Python packages).\n"
            f"{without_secrets(errors)}"
        )
    for line in done.output.decode("utf-8", "replace").splitlines():
        if line.startswith(("Successfully installed", "Collecting ")):
            installer.say(line)


def pip_version(seeds: Path | None) -> str | None:
    """The version of pip in a directory of packages."""
    found = next(iter(seeds.glob("pip-*.dist-info")), None) if seeds is not None else None
    return found.name.removeprefix("pip-").removesuffix(".dist-info") if found else None


def _environment(installer: Installer) -> dict[str, str]:
    """pip's environment: addresses of indexes go here and not into arguments, because they may hold passwords."""
    indexes = installer.settings.indexes
    found = {name: value for name, value in installer.environment.items() if not name.startswith("UV_")}
    for name, value in {
        "PIP_INDEX_URL": indexes.default,
        "PIP_EXTRA_INDEX_URL": " ".join(indexes.extra),
        "PIP_FIND_LINKS": " ".join(indexes.find_links),
        "PIP_NO_INDEX": "1" if indexes.no_index or installer.settings.is_offline else "",
        "PIP_TRUSTED_HOST": " ".join(indexes.trusted_hosts),
    }.items():
        if value:
            found[name] = value
    return found


def _pips_words(arguments: Iterable[str]) -> list[str]:
    """uv's words for options of a requirements file, in pip's."""
    text = " ".join(arguments).replace("--prerelease allow", "--pre").replace("--allow-insecure-host", "--trusted-host")
    return text.split()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _holds(version: tuple[int, ...], operator: str, limit: tuple[int, ...]) -> bool:
    size = max(len(version), len(limit))
    one, other = (parts + (0,) * (size - len(parts)) for parts in (version, limit))
    return {
        ">=": one >= other,
        "<=": one <= other,
        "<": one < other,
        ">": one > other,
        "==": one == other,
    }[operator]
