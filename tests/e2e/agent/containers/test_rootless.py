"""A Docker Engine without root, of a user of its own, whose host network is not this machine's."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agent.core.conftest import LIMIT_S, Agent, Tasks, marked_processes, until
from tests.engine import BASE, IMAGE, Engine, NoEngine, make_base, wait_for

from .test_containers import LOOK, WAITS, sees
from .test_network import SAYS
from .test_rights import SOMEBODY, OthersAgent

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]
START = "/usr/share/docker.io/contrib/dockerd-rootless.sh"
NEEDED = ("rootlesskit", "slirp4netns", "newuidmap", "setpriv", "unshare")
FILES = f"""
for name in passwd subuid subgid; do mount --bind "$1/$name" "/etc/$name"; done
chmod 666 "$1/tun" && mount --bind "$1/tun" /dev/net/tun
shift
exec setpriv --reuid={SOMEBODY} --regid={SOMEBODY} --clear-groups "$@"
"""


@dataclass
class Rootless:
    """folder: the user's own, with its engine's socket and data."""

    folder: Path
    engine: Engine


@pytest.fixture
def rootless() -> Iterator[Rootless]:
    if os.geteuid() != 0 or not all(map(shutil.which, NEEDED)) or not os.path.exists(START):
        pytest.skip(f"not root here, or not all of {', '.join(NEEDED)} and dockerd-rootless.sh")
    try:
        make_base()
    except NoEngine as error:
        pytest.skip(str(error))
    folder = Path(tempfile.mkdtemp(prefix="cl-rl-"))  # short: a socket is in it; and nobody else's is above it
    files = folder / "etc"
    for inner in (files, folder / "run", folder / "home"):
        inner.mkdir()
    entry = f"somebody:x:{SOMEBODY}:{SOMEBODY}::{folder}/home:/bin/sh\n"
    (files / "passwd").write_text(Path("/etc/passwd").read_text() + entry)
    for name in ("subuid", "subgid"):
        (files / name).write_text("somebody:600000:65536\n")
    os.mknod(files / "tun", 0o666 | stat.S_IFCHR, os.makedev(10, 200))  # this machine's own may be root's alone
    for path in (folder, folder / "run", folder / "home"):
        os.chown(path, SOMEBODY, SOMEBODY)
    variables = {"HOME": f"{folder}/home", "XDG_RUNTIME_DIR": f"{folder}/run", "PATH": os.environ["PATH"]}
    command = ["unshare", "--mount", "sh", "-ec", FILES, "-", str(files), "sh", START]
    command += ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/run/exec", "--pidfile", f"{folder}/run/pid"]
    command += ["--host", f"unix://{folder}/run/docker.sock", "--iptables=false", "--ip6tables=false"]
    log = folder / "dockerd.log"
    with log.open("wb") as out:
        daemon = subprocess.Popen(command, env=variables, cwd=folder, stdout=out, stderr=out, start_new_session=True)
    engine = Engine(f"unix://{folder}/run/docker.sock", IMAGE, "")
    try:
        wait_for(engine, daemon, log)
        engine.docker("import", "--change", 'CMD ["bash"]', str(BASE), IMAGE)
        yield Rootless(folder, engine)
    finally:
        daemon.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            daemon.wait(30)
        for pid in marked_processes(str(folder)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not marked_processes(str(folder)), what="for the engine's processes")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def agent(rootless: Rootless, server: Any) -> Iterator[Agent]:
    home = rootless.folder / "agent"
    home.mkdir()
    os.chown(home, SOMEBODY, SOMEBODY)
    variables = {"DOCKER_HOST": rootless.engine.url, "UV_CACHE_DIR": str(home / "uv")}
    made = OthersAgent(server, home, home / "cache", variables)
    yield made
    made.stop()
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait(LIMIT_S)


def test_tasks_reach_the_server_and_their_files_are_the_agents(agent: Agent, tasks: Tasks, rootless: Rootless) -> None:
    agent.start("--docker", IMAGE, queue=tasks.queue)
    for arguments in ("", "--network host", "--network none"):
        task = tasks.create(LOOK + SAYS)
        tasks.server.call("tasks.edit", {"task": task, "container": {"arguments": arguments}})
        tasks.finished(tasks.enqueue(task), 4 * LIMIT_S)  # the first one fetches pip over a slow network
        assert sees(tasks, task)["uid"] == 0, "of the container, which is the agent's user outside"
        assert "ANSWER 200" in tasks.console(task)
    task = tasks.submit("open('own', 'w')\n" + WAITS)
    tasks.says(task, "begun now")
    owners = {path.lstat().st_uid for path in agent.runs[0].rglob("*")}
    assert owners == {SOMEBODY}
    tasks.server.call("tasks.stop", {"task": task})
    assert tasks.finished(task)["status"] == "stopped"
    until(lambda: agent.runs == [], what="for the run to be removed")
