"""The unmodified official packages from PyPI, each in an environment of its own, kept between runs in `.run`."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conftest import RunningServer

PROJECT = Path(__file__).resolve().parents[2]
OFFICIAL = PROJECT / ".run" / "official"
SDK_VERSION, AGENT_VERSION = "2.1.12", "3.0.3"
BIN = Path(sys.executable).parent

WITHOUT_FORK = {
    "CLEARML__SDK__DEVELOPMENT__REPORT_USE_SUBPROCESS": "false",
    "CLEARML__SDK__DEVELOPMENT__VCS_REPO_DETECT_ASYNC": "false",
}
"""The official SDK forks beside a thread that runs git, and hangs at the end of some runs (3 of 7 in a repository).
With a reporting thread it still did in 2 of some 70 runs outside of one: so git runs before the rest goes on."""


def sdk_environment() -> Path:
    """The bin folder of an environment with the official SDK."""
    return environment_with(f"clearml-{SDK_VERSION}", f"clearml=={SDK_VERSION}", "numpy")


def agent_environment() -> Path:
    """The bin folder of an environment with the official agent."""
    return environment_with(f"clearml-agent-{AGENT_VERSION}", f"clearml-agent=={AGENT_VERSION}")


def environment_with(name: str, *packages: str, compiled: bool = True) -> Path:
    """A virtual environment that holds just `packages`; returns its bin folder.

    compiled: all modules are, at once; otherwise each when it is first imported.
    """
    OFFICIAL.mkdir(parents=True, exist_ok=True)
    folder = OFFICIAL / name
    with (OFFICIAL / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            uv = str(BIN / "uv")
            subprocess.run([uv, "venv", "--quiet", "--seed", "--python", sys.executable, str(folder)], check=True)
            install = [uv, "pip", "install", "--quiet", "--python", str(folder / "bin/python")]
            if compiled:
                install.append("--compile-bytecode")
            subprocess.run([*install, *packages], check=True, timeout=600)
            (folder / "complete").touch()
    return folder / "bin"


def write_conf(server: RunningServer, home: Path) -> Path:
    """A `clearml.conf` as a user writes it, pointing the official packages at our server."""
    path = home / "clearml.conf"
    path.write_text(f"""
api {{
    web_server: "{server.web}"
    api_server: "{server.api}"
    files_server: "{server.files}"
    credentials {{ access_key: "{server.access_key}", secret_key: "{server.secret_key}" }}
}}
agent {{
    worker_name: "official"
    venvs_dir: "{home}/venvs"
    venvs_cache {{ path: "{home}/venvs-cache" }}
    vcs_cache {{ path: "{home}/vcs-cache" }}
    pip_download_cache {{ path: "{home}/pip-download-cache" }}
    package_manager {{ pip_version: "" }}
}}
sdk {{
    storage {{ cache {{ default_base_dir: "{home}/cache" }} }}
    development {{ default_output_uri: "" }}
}}
""")
    return path


TORN = re.compile("JSON is malformed|cannot be read as HTTP|Failed reloading")
"""What is said where two threads of the official SDK have used one connection at once (1 run in 24 on a busy machine):
by the server of a request that another one is mixed into, by the SDK of another's answer."""

_OURS = ("CLEARML_", "TRAINS_", "VIRTUAL_ENV", "PYTEST_", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONHOME")


def official_environment(server: RunningServer, home: Path, bin_folder: Path) -> dict[str, str]:
    """What an official process sees: nothing of ours but the configuration file."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
    return {
        **kept,
        "HOME": str(home),
        "CLEARML_CONFIG_FILE": str(write_conf(server, home)),
        "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }


@contextlib.contextmanager
def process(name: str, folder: Path, *command: str, env: dict[str, str]) -> Iterator[Path]:
    """A daemon for some tests; yields its log, and prints it when the test fails."""
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        running = subprocess.Popen(
            command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield log
    finally:
        running.terminate()
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        print(f"--- {name}\n{log.read_text(errors='replace')[-6000:]}")


def run_sdk(command: list[str], folder: Path, env: dict[str, str], *, limit_s: float = 60, tries: int = 3) -> Any:
    """Run a script with the official SDK; again when it hangs, as it does in some runs while it looks for a repository,
    and when two of its threads have used one connection at once, which loses what they sent.

    Raises subprocess.TimeoutExpired when the last try does not end.
    """
    for number in range(tries):
        try:
            ended = subprocess.run(
                command, cwd=folder, env=env, capture_output=True, text=True, timeout=limit_s, check=False
            )
        except subprocess.TimeoutExpired:
            if number == tries - 1:
                raise
            continue
        if number == tries - 1 or not TORN.search(ended.stdout + ended.stderr):
            return ended
    raise AssertionError("there is one try at least")
