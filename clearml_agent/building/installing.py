"""What is run in a container to install packages into the interpreter of its image: files in one folder, pure.

The folder is mounted, with uv and its cache, below /dev: a file system of the container's own, so that no trace of it
gets into the image, passwords of package indexes least of all.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from clearml_agent.environments.installer import Installer
from clearml_agent.environments.requirements import Plan
from clearml_agent.environments.settings import PackageSettings

INSIDE = "/dev/clearml"
FILES, UV, CACHE = f"{INSIDE}/build", f"{INSIDE}/uv", f"{INSIDE}/cache"
CERTIFICATES = "certificates.pem"
GIT = "gitconfig"
"""git's configuration, where packages come from the agent's copies of repositories."""
PASSED_ON = re.compile(
    r"^(UV_(DEFAULT_INDEX|INDEX|FIND_LINKS|OFFLINE|HTTP_TIMEOUT)|GIT_TERMINAL_PROMPT|(?i:\w+_PROXY))$"
)


def install_script(python: str, arguments: Sequence[str], *, folder: str = "/", venv: str = "") -> str:
    """A shell script that installs requirements.txt, with pip where uv does not run (another C library).

    Args:
        folder: what relative paths in the lines are relative to.
        venv: a virtual environment to make first, of `python`, which the packages go into.
    """
    uv = shlex.join([UV, "pip", "install", "--no-progress", "--color", "never", "--compile-bytecode", *arguments])
    target = shlex.quote(f"{venv}/bin/python" if venv else python)
    base, venv = shlex.quote(python), shlex.quote(venv) if venv else ""
    lines = [
        "set -e",
        f". {FILES}/environment",
        f"if [ -e {FILES}/{GIT} ]; then export GIT_CONFIG_GLOBAL={FILES}/{GIT}; fi",
        f"export UV_CACHE_DIR={CACHE} UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1",
        "export PYC_INVALIDATION_MODE=UNCHECKED_HASH",
        f"cd {shlex.quote(folder)}",
        f"if {UV} --version >/dev/null 2>&1; then",
        *(
            [f"    {UV} venv --quiet --allow-existing --python {shlex.quote(python)} {shlex.quote(venv)}"]
            if venv
            else []
        ),
        f"    {uv} --python {target} --break-system-packages --requirements {FILES}/requirements.txt",
        "else",
        *([f"    {base} -m venv {venv}"] if venv else []),
        '    flags=""; ' + f"{target} -m pip install --help | grep -q break-system && "
        'flags="--break-system-packages" || true',
        f"    {target} -m pip install --no-input $flags -r {FILES}/requirements.txt",
        "fi",
    ]
    return "\n".join(lines) + "\n"


def environment_file(settings: PackageSettings, environ: Mapping[str, str]) -> str:
    """The variables of the installer, as a file for the shell; it may hold passwords."""
    known = Installer(settings, environ, lambda line: None).environment
    found = {name: value for name, value in known.items() if PASSED_ON.match(name)}
    if known.get("SSL_CERT_FILE"):
        found["SSL_CERT_FILE"] = found["PIP_CERT"] = found["GIT_SSL_CAINFO"] = f"{FILES}/{CERTIFICATES}"
    indexes = found.get("UV_INDEX", "").split()
    if found.get("UV_DEFAULT_INDEX"):
        found["PIP_INDEX_URL"] = found["UV_DEFAULT_INDEX"]
    if indexes:
        found["PIP_EXTRA_INDEX_URL"] = " ".join(indexes)
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(found.items()))


def certificates(settings: PackageSettings, environ: Mapping[str, str]) -> Path | None:
    """The file of certificates that this machine trusts, where it has one of its own."""
    found = Installer(settings, environ, lambda line: None).environment.get("SSL_CERT_FILE")
    return Path(found) if found and Path(found).is_file() else None


def local_places(settings: PackageSettings) -> list[Path]:
    """Folders of this machine that packages come from; of an index (PEP 503) with the files beside it."""
    found = [Path(place) for place in settings.indexes.find_links if place.startswith("/")]
    for url in (settings.indexes.default, *settings.indexes.extra):
        if url.startswith("file://"):
            path = Path(url.removeprefix("file://").removeprefix("localhost").rstrip("/"))
            found.append(path.parent if path.name == "simple" else path)
    return [path for path in found if path.is_dir()]


def requirements_file(plan: Plan, lines: Sequence[str]) -> str:
    """The lines to install, with the options of the plan."""
    return "".join(f"{line}\n" for line in (*plan.options, *lines))
