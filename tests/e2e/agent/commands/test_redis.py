"""`daemon --redis`: the same agent over the servers' Redis, as a user who may see and do little there."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from tests.e2e.agent.commands.conftest import Shared, redis_acl
from tests.e2e.agent.core.conftest import Tasks, marked_processes, until
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
