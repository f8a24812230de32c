"""`daemon --redis`: the same agent over the servers' Redis, as a user who may see and do little there."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from clearml_agent.redis_api import RedisConnection
from clearml_sdk.api_settings import ApiSettings
from tests.e2e.agent.commands.conftest import Shared, redis_acl
from tests.e2e.agent.core.conftest import Tasks, is_running, marked_processes, until
from tests.e2e.agent.transports import installation
from tests.redis_servers import needs_redis

pytestmark = needs_redis


def tasks_of(shared: Shared, queue: str) -> Tasks:
    shared.server.call("queues.create", {"name": queue})
    return Tasks(shared.server, queue)


def test_task_runs_and_its_process_never_sees_the_url(shared: Shared, new_agent: Any) -> None:
    agent = new_agent(shared.server, CLEARML_AGENT_REDIS_URL=shared.agents_url)
    tasks = tasks_of(shared, "over-redis")
    agent.start(queue="over-redis")
    code = (
        "import os, json\n"
        "seen = [n for n, v in os.environ.items() if 'redis' in (n + v).lower()]\n"
        "print('seen', seen, 'token', len(os.environ['CLEARML_AUTH_TOKEN'].split('.')), flush=True)\n"
        "open('here', 'w').close(); input_ = open(os.environ['CLEARML_CONFIG_FILE']).read()\n"
        "assert 'redis' not in input_\n"
    )
    task = tasks.submit(code)
    found = tasks.finished(task)
    console = tasks.console(task)
    assert found["status"] == "completed", console + agent.output.read_text()
    assert "seen [] token 3" in console
    assert found["last_worker"].startswith("tester:")
    assert shared.agents_url not in agent.output.read_text()
    assert "NOPERM" not in agent.output.read_text() and "NOPERM" not in console


def test_abort_reaches_the_task_and_a_queue_is_waited_for_not_polled(shared: Shared, new_agent: Any) -> None:
    agent = new_agent(shared.server, CLEARML_AGENT_REDIS_URL=shared.agents_url)
    tasks = tasks_of(shared, "redis-abort")
    agent.start(queue="redis-abort")
    task = tasks.submit("import time\nprint('up', flush=True)\ntime.sleep(600)")
    tasks.says(task, "up")
    shared.server.call("tasks.stop", {"task": task})
    assert tasks.finished(task)["status"] == "stopped"
    until(lambda: not agent.runs, what="for the run's directory to go")
    workers = shared.server.call("workers.get_all", {"last_seen": 0})["workers"]
    assert [w["queues"][0]["name"] for w in workers if "redis-abort" in str(w)] == ["redis-abort"]
    assert agent.stop() == 0
    workers = shared.server.call("workers.get_all", {"last_seen": 0})["workers"]
    assert "redis-abort" not in str(workers)


def test_killed_agent_adopts_its_task_and_a_killed_server_delays_nothing_that_runs(
    shared: Shared, new_agent: Any
) -> None:
    agent = new_agent(shared.server, CLEARML_AGENT_REDIS_URL=shared.agents_url)
    tasks = tasks_of(shared, "redis-kill")
    agent.start(queue="redis-kill")
    gate = agent.home / "gate"
    code = (
        "import os, time\nfor n in range(10**9):\n    print('line', n, flush=True)\n"
        f"    if os.path.exists({str(gate)!r}): break\n    time.sleep(0.02)\n"
    )
    task = tasks.submit(code)
    tasks.says(task, "line 5")
    agent.kill()
    agent.start(queue="redis-kill")
    shared.server.kill()
    gate.touch()
    until(lambda: not agent.runs, what="for the end of the run, with no server up")
    second = None
    try:
        shared.server.restart()
        found = tasks.finished(task)
        assert found["status"] == "completed", agent.output.read_text()[-3000:]
        numbers = tasks.numbers(task, "line")
        assert numbers == list(range(len(numbers)))
        second = tasks.submit("print('and one more')")
        assert tasks.finished(second)["status"] == "completed"
    finally:
        assert not marked_processes(task), second


def test_task_taken_while_no_server_is_up_starts_when_there_is_one(shared: Shared, new_agent: Any) -> None:
    """The token of a claim is signed by a server alone: until then nothing of the task runs, and its lease is kept."""
    agent = new_agent(shared.server, CLEARML_AGENT_REDIS_URL=shared.agents_url)
    tasks = tasks_of(shared, "redis-away")
    blocker = tasks.submit("import time\nprint('up', flush=True)\ntime.sleep(2)")
    waiting = tasks.submit("print('ran')")
    agent.start(queue="redis-away")
    tasks.says(blocker, "up")
    shared.server.kill()
    try:
        until(lambda: [run for run in agent.runs if waiting in (run / "run.json").read_text()], what="for the claim")
        until(lambda: "no answer from http" in agent.output.read_text())
    finally:
        shared.server.restart()
    assert tasks.finished(waiting)["status"] == "completed", agent.output.read_text()[-3000:]
    assert "ran\n" in tasks.console(waiting)


def test_claim_that_was_taken_from_a_frozen_agent_is_fenced(shared: Shared, new_agent: Any) -> None:
    """The lease of an agent over Redis is the same: when it is over, another takes the task, and the first is told."""
    first = new_agent(shared.server, CLEARML_AGENT_REDIS_URL=shared.agents_url, CLEARML_WORKER_NAME="first")
    tasks = tasks_of(shared, "redis-fence")
    first.start(queue="redis-fence")
    task = tasks.submit("import time\nprint('up', flush=True)\ntime.sleep(600)")
    tasks.says(task, "up")
    shared.server.call("tasks.reset", {"task": task, "force": True})
    shared.server.call("tasks.enqueue", {"task": task, "queue_name": "redis-fence"})
    until(lambda: "fenced" in first.output.read_text(), what=f"to be told: {first.output}")
    until(lambda: len(first.runs) <= 1)
    tasks.says(task, "up")
    assert tasks.status(task) == "in_progress"
    shared.server.call("tasks.stop", {"task": task})
    assert tasks.finished(task)["status"] == "stopped"


@pytest.fixture
def agents_redis(shared: Shared) -> Any:
    with redis.Redis.from_url(shared.agents_url) as client:
        yield client


FORBIDDEN = [
    ("CONFIG", "GET", "*"),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("ACL", "LIST"),
    ("SHUTDOWN",),
    ("EVAL", "return 1", "0"),
    ("HGETALL", "{m}:d:setting:signing_key:core"),
    ("SMEMBERS", "{m}:ids:credential"),
    ("HGETALL", "{m}:names:user:x"),
    ("SET", "{m}:schema", "9"),
    ("GET", "somebody-elses"),
]


@pytest.mark.parametrize("command", FORBIDDEN, ids=" ".join)
def test_user_of_the_agents_may_not(shared: Shared, agents_redis: Any, command: tuple[str, ...]) -> None:
    with pytest.raises(redis.exceptions.NoPermissionError):
        agents_redis.execute_command(*command)


def test_user_of_the_agents_sees_no_credential(shared: Shared, agents_redis: Any) -> None:
    """Every key that exists and holds a secret of the server is out of its reach, whatever it is called."""
    secrets = [shared.server.access_key.encode()]
    with shared.redis.nodes[0].client() as admin:
        signing = admin.hget("{m}:d:setting:signing_key:core", "value")
        assert signing
        secrets.append(signing.strip(b'"'))
        holding = [key for key in admin.scan_iter() if any(s in admin.dump(key) or s in key for s in secrets)]
    assert len(holding) >= 2
    for key in holding:
        for command in ("GET", "HGETALL", "SMEMBERS"):
            with pytest.raises(redis.exceptions.NoPermissionError):
                agents_redis.execute_command(command, key)


def test_another_layout_or_an_empty_redis_is_refused(shared: Shared, new_agent: Any, tmp_path: Any) -> None:
    agent = new_agent(shared.server, CLEARML_AGENT_REDIS_URL=shared.agents_url)
    with shared.redis.nodes[0].client() as admin:
        known = admin.get("{m}:schema")
        try:
            admin.set("{m}:schema", int(known) + 1)
            newer = agent.run("daemon", "--queue", "default", "--foreground")
            admin.set("{m}:schema", 0)
            older = agent.run("daemon", "--queue", "default", "--foreground")
            admin.delete("{m}:schema")
            empty = agent.run("daemon", "--queue", "default", "--foreground")
            assert admin.get("{m}:schema") is None
        finally:
            admin.set("{m}:schema", known)
    assert newer.returncode == older.returncode == empty.returncode == 1
    assert f"layout {int(known) + 1}" in newer.stderr and "install the server's version" in newer.stderr
    assert "layout 0" in older.stderr
    assert "no clearml-server keeps its data" in empty.stderr
    assert shared.agents_url not in newer.stderr + empty.stderr


def test_wrong_password_and_no_redis_are_said_without_the_password(shared: Shared, new_agent: Any) -> None:
    bad = shared.agents_url.replace("clearml-agent:", "clearml-agent:wrong")
    agent = new_agent(shared.server, CLEARML_AGENT_REDIS_URL=bad)
    done = agent.run("daemon", "--queue", "default", "--foreground")
    assert done.returncode == 1 and "cannot use redis://127.0.0.1" in done.stderr
    assert "wrong" not in done.stderr


def test_acl_command_prints_what_redis_takes_and_never_the_password_on_its_output() -> None:
    done = redis_acl("--user", "runner", "--password-stdin", stdin="a-good-one\n")
    assert done.returncode == 0
    assert done.stdout.startswith("ACL SETUSER runner reset on #")
    assert "a-good-one" not in done.stdout + done.stderr
    assert redis_acl("--password-stdin", stdin="\n").returncode == 2


def test_agent_that_starts_before_its_redis_and_its_server_waits_for_both(new_agent: Any, tmp_path: Path) -> None:
    with installation("redis", tmp_path) as made:
        assert made.redis is not None
        agent, tasks = new_agent(made.server, **made.variables), Tasks(made.server, "default")
        made.server.kill()
        made.redis.nodes[0].kill()
        command = agent.command("daemon", "--queue", "default", "--foreground")
        with agent.output.open("wb") as out:
            agent.process = subprocess.Popen(
                command, env=agent.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        until(lambda: b"no answer from redis://127.0.0.1" in agent.output.read_bytes(), what="for it to say so")
        assert is_running(agent.process.pid)
        made.redis.nodes[0].start()
        until(lambda: b"no answer from http://" in agent.output.read_bytes(), what="for its next wait")
        made.server.restart()
        assert tasks.finished(tasks.submit("print('served')"))["status"] == "completed"
        assert made.variables["CLEARML_AGENT_REDIS_URL"].split("@")[0] not in agent.output.read_text()


async def test_leases_go_by_the_clock_of_redis_and_not_by_this_machines(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = datetime.now(UTC) - timedelta(days=2)
    monkeypatch.setattr("control_plane.services.context._utc_now", lambda: wrong)
    settings = ApiSettings(shared.server.api, access_key=shared.server.access_key, secret_key=shared.server.secret_key)
    async with RedisConnection(settings, shared.agents_url, {}) as connection:
        body = {"worker": "late:0", "queues": [], "claims": []}
        answer = await connection.api().call("agents.renew", body)
        with shared.redis.nodes[0].client() as client:
            now_s = client.time()[0]
            scores = dict(client.zrange("{m}:workers", 0, -1, withscores=True))
        (until_ms,) = (score for worker, score in scores.items() if b"late:0" in worker)
        assert now_s < until_ms / 1000 <= now_s + answer["lease_s"] + 2
        await connection.api().call("workers.unregister", {"worker": "late:0"})
