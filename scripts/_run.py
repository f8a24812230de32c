"""`scripts/run`: the whole system on this machine, and one example that goes through its queue."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from clearml_sdk.api_settings import ApiSettings  # noqa: E402 - the project's folder must be on the path first
from clearml_sdk.session import Session  # noqa: E402 - the project's folder must be on the path first
from examples.repository import make_repository  # noqa: E402 - same

STATE = PROJECT / ".run"
BIN = PROJECT / ".venv" / "bin"
QUEUE, SERVICES = "default", "services"
console = Console(highlight=False, soft_wrap=True)


class Failed(Exception):
    """The example did not go through; the message says where and what to look at."""


@contextlib.contextmanager
def child(name: str, *command: str, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A part of the system in a session of its own (Ctrl-C reaches us alone), stopped at the end."""
    log = STATE / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            console.print(f"[red]{name} did not stop within 30 s and is killed; see {log}[/]")
            process.kill()
            process.wait()


def wait_for_file(path: Path, process: subprocess.Popen[bytes], name: str, limit_s: float = 30) -> None:
    deadline = time.monotonic() + limit_s
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            text = (STATE / f"{name}.log").read_text(errors="replace")
            raise Failed(f"{name} did not start:\n{text[-3000:]}")
        time.sleep(0.02)


def start_server(stack: contextlib.ExitStack, *, any_ports: bool) -> dict[str, Any]:
    """Start `clearml-server` on the standard ports (or any free ones) and return what it says of itself."""
    ready = STATE / "server.json"
    ready.unlink(missing_ok=True)
    ports = [f"--{name}-port=0" for name in ("api", "web", "files")] if any_ports else []
    process = stack.enter_context(
        child(
            "server",
            *(str(BIN / "clearml-server"), "--data-dir", str(STATE / "server"), "--ready-file", str(ready), *ports),
            env=clean_environment(),
        )
    )
    wait_for_file(ready, process, "server")
    facts: dict[str, Any] = json.loads(ready.read_text())
    return facts


def clean_environment() -> dict[str, str]:
    """The caller's variables without any that would point a client at another server."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("CLEARML_", "TRAINS_"))}


def client_environment(facts: dict[str, Any]) -> dict[str, str]:
    return {
        **clean_environment(),
        "CLEARML_API_HOST": facts["api_server"],
        "CLEARML_WEB_HOST": facts["web_server"],
        "CLEARML_FILES_HOST": facts["files_server"],
        "CLEARML_API_ACCESS_KEY": facts["access_key"],
        "CLEARML_API_SECRET_KEY": facts["secret_key"],
        "CLEARML_CONFIG_FILE": str(STATE / "no-such.conf"),
        "CLEARML_AGENT_HOME": str(STATE / "agent"),
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }


def record(session: Session, env: dict[str, str]) -> str:
    """Run the example here, as a user does while developing, and return the id of its task."""
    clone = make_repository(STATE / "example")
    answer = subprocess.run(
        [str(BIN / "python"), "train.py", "--epochs", "3"],
        cwd=clone, env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if answer.returncode:
        raise Failed(f"the example failed on this machine (exit {answer.returncode}):\n{answer.stdout}{answer.stderr}")
    found = session.call(
        "tasks.get_all", {"name": "^three classes$", "order_by": ["-created"], "page_size": 1, "page": 0}
    )["tasks"]
    if not found:
        raise Failed("the example ran but recorded no task")
    return str(found[0]["id"])


def send(session: Session, recorded: str) -> str:
    """Clone the recorded task, change one parameter and put the clone into the queue; returns its id."""
    task = session.call("tasks.clone", {"task": recorded, "new_task_name": "three classes, from the queue"})["id"]
    session.call(
        "tasks.edit_hyper_params",
        {"task": task, "hyperparams": [{"section": "Args", "name": "epochs", "value": "12", "type": "int"}]},
    )
    queue = session.call("queues.get_all", {"name": f"^{QUEUE}$"})["queues"][0]["id"]
    session.call("tasks.enqueue", {"task": task, "queue": queue})
    return str(task)


def follow(session: Session, task: str, limit_s: float = 300) -> dict[str, Any]:
    """Wait until the task ends, printing its status as it changes; returns the task."""
    seen, deadline = "", time.monotonic() + limit_s
    while True:
        document: dict[str, Any] = session.call("tasks.get_by_id", {"task": task})["task"]
        if document["status"] != seen:
            seen = document["status"]
            console.print(f"  {seen.replace('_', ' ')}")
        if seen in ("completed", "failed", "stopped", "published"):
            return document
        if time.monotonic() > deadline:
            raise Failed(f"the task is still {seen} after {limit_s:.0f} s; see {STATE / 'agent.log'}")
        time.sleep(0.05)


def summarise(session: Session, task: dict[str, Any]) -> None:
    """Print what was recorded; raises Failed when something of it is missing."""
    task_id = task["id"]
    log = session.call("events.get_task_log", {"task": task_id, "batch_size": 5000, "order": "asc"})["events"]
    if task["status"] != "completed":
        tail = "\n".join(event["msg"].rstrip("\n") for event in log[-30:])
        raise Failed(f"the task {task['status']}: {task.get('status_reason')}\n{tail}")
    scalars = session.call("events.scalar_metrics_iter_histogram", {"task": task_id})
    plots = session.call("events.get_task_plots", {"task": task_id})["plots"]
    artifacts = task["execution"]["artifacts"]
    models = task["models"]["output"]
    curves = {
        f"{title}/{series}": values["y"]
        for title, variants in scalars.items() if not title.startswith(":")
        for series, values in variants.items()
    }  # fmt: skip
    lines = [line for event in log for line in event["msg"].splitlines()]

    recorded = Table(title="what was recorded", show_header=False, title_justify="left")
    recorded.add_row("commit", f"{task['script']['version_num'][:10]} of {task['script']['repository']}, with a diff")
    arguments = task["hyperparams"]["Args"]
    recorded.add_row("parameters", ", ".join(f"{n}={p['value']}" for n, p in sorted(arguments.items())))
    for name, values in sorted(curves.items()):
        recorded.add_row("scalar", f"{name}: {len(values)} points, {values[0]:.4f} -> {values[-1]:.4f}")
    for plot in plots:
        recorded.add_row("plot", f"{plot['metric']}/{plot['variant']}")
    for artifact in artifacts:
        recorded.add_row("artifact", f"{artifact['key']} ({artifact['type']}, {artifact['content_size']} bytes)")
    for model in models:
        recorded.add_row("model", model["name"])
    recorded.add_row("console", f"{sum(event['msg'].count(chr(10)) or 1 for event in log)} lines")
    console.print(recorded)

    times = Table(title="how long each stage took", show_header=False, title_justify="left")
    for line in lines:
        if line.startswith("Environment env-"):
            times.add_row("environment", line.partition(": ")[2])
        elif line.startswith("Stages: "):
            for stage in line.removeprefix("Stages: ").replace("; ", ", ").split(", "):
                times.add_row(*stage.rsplit(" ", 2)[0:1], " ".join(stage.rsplit(" ", 2)[1:]))
    console.print(times)

    missing = [
        name
        for name, found in (
            ("scalars", len(curves) == 2 and all(len(values) == 12 for values in curves.values())),
            ("the plot", plots), ("the artifact", artifacts), ("the model", models),
            ("the console", any("with the uncommitted change" in event["msg"] for event in log)),
        ) if not found
    ]  # fmt: skip
    if missing:
        raise Failed(f"the task completed, but {', '.join(missing)} did not come back as recorded")


def go(*, once: bool) -> None:
    STATE.mkdir(exist_ok=True)
    began = time.monotonic()

    def said(what: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:7.2f} s[/]  {what}")

    with contextlib.ExitStack() as stack:
        facts = start_server(stack, any_ports=once)
        said(f"server at {facts['web_server']}, API at {facts['api_server']}")
        env = client_environment(facts)
        stack.enter_context(
            child(
                "agent",
                *(str(BIN / "clearml-agent"), "daemon", "--queue", QUEUE, "--create-queue", "--foreground"),
                env=env,
            )
        )
        stack.enter_context(
            child(
                "services",
                *(str(BIN / "clearml-agent"), "daemon", "--services-mode", "--queue", SERVICES),
                *("--create-queue", "--foreground"),
                env=env,
            )
        )
        said(f"agents on the queues {QUEUE} and {SERVICES}")
        session = Session(
            ApiSettings(api_server=facts["api_server"], access_key=facts["access_key"], secret_key=facts["secret_key"])
        )
        recorded = record(session, env)
        said("example recorded on this machine")
        task = send(session, recorded)
        said(f"cloned and enqueued as {task}")
        document = follow(session, task)
        said("read back")
        summarise(session, document)
        if once:
            return
        console.print(f"\n{facts['web_server']}/projects/{document['project']}/tasks/{task}/output/log")
        console.print(
            f"\nEverything runs; logs are in {STATE}. Web page: {facts['web_server']}, "
            f"key {facts['access_key']}, secret in {STATE / 'server' / 'credentials.json'}. Ctrl-C stops it."
        )
        signal.pause()


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/run", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the example, with its status; any free ports")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that the children are stopped
    try:
        go(once=arguments.once)
    except Failed as failure:
        console.print(str(failure), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
