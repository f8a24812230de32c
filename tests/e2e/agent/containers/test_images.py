"""Images and arguments as users bring them: odd ones run, and those that cannot say why and what to do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.agent.core.conftest import LIMIT_S, Agent, Tasks
from tests.engine import Engine

from .test_containers import LOOK, WAITS, containers, gone, sees, variant, wheel

NewAgent = Callable[..., Agent]


def run_in(tasks: Tasks, code: str = LOOK, **container: str) -> str:
    task = tasks.create(code)
    tasks.server.call("tasks.edit", {"task": task, "container": container})
    return tasks.enqueue(task)


def test_variables_arrive_as_they_were_written(docker_agent: Agent, tasks: Tasks) -> None:
    docker_agent.start("--docker", queue=tasks.queue)
    values = {
        "LINES": "one\ntwo\n",
        "QUOTES": 'it\'s "so" $HOME `id` \\n',
        "WORDS": "žluťoučký 日本 🦀",
        "EMPTY": "",
        "my.dotted-name": "$(id)",
    }
    quoted = {name: "'" + f"{name}={value}".replace("'", "'\\''") + "'" for name, value in values.items()}
    task = run_in(tasks, arguments=" ".join(f"-e {text}" for text in quoted.values()))
    seen = sees(tasks, task)["variables"]
    assert {name: seen.get(name) for name in values} == values


def test_images_that_others_start_in_odd_ways(docker_agent: Agent, tasks: Tasks, engine: Engine) -> None:
    """An entrypoint that eats its arguments; a user of the image's own, without a home; a system that is read only."""
    eats = variant(engine, "eats", 'ENTRYPOINT ["/bin/echo", "eaten"]', 'CMD ["all"]')
    own = variant(engine, "own-user", "USER somebody", command="useradd --no-create-home --uid 4711 somebody")
    docker_agent.start("--docker", queue=tasks.queue)
    assert sees(tasks, run_in(tasks, image=eats))["pid1"][-1] == "--contained"
    writes = "import os, tempfile\nopen('out', 'w').write('x'); open(os.path.expanduser('~/x'), 'w')\n"
    task = run_in(tasks, LOOK + writes, image=own)
    assert sees(tasks, task)["uid"] == 4711
    task = run_in(tasks, LOOK + writes + "tempfile.NamedTemporaryFile()\n", image=engine.image, arguments="--read-only")
    sees(tasks, task)
    assert gone(engine, task, docker_agent)


def test_image_without_a_shell_says_so(docker_agent: Agent, tasks: Tasks, engine: Engine) -> None:
    bare = variant(engine, "bare", command="rm -f /bin/sh /bin/bash /bin/dash /usr/bin/sh /usr/bin/bash /usr/bin/dash")
    docker_agent.start("--docker", queue=tasks.queue)
    task = run_in(tasks, image=bare)
    done = tasks.finished(task)
    assert done["status"] == "failed"
    assert f"the image {bare} has no shell (/bin/sh)" in done["status_message"]
    assert gone(engine, task, docker_agent)


def test_task_beyond_its_containers_memory_says_so(docker_agent: Agent, tasks: Tasks, engine: Engine) -> None:
    docker_agent.start("--docker", queue=tasks.queue)
    task = run_in(
        tasks, "found = [bytearray(1 << 20) for _ in range(4096)]", arguments="--memory 96m --memory-swap 96m"
    )
    done = tasks.finished(task)
    assert done["status"] == "failed"
    assert "ran out of memory" in done["status_message"] and "--memory" in done["status_message"], done
    assert gone(engine, task, docker_agent)


def test_a_worker_process_of_the_task_that_was_killed_for_memory_is_named(docker_agent: Agent, tasks: Tasks) -> None:
    docker_agent.start("--docker", queue=tasks.queue)
    task = run_in(
        tasks,
        "import multiprocessing, sys\ndef eat():\n    found = [bytearray(b'x' * (1 << 20)) for _ in range(4096)]\n"
        "one = multiprocessing.Process(target=eat)\none.start()\none.join()\nsys.exit('a worker is lost')\n",
        arguments="--memory 96m --memory-swap 96m",
    )
    said = tasks.finished(task)["status_message"]
    assert "exit code 1" in said and "ran out of memory, and a process was killed" in said


@pytest.mark.full
def test_what_is_killed_for_memory_before_the_task_says_so(
    new_docker_agent: NewAgent, tasks: Tasks, engine: Engine, tmp_path: Path
) -> None:
    (wheels := tmp_path / "wheels").mkdir()
    wheel(wheels, "large", "1.0", "x = 1")
    agent = new_docker_agent(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels))
    agent.start("--docker", queue=tasks.queue)
    task = tasks.create("import large", requirements={"pip": "large"})
    tasks.server.call("tasks.edit", {"task": task, "container": {"arguments": "--memory 11m --memory-swap 11m"}})
    said = tasks.finished(tasks.enqueue(task))["status_message"]
    assert "memory" in said and "--memory" in said
    assert gone(engine, task, agent)


def test_a_disk_of_the_container_that_is_full_is_named(docker_agent: Agent, tasks: Tasks, engine: Engine) -> None:
    docker_agent.start("--docker", queue=tasks.queue)
    fills = "with open('/data/x', 'wb') as file:\n    while True:\n        file.write(bytes(1 << 16))\n"
    task = run_in(tasks, fills, arguments="--mount type=tmpfs,destination=/data,tmpfs-size=1m")
    assert "no room was left on the disk of /data of its container" in tasks.finished(task)["status_message"]
    assert "No space left on device" in tasks.console(task)
    assert gone(engine, task, docker_agent)


def test_setup_script_that_stops_half_way_is_shown(docker_agent: Agent, tasks: Tasks, engine: Engine) -> None:
    docker_agent.start("--docker", queue=tasks.queue)
    for lines, said, code in (
        ("set -e\necho first\nfalse\necho never", "first\n", 1),
        ("echo before\nif [ 1", "syntax error", 2),
    ):
        task = run_in(tasks, setup_shell_script=lines)
        done = tasks.finished(task)
        assert f"ended with exit code {code} before its runner started" in done["status_message"]
        assert said in done["status_message"] + "\n"
        assert said in tasks.console(task) and "\nnever" not in tasks.console(task)
        assert gone(engine, task, docker_agent)


class Slow(BaseHTTPRequestHandler):
    """A registry whose image never arrives."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.rstrip("/") == "/v2":
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        asked, ended = self.server.events  # type: ignore[attr-defined]
        asked.set()
        ended.wait(LIMIT_S)
        self.close_connection = True

    do_HEAD = do_GET


@pytest.fixture
def slow_registry() -> Iterator[tuple[str, threading.Event]]:
    """Its address, and what is set when it was asked for an image."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        server.daemon_threads = True
        asked, ended = threading.Event(), threading.Event()
        server.events = (asked, ended)  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}", asked
        ended.set()
        server.shutdown()


def test_abort_while_the_image_is_pulled(
    docker_agent: Agent, tasks: Tasks, slow_registry: tuple[str, threading.Event]
) -> None:
    host, asked = slow_registry
    docker_agent.start("--docker", queue=tasks.queue)
    task = run_in(tasks, image=f"{host}/slow/image:1")
    assert asked.wait(LIMIT_S)
    tasks.says(task, f"Pulling image {host}/slow/image:1")
    tasks.server.call("tasks.stop", {"task": task})
    assert tasks.finished(task)["status"] == "stopped"
    following = tasks.submit("print('went on')")
    assert tasks.finished(following)["status"] == "completed"


def test_registry_that_is_down_fails_the_task_with_its_words(docker_agent: Agent, tasks: Tasks) -> None:
    docker_agent.start("--docker", queue=tasks.queue)
    task = run_in(tasks, image="127.0.0.1:1/private/image:2")
    done = tasks.finished(task)
    assert "there is no image '127.0.0.1:1/private/image:2'" in done["status_message"]
    assert "connection refused" in done["status_message"]


@pytest.mark.full
def test_many_tasks_leave_nothing_behind(docker_agent: Agent, tasks: Tasks, engine: Engine) -> None:
    """Containers, volumes, folders; also of tasks that are aborted or killed, and of images with volumes."""
    image = variant(engine, "volumes", "VOLUME /data")
    volumes = set(engine.docker("volume", "ls", "--quiet").split())
    docker_agent.start("--docker", queue=tasks.queue)
    for number in range(20):
        code = WAITS if number % 5 == 4 else f"open('/data/x', 'w'); print('did {number}')"
        task = run_in(tasks, code, image=image)
        if number % 5 == 4:
            tasks.says(task, "begun now")
            if number % 2:
                engine.docker("kill", *containers(engine, task))
            else:
                tasks.server.call("tasks.stop", {"task": task})
        tasks.finished(task)
        assert gone(engine, task, docker_agent)
    assert set(engine.docker("volume", "ls", "--quiet").split()) <= volumes
    docker_agent.stop()
    assert list((docker_agent.home / "runs").iterdir()) == []
