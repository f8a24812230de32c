"""`LocalDriver`: the machines of an `AutoScaler` are agents on this one, each a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from clearml_sdk.automation.cloud_driver import CloudDriver
from clearml_sdk.automation.scaling.user_data import agent_arguments, worker_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

GRACE_S = 20.0
"""An agent that was told to end has so long."""


class LocalDriver(CloudDriver):
    """Starts agents as processes. They outlive the autoscaler, and the next one with its prefix takes them over.

    A machine's id is `<pid>-<start time>`, so that no other process is ever taken for it. Folders are made below
    `folder`, the environment variable CLEARML_LOCAL_MACHINES or `~/.clearml/machines`.
    """

    @property
    def folder(self) -> Path:
        """Where the machines' scripts and consoles are."""
        return Path(os.environ.get("CLEARML_LOCAL_MACHINES") or "~/.clearml/machines").expanduser()

    def spin_up_worker(self, resource: dict[str, Any], worker_prefix: str, queue_name: str, task_id: str) -> str:
        """Start an agent and return its machine's id. resource: `env` are further variables of it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{worker_prefix.replace(':', '-')}-{time.time_ns()}"
        script, console = self.folder / f"{name}.sh", self.folder / f"{name}.log"
        script.touch(mode=0o600)  # it holds credentials
        script.write_text(self._script(worker_prefix, queue_name, task_id))
        variables = {key: value for key, value in os.environ.items() if key != "CLEARML_TASK_ID"}
        # The shell reads the open file: its name changes once the machine has an id.
        with console.open("wb") as out, script.open("rb") as lines:
            process = subprocess.Popen(
                ["/bin/bash", "-s"],
                stdin=lines,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**variables, **{str(k): str(v) for k, v in (resource.get("env") or {}).items()}},
                start_new_session=True,
            )
        _children[process.pid] = process
        machine = f"{process.pid}-{_start_time(process.pid)}"
        for path in (script, console):
            path.rename(path.with_stem(f"{worker_prefix.replace(':', '~')}~{machine}"))
        return machine

    def _script(self, worker_prefix: str, queue: str, task: str) -> str:
        # The shell becomes the agent: the process that was started is the one to end.
        agent = [sys.executable, "-m", "clearml_sdk.cli", "clearml-agent"]
        conf = self.clearml_conf().strip()
        lines = worker_lines(self, worker_prefix, f"$({self.instance_id_command()})")
        if conf:  # this machine's own file stays as it is
            lines = [line.replace("~/clearml.conf", '"$CLEARML_CONFIG_FILE"') for line in lines]
            lines.insert(0, f"export CLEARML_CONFIG_FILE={self.folder}/$$.conf")
        extra = [self.extra_vm_bash_script] if self.extra_vm_bash_script else []
        once = [" ".join([*agent, "execute", "--id", task])] if task else []
        run = " ".join(["exec", *agent, *agent_arguments(self, queue)])
        return "\n".join([*lines, *extra, *once, run, ""])

    def spin_down_worker(self, instance_id: str) -> None:
        """End an agent, and what it runs. One that is gone is no error."""
        pid = _alive(instance_id)
        if pid is None:
            return
        os.killpg(pid, signal.SIGINT)  # what runs tasks has a session of its own: the agent ends it
        deadline = time.monotonic() + GRACE_S
        while _alive(instance_id) is not None:
            _reap(pid)
            if time.monotonic() > deadline:
                os.killpg(pid, signal.SIGKILL)
                deadline += GRACE_S
            time.sleep(0.05)  # it may be no child of ours: there is nothing to wait for
        for path in self.folder.glob(f"*~{instance_id}.sh"):
            path.unlink(missing_ok=True)

    def started_machines(self, workers_prefix: str) -> dict[str, str]:
        """The agents of this autoscaler that run."""
        found = {}
        for path in self.folder.glob(f"{workers_prefix}~*.sh"):
            _, resource, _, machine = path.stem.split("~")
            if _alive(machine) is not None:
                found[machine] = resource
            else:
                path.unlink(missing_ok=True)
        return found

    def instance_id_command(self) -> str:
        """The shell's process, and when it began."""
        return "echo $$-$(cut -d' ' -f22 /proc/$$/stat)" if sys.platform == "linux" else "echo $$-0"

    def instance_type_key(self) -> str:
        """`instance_type`: any word."""
        return "instance_type"

    def kind(self) -> str:
        """`local`."""
        return "local"

    def console_log(self, instance_id: str) -> str:
        """What the agent has printed so far."""
        for path in self.folder.glob(f"*~{instance_id}.log"):
            return path.read_text(errors="replace")
        return ""


def _start_time(pid: int) -> str:
    """When the process began, in ticks since the machine's start; 0 where that cannot be told."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "0"


def _alive(machine: str) -> int | None:
    """The pid of a machine that runs; None for one that has ended."""
    pid, _, began = machine.partition("-")
    if not pid.isdigit():
        return None
    _reap(int(pid))
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, PermissionError):
        return None
    return int(pid) if _start_time(int(pid)) == began else None


_children: dict[int, subprocess.Popen[bytes]] = {}
"""Those that this process started, until they have ended."""


def _reap(pid: int) -> None:
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]
