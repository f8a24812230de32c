"""A Docker Engine of the tests' own, with a base image: started by whoever needs it first, stopped when nobody does.

    with running_engine() as engine:      # engine.url for DOCKER_HOST, engine.image to run
    python -m tests.engine run CMD ...    a command with DOCKER_HOST and ENGINE_IMAGE set
    python -m tests.engine base           make the base image's file and nothing else

Every user holds `.run/engine/users` shared. A keeper process is the parent of `dockerd`; it waits until it gets that
lock alone, which the kernel grants when the last user has ended, however that came, and takes everything down.
Needs root, Debian's `docker.io` and `debootstrap` (scripts/_services installs them).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

PROJECT = Path(__file__).resolve().parents[1]
HOME = PROJECT / ".run" / "engine"
DATA = HOME / "data"
READY, FAILED = HOME / "ready.json", HOME / "failed"
SUITE, PACKAGES = "bookworm", "python3,python3-venv,git,ca-certificates"
BASE = HOME / f"base-{hashlib.sha256(f'{SUITE} {PACKAGES}'.encode()).hexdigest()[:12]}.tar"
IMAGE = f"clearml-base:{BASE.stem.removeprefix('base-')}"
SUBNET, BRIDGE_ADDRESS = "172.31.253.0/24", "172.31.253.1"
BASE_LIMIT_S, START_LIMIT_S = 900.0, 120.0
LAYERS = "clearml-build"
"""The images that hold the layers of `clearml-agent build`."""
PR_SET_CHILD_SUBREAPER = 36


class NoEngine(Exception):
    """Why there can be no engine here; the tests that need one are skipped with it."""


@dataclass(frozen=True)
class Engine:
    """A running engine. url: for DOCKER_HOST. image: Debian with Python, venv, git and certificates.

    gateway: this machine's address for containers on the default network; "" where there is only the host's network.
    """

    url: str
    image: str
    gateway: str

    def docker(self, *arguments: str, check: bool = True) -> str:
        """Run Docker's own command line on it and return what it prints."""
        command = [docker_program(), "-H", self.url, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()


def docker_program() -> str:
    """Docker's command line; Debian's, which is as old as its engine, before another on the path."""
    debians = Path("/usr/bin/docker")
    return str(debians) if debians.exists() else shutil.which("docker") or "docker"


@contextlib.contextmanager
def running_engine() -> Iterator[Engine]:
    """The engine, for as long as the block runs. Raises NoEngine with the reason."""
    if os.geteuid() != 0:
        raise NoEngine("only root can start a Docker Engine")
    for program in ("dockerd", "debootstrap"):
        if shutil.which(program) is None:
            raise NoEngine(f"no {program} here, and it could not be installed")
    make_base()
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "users").open("a") as users:
        with locked(HOME / "start.lock"):
            fcntl.flock(users, fcntl.LOCK_SH)  # waits while a keeper takes the last engine down
            facts = read_ready()
            if facts is None:
                facts = start_keeper()
        yield Engine(facts["url"], facts["image"], facts["gateway"])


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read_ready() -> dict[str, str] | None:
    """What a living keeper says of its engine."""
    try:
        facts = dict(json.loads(READY.read_text()))
    except (OSError, ValueError):
        return None
    alive = psutil.pid_exists(facts["keeper"]) and psutil.Process(facts["keeper"]).create_time() == facts["since"]
    return facts if alive else None


def start_keeper() -> dict[str, str]:
    """Start a keeper and wait for its engine; the start lock is held."""
    for path in (READY, FAILED):
        path.unlink(missing_ok=True)
    with (HOME / "keeper.log").open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.engine", "keep"],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if facts := read_ready():
            keeper.returncode = 0  # it outlives this process: Popen need not warn that nobody has waited for it
            return facts
        if keeper.poll() is not None:
            break
        time.sleep(0.05)  # another process writes the file: there is no event to wait for
    said = FAILED.read_text() if FAILED.exists() else (HOME / "keeper.log").read_text()[-800:]
    if keeper.poll() is None:
        keeper.terminate()
    raise NoEngine(f"the Docker Engine does not start here: {said}")


# --------------------------------------------------------------------------------------------------- base image


def make_base() -> None:
    """The base image's file, made once with debootstrap; later users find it. Raises NoEngine."""
    with locked(HOME / "base.lock"):
        if BASE.exists():
            return
        for old in HOME.glob("base-*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        tree, new = HOME / "base-tree", HOME / "base-new"
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(tree)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=BASE_LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            raise NoEngine(f"debootstrap took longer than {BASE_LIMIT_S:.0f} s") from None
        if done.returncode:
            raise NoEngine(f"debootstrap cannot make a base image here: {(done.stdout + done.stderr)[-400:]}")
        for folder in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
            shutil.rmtree(tree / folder, ignore_errors=True)
        (tree / "var/cache/apt/archives/partial").mkdir(parents=True)
        (tree / "var/lib/apt/lists/partial").mkdir(parents=True)
        subprocess.run(["tar", "-C", str(tree), "--numeric-owner", "-cf", str(new), "."], check=True, timeout=300)
        shutil.rmtree(tree)
        new.rename(BASE)


# -------------------------------------------------------------------------------------------------- the keeper


def keep() -> None:
    """Start the engine, say so, and take it down when its last user has ended."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # containers outlive dockerd, but not their keeper
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder = Path(tempfile.mkdtemp(prefix="cl-engine-"))  # a socket's path has to be short
    bridge = f"clbr{os.getpid() % 100_000}"
    gateway = BRIDGE_ADDRESS if make_bridge(bridge) else ""
    daemon = None
    try:
        daemon = start_dockerd(folder, bridge if gateway else "none")
        url = f"unix://{folder}/docker.sock"
        engine = Engine(url, IMAGE, gateway)
        wait_for(engine, daemon)
        remove_containers(engine)
        if not engine.docker("images", "-q", IMAGE):
            engine.docker("import", "--change", 'CMD ["bash"]', str(BASE), IMAGE)
        me = psutil.Process()
        facts = {"url": url, "image": IMAGE, "gateway": gateway, "keeper": me.pid, "since": me.create_time()}
        new = READY.with_suffix(".new")
        new.write_text(json.dumps(facts))
        new.rename(READY)
        with (HOME / "users").open("a") as users:
            signal.signal(signal.SIGCHLD, lambda *_: reap(daemon.pid))
            fcntl.flock(users, fcntl.LOCK_EX)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            READY.unlink(missing_ok=True)
            remove_containers(engine)
            remove_old_layers(engine)
            stop(daemon)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        FAILED.write_text(str(error))
    finally:
        READY.unlink(missing_ok=True)
        if daemon is not None:
            stop(daemon)
        if gateway:
            subprocess.run(["ip", "link", "del", bridge], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def make_bridge(name: str) -> bool:
    """A bridge for containers that changes nothing of this machine's packet filter; False where none is allowed."""
    commands = (
        ["ip", "link", "add", name, "type", "bridge"],
        ["ip", "addr", "add", f"{BRIDGE_ADDRESS}/24", "dev", name],
        ["ip", "link", "set", name, "up"],
    )
    try:
        return all(subprocess.run(command, capture_output=True, check=False).returncode == 0 for command in commands)
    except FileNotFoundError:
        return False


def start_dockerd(folder: Path, bridge: str, data: Path = DATA) -> subprocess.Popen[bytes]:
    """Start dockerd in a mount namespace of its own: its mounts are gone with it. Its socket is in `folder`."""
    command = [
        *("dockerd", "--host", f"unix://{folder}/docker.sock", "--pidfile", f"{folder}/pid"),
        *("--data-root", str(data), "--exec-root", f"{folder}/exec", "--bridge", bridge),
        *("--iptables=false", "--ip6tables=false", "--ip-masq=false", "--ip-forward=false"),
    ]
    if shutil.which("unshare"):
        command = ["unshare", "--mount", "--propagation", "private", *command]
    with (data.parent / "dockerd.log").open("wb") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def wait_for(engine: Engine, daemon: subprocess.Popen[bytes], said: Path = HOME / "dockerd.log") -> None:
    """Until it answers; raises RuntimeError when it ends first."""
    deadline = time.monotonic() + START_LIMIT_S / 2
    while daemon.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(RuntimeError):
            engine.docker("version")
            return
        time.sleep(0.1)  # it tells nobody when it is ready
    raise RuntimeError(said.read_text(errors="replace")[-600:])


def reap(but: int) -> None:
    """Collect what has ended of containers: as the subreaper this process is their last parent."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
            if child.pid != but and child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)


def remove_containers(engine: Engine) -> None:
    """All of them: nobody uses the engine any more, or not yet."""
    if names := engine.docker("ps", "--all", "--quiet", check=False).split():
        engine.docker("rm", "--force", "--volumes", *names, check=False)


def remove_old_layers(engine: Engine) -> None:
    """Layers of built images are kept for the next build, but not those of code that nobody builds any more.

    Here and in no test: another session on this engine may be between two builds that use them.
    """
    engine.docker("image", "prune", "--force", "--filter", "label=clearml.agent", check=False)
    known = engine.docker("images", "--format", "{{.Repository}}:{{.Tag}} {{.CreatedSince}}", LAYERS, check=False)
    if old := [line.split()[0] for line in known.splitlines() if not re.search("second|minute", line)]:
        engine.docker("image", "rm", *old, check=False)


def stop(daemon: subprocess.Popen[bytes]) -> None:
    """dockerd, and whatever it leaves behind."""
    if daemon.poll() is None:
        daemon.terminate()
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait(10)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def main() -> int:
    match sys.argv[1:]:
        case ["keep"]:
            keep()
            return 0
        case ["base"]:
            make_base()
            print(BASE)
            return 0
        case ["run", *command] if command:
            with running_engine() as engine:
                return subprocess.call(
                    command, env={**os.environ, "DOCKER_HOST": engine.url, "ENGINE_IMAGE": engine.image}
                )
    print(__doc__)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NoEngine as error:
        sys.exit(str(error))
