"""The engine is restarted under a running task: its container ends with it, and the task says why."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.agent.core.conftest import Agent, Tasks, marked_processes, until
from tests.engine import BASE, IMAGE, Engine, NoEngine, make_base, start_dockerd, wait_for

from .test_containers import WAITS

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


@dataclass
class OwnEngine:
    """An engine that a test may restart, with everything of its own in `folder`. live-restore is off, as by default."""

    folder: Path
    daemon: subprocess.Popen[bytes] | None = None

    @property
    def engine(self) -> Engine:
        return Engine(f"unix://{self.folder}/docker.sock", IMAGE, "")

    def start(self) -> None:
        for left in [self.folder / "pid", *self.folder.glob("exec/**/containerd.pid")]:
            left.unlink(missing_ok=True)  # of processes that are dead, as after a restart of the machine's service
        self.daemon = start_dockerd(self.folder, "none", self.folder / "data")
        wait_for(self.engine, self.daemon, self.folder / "dockerd.log")

    def end(self, number: signal.Signals) -> None:
        assert self.daemon is not None
        self.daemon.send_signal(number)
        self.daemon.wait(60)


@pytest.fixture
def own() -> Iterator[OwnEngine]:
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.skip("no dockerd here, or not as root")
    try:
        make_base()
    except NoEngine as error:
        pytest.skip(str(error))
    made = OwnEngine(Path(tempfile.mkdtemp(prefix="cl-own-")))
    try:
        made.start()
        made.engine.docker("import", "--change", 'CMD ["bash"]', str(BASE), IMAGE)
        yield made
    finally:
        if made.daemon is not None and made.daemon.poll() is None:
            made.end(signal.SIGTERM)
        for pid in marked_processes(str(made.folder)):  # what an engine that was killed has left: containerd, shims
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not marked_processes(str(made.folder)), what="for the engine's processes")
        shutil.rmtree(made.folder, ignore_errors=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["restarted", "killed"])
def test_a_task_whose_container_ends_with_the_engine_says_so(
    own: OwnEngine, server: object, new_agent: Callable[..., Agent], tasks: Tasks, number: signal.Signals
) -> None:
    agent = new_agent(server, DOCKER_HOST=own.engine.url)
    agent.start("--docker", IMAGE, queue=tasks.queue)
    task = tasks.submit(WAITS)
    tasks.says(task, "begun now")
    own.end(number)
    own.start()
    done = tasks.finished(task)
    assert done["status"] == "failed"
    assert "was stopped from outside: by docker stop, or with its engine" in done["status_message"]
    assert agent.process is not None and agent.process.poll() is None
    if number is signal.SIGTERM:
        following = tasks.submit("print('went on', flush=True)")
        assert tasks.finished(following)["status"] == "completed", tasks.console(following)


def test_a_task_that_comes_while_the_engine_is_restarted_waits_for_it(
    own: OwnEngine, server: object, new_agent: Callable[..., Agent], tasks: Tasks
) -> None:
    agent = new_agent(server, DOCKER_HOST=own.engine.url)
    agent.start("--docker", IMAGE, queue=tasks.queue)
    own.end(signal.SIGTERM)
    task = tasks.submit("print('went on', flush=True)")
    tasks.says(task, "The Docker Engine does not answer: waiting for it")
    own.start()
    assert tasks.finished(task)["status"] == "completed", tasks.console(task)
