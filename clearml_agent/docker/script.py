"""The shell script that a container starts with: what the configuration and the task ask for, then the runner. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from clearml_agent.docker.settings import Scripts

KEEP_PACKAGES = (
    "if [ -d /etc/apt/apt.conf.d ]; then rm -f /etc/apt/apt.conf.d/docker-clean; "
    "echo 'Binary::apt::APT::Keep-Downloaded-Packages \"true\";' >/etc/apt/apt.conf.d/keep-cache; fi 2>/dev/null"
)
OPENCV = """\
if ! ldconfig -p 2>/dev/null | grep -q 'libGL.so.1'; then
  echo 'Installing the system libraries of OpenCV (agent.docker_install_opencv_libs)'
  if command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y libgl1 libglib2.0-0 libsm6 libxext6 libxrender1
  elif command -v dnf >/dev/null; then
    dnf install -q -y mesa-libGL glib2 libSM libXext libXrender
  fi
fi"""
# Releases from 2023 on have no package of that last name, and do without it.
INSTALL_PYTHON = """\
echo 'WARNING: the image has no Python: it is installed for this task. An image with Python starts at once'
if command -v apt-get >/dev/null; then
  install='env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends'
  apt-get update -qq && $install python3 git && { $install python3-distutils 2>&1 || true; }
elif command -v dnf >/dev/null; then dnf install -q -y python3 git
elif command -v apk >/dev/null; then apk add --quiet python3 git
fi >/dev/null"""
OPENCV_PACKAGES = re.compile(r"^\s*opencv[-_](contrib[-_])?python\b(?![-_]headless)", re.IGNORECASE | re.MULTILINE)
COMMAND = ("/bin/sh", "-c", 'command -v bash >/dev/null && exec bash "$0"; exec /bin/sh "$0"')
NO_PYTHON = 90
EXPORTABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Names of variables that a shell can set."""


def setup(scripts: Scripts, own: str, packages: str) -> list[str]:
    """The lines that come before the task; none of them stops the next one by failing."""
    lines = [*scripts.before, *scripts.init]
    if scripts.opencv_libs and OPENCV_PACKAGES.search(packages):
        lines.append(OPENCV)
    lines += scripts.extra
    if own.strip():
        first, _, rest = own.replace("\r\n", "\n").partition("\n")
        lines.append(rest if first.startswith("#!") else own.replace("\r\n", "\n"))
    return [KEEP_PACKAGES, *lines] if lines else []


def start_script(directory: str, lines: Sequence[str], *, environ: Mapping[str, str], user: str, home: str = "") -> str:
    """The script of one run.

    Args:
        directory: of the run, as the container sees it; what the lines print goes to its log, the task's console.
        environ: variables of the task's container that `docker inspect` is not to show.
        user: `uid:gid` as whom the task runs in the end; "" for the container's own user.
        home: its home directory, where it has none.
    """
    contained = "--contained" + (f" {user}" if user else "")
    runner = f"-I -S {shlex.quote(directory)}/runner.py {shlex.quote(directory)} {contained}"
    parts = [
        f"exec >>{shlex.quote(directory)}/log 2>&1 </dev/null",
        *(f"export {name}={shlex.quote(value)}" for name, value in environ.items() if EXPORTABLE.fullmatch(name)),
        *lines,
    ]
    if home:
        parts.append(f'if [ ! -w "${{HOME:-/}}" ] || [ "$HOME" = / ]; then export HOME={shlex.quote(home)}; fi')
    if user:
        parts.append(f"export HOME={shlex.quote(home)}")
    parts += [
        "run() {",
        'for name in python3 python; do path=$(command -v "$name") || continue',
        # A name tells the version as well as the program does, and sooner.
        '  case $(readlink -f "$path") in *python3.[6-9] | *python3.[1-9][0-9]) ;;',
        "  *) \"$path\" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 6))' || continue ;; esac 2>/dev/null",
        f'  exec "$path" {runner}',
        "done",
        "}",
        "run",
        INSTALL_PYTHON,
        "run",
        f"exit {NO_PYTHON}",
    ]
    return "\n".join(parts) + "\n"
