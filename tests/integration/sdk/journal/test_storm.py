"""Server and network killed at random, the script killed with -9: stored is exactly what was reported."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from pathlib import Path

import pytest

from clearml_agent.api import Connection
from clearml_agent.execution.reporting import deliver_journal
from clearml_agent.runs import Record
from clearml_sdk.api_settings import ApiSettings
from tests.conftest import RunningServer
from tests.faults import FaultProxy
from tests.integration.sdk.core.conftest import QUIET, Workplace

from .storm import report_until_killed, stored_exactly, storm_over

ROUNDS = 12
DELIVERERS = ["the agent", "the next start", "clearml sync", "itself"]
NEXT = f"""
import os, time
from pathlib import Path
from clearml import Task
task = Task.init("sdk/storm", "the next", {QUIET})
journals = Path(os.environ["CLEARML_JOURNAL_DIR"])
own = Path(task.get_logger()._reporter._journal.path)
say(offline=Task.is_offline())  # where the storm left it no way to the server at all
while not Task.is_offline() and [path for path in journals.iterdir() if not path.name.startswith(".")] != [own]:
    time.sleep(0.05)
"""


def deliver(by: str, workplace: Workplace, proxy: FaultProxy, task_id: str) -> None:
    """What the killed script has left."""
    if by == "the agent":
        asyncio.run(by_agent(workplace, proxy, task_id))
    elif by == "the next start":
        is_there = False
        while not is_there:
            ran = workplace.run(NEXT, name="next.py", timeout=110, CLEARML_API_HOST=proxy.url)
            assert ran.code == 0, ran.err
            is_there = not ran.said["offline"]
    elif by == "clearml sync":
        command = [sys.executable, "-m", "clearml_sdk.cli", "sync", "--timeout", "100"]
        env = workplace.environment(CLEARML_API_HOST=proxy.url)
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=110, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


async def by_agent(workplace: Workplace, proxy: FaultProxy, task_id: str) -> None:
    server = workplace.server
    settings = ApiSettings(
        proxy.url, files_server=server.files, access_key=server.access_key, secret_key=server.secret_key
    )
    async with Connection(settings) as connection:
        api = connection.api()
        await api.call("users.get_current_user", {})
        record = Record(task=task_id, claim=0, token="", worker="machine")
        await asyncio.wait_for(deliver_journal(record, workplace.folder / ".journal", api), 110)


def play(server: RunningServer, folder: Path, by: str, seed: int) -> dict[str, int]:
    """One script in a storm, and what it left delivered in that storm; how much of each kind is stored."""
    folder.mkdir()
    workplace = Workplace(folder, server)
    with storm_over(server, seed) as (proxy, storm):
        after = None if by == "itself" else random.Random(seed).randrange(50, 4000)
        task_id = report_until_killed(workplace, proxy, storm, after=after, seed=seed)
        deliver(by, workplace, proxy, task_id)
        storm.end()
        if by in {"itself", "the next start"}:  # these do not wait for ever with reports of their own
            deliver("clearml sync", workplace, proxy, task_id)
        assert [path for path in (folder / ".journal").glob("*") if not path.name.startswith(".")] == []
        return stored_exactly(server, workplace, task_id, killed=after is not None)


@pytest.mark.timeout(300)  # on a busy machine each start of a server takes its time
@pytest.mark.parametrize("by", DELIVERERS[:3])
def test_what_was_reported_in_a_storm_is_stored_once(own_server: RunningServer, tmp_path: Path, by: str) -> None:
    play(own_server, tmp_path / "storm", by, random.randrange(1 << 30))


@pytest.mark.full
@pytest.mark.timeout(2 * 3600)
def test_storm_after_storm(own_server: RunningServer, tmp_path: Path) -> None:
    total = {"s": 0, "l": 0, "p": 0}
    for number in range(ROUNDS):
        for by in DELIVERERS:
            seed = random.randrange(1 << 30)
            print(f"round {number}, delivered by {by}: seed {seed}", flush=True)
            found = play(own_server, tmp_path / f"{number} {by}", by, seed)
            total = {kind: total[kind] + found[kind] for kind in total}
    print(f"stored exactly once: {total['s']} points, {total['l']} lines, {total['p']} plots")
