"""Run one task: be the parent of its process tree, in a session of its own, until nothing of the tree is left.

Usage: `python -I -S runner.py RUN_DIRECTORY [LOCK_FD]`, in a container `runner.py RUN_DIRECTORY --contained [UID:GID]`.
Standard library alone, Python >= 3.6, one file, because the same file runs in containers. It outlives the agent: an
agent reads the directory to know what became of the run. In a container it is the first process and starts while the
task is still being prepared: it waits for the word to go, and becomes the user that it is told.

Files in the run directory:
    launch.json  read: argv, cwd, env, grace_s, leftover_grace_s; inherit: `env` adds to this program's own environment,
                 and PATH and PYTHONPATH stand before what is there
    go           a FIFO; in a container it waits for what the agent writes there
    lock         flock held for as long as this program lives; says its pid. An agent that starts this program takes the
                 lock first and hands it over as LOCK_FD: there is no moment in which another agent finds it free
    started      made (O_EXCL) before the first instruction of the task; where it exists nothing starts the run again
    log          the task's standard output and error ARE this file (O_APPEND): no line waits in anybody's memory
    result.json  how it ended; by write, fsync, rename

Signals: SIGTERM asks the task to stop and kills what is left after `grace_s`; SIGQUIT kills at once; SIGINT, SIGHUP,
SIGUSR1 and SIGUSR2 are handed to the task's process group. When the task's main process has ended, so must the rest of
its tree.

Exit status: 0 when result.json says how the run ended, 75 when another runner has it, 1 when it cannot be recorded.
"""

import ctypes
import errno
import fcntl
import importlib
import json
import os
import resource
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs milliseconds of every start
    from typing import Any, Dict, List, NoReturn, Optional, Set, Tuple

LINUX = sys.platform.startswith("linux")
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
FORWARDED = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
HANDLED = (signal.SIGCHLD, signal.SIGALRM, signal.SIGTERM, signal.SIGQUIT, *FORWARDED)
KILL_LIMIT_S = 20.0  # how long killed processes may take to vanish: one in an uninterruptible wait may never
RECORD_LIMIT_S = 120.0  # how long a full disk is given before the result is given up
RESERVED_BYTES = 4096
LITTLE_BYTES = 1 << 16  # with less than this a disk is full
DISKS = ("tmpfs", "overlay", "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs")
RELAYS = 100  # how often a container's relay is begun again
EXIT_TAKEN = 75


class Taken(Exception):
    """Another runner has, or had, this run."""


# ---------------------------------------------------------------------------------------------------- files


def read_json(path: str) -> "Dict[str, Any]":
    with open(path, encoding="utf-8") as file:
        return dict(json.load(file))


def sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_json(path: str, value: "Dict[str, Any]") -> None:
    """Put `value` at `path` so that a reader, or a crash, sees the whole of it or nothing."""
    temporary = path + ".tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.ftruncate(fd, os.write(fd, json.dumps(value).encode("utf-8")))  # over what is reserved, on a full disk too
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, path)
    sync_directory(os.path.dirname(path))


def reserve(path: str) -> None:
    """Take the room for a small file before the task can use it up: a task that fills the disk is reported, too."""
    fd = os.open(path + ".tmp", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.write(fd, b" " * RESERVED_BYTES)
    finally:
        os.close(fd)


def record(path: str, value: "Dict[str, Any]") -> bool:
    """write_json, tried again while the disk is full. False when it stayed impossible."""
    deadline = time.monotonic() + RECORD_LIMIT_S
    while True:
        try:
            write_json(path, value)
            return True
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.5)  # nothing announces free space


def hold_lock(path: str, fd: int = -1) -> int:
    """Take the run's lock for as long as this process lives, or keep the one that was handed over; raises Taken."""
    if fd < 0:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(fd, False)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise Taken("another runner holds {}".format(path)) from None
        raise
    os.ftruncate(fd, 0)
    os.write(fd, json.dumps({"pid": os.getpid(), "start_ticks": start_ticks(os.getpid())}).encode("utf-8"))
    return fd


def mark_started(path: str, facts: "Dict[str, Any]") -> None:
    """Say, durably and once, that the task is about to start; raises Taken where that was said before."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Taken("{} exists: this run was started before".format(path)) from None
    try:
        os.write(fd, json.dumps(facts).encode("utf-8"))
        os.fsync(fd)
    finally:
        os.close(fd)
    sync_directory(os.path.dirname(path))


# ------------------------------------------------------------------------------------------------ processes


def start_ticks(pid: int) -> "Optional[int]":
    """When a process started, in clock ticks since boot: with the pid it names one process. None where unknown."""
    try:
        with open("/proc/{}/stat".format(pid), "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def boot_id() -> str:
    """The running system's boot, so that a pid of an earlier one is not believed. Empty where unknown."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def parents() -> "Dict[int, int]":
    """pid -> parent's pid, of every process there is."""
    if not LINUX:
        return {pid: parent for pid, parent, _ in processes_by_ps()}
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/{}/stat".format(name), "rb") as file:
                    found[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError):
                pass  # it ended between the listing and the reading
    return found


def processes_by_ps() -> "List[Tuple[int, int, int]]":
    """(pid, parent, process group) where there is no /proc."""
    with os.popen("ps -A -o pid= -o ppid= -o pgid=") as out:
        rows = [line.split() for line in out]
    return [(int(row[0]), int(row[1]), int(row[2])) for row in rows if len(row) == 3]


def descendants(root: int, group: int) -> "Set[int]":
    """Every process under `root`; without a subreaper (no Linux) also the orphans that stayed in `group`."""
    children: "Dict[int, List[int]]" = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found: "Set[int]" = set()
    todo = list(children.get(root, ()))
    if not LINUX:
        todo += [pid for pid, _, pgid in processes_by_ps() if pgid == group]
    while todo:
        pid = todo.pop()
        if pid not in found and pid != root:
            found.add(pid)
            todo += children.get(pid, ())
    return found


def send(pids: "Set[int]", number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # gone, or another user's: it is reported as left over when it does not end


def become(user: str) -> None:
    """Be `uid:gid` from now on: what is written then belongs to whoever started the agent."""
    uid, _, gid = user.partition(":")
    os.setgroups([int(gid)])
    os.setgid(int(gid))
    os.setuid(int(uid))


def await_word(path: str) -> None:
    """Wait until something is written into the FIFO at `path`; raises Taken when its writer, the agent, died first."""
    with open(path, "rb") as file:
        if not file.read():
            raise Taken("the agent that prepared this run is dead")


class Relay:
    """The process that leads to the loopback of a container's machine (docker/relay.py), where one is needed."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.pids: "Set[int]" = set()
        self.left = RELAYS if os.path.exists(os.path.join(directory, "relay.py")) else 0

    def start(self) -> None:
        """Fork it, and wait until it listens; again, when it has ended."""
        self.pids.clear()
        if not self.left:
            return
        self.left -= 1
        ready_read, ready_write = os.pipe()
        pid = os.fork()
        if pid:
            os.close(ready_write)
            os.read(ready_read, 1)
            os.close(ready_read)
            self.pids.add(pid)
            return
        try:
            os.close(ready_read)
            os.setsid()
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            sys.dont_write_bytecode = True
            sys.path.insert(0, self.directory)
            program = importlib.import_module("relay")
            program.serve(os.path.join(self.directory, "loopback"), lambda: os.close(ready_write))
        except BaseException as error:  # noqa: BLE001 - whatever it is, this copy must end and the console say why
            sys.stderr.write("WARNING: the server cannot be reached from this container: {!r}\n".format(error))
            sys.stderr.flush()
        os._exit(1)


def environment(launch: "Dict[str, Any]") -> "Dict[str, str]":
    """The task's environment; what a container has of its own stays, where the launch does not say otherwise."""
    given = dict(launch["env"])
    if not launch.get("inherit"):
        return given
    found = dict(os.environ)
    for name in ("PATH", "PYTHONPATH"):
        if given.get(name) and found.get(name):
            given[name] = given[name] + os.pathsep + found[name]
    found.update(given)
    return found


def adopt_orphans() -> None:
    """Become the parent of every orphaned descendant, so that a double fork does not hide a process."""
    if LINUX:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def full_disks(but: str) -> "List[str]":
    """Where this container has disks, tmpfs among them, without room; each once, without the one of `but`."""
    found = []
    known = {os.stat(but).st_dev}
    with open("/proc/self/mounts", "rb") as file:
        mounts = [os.fsdecode(line).split() for line in file]
    for _device, place, kind, options in (words[:4] for words in mounts):
        if kind not in DISKS or "rw" not in options.split(","):
            continue  # that of another machine may never answer
        try:
            disk, device = os.statvfs(place), os.stat(place).st_dev
        except OSError:
            continue
        if disk.f_blocks and disk.f_bavail * disk.f_frsize < LITTLE_BYTES and device not in known:
            known.add(device)
            found.append(place)
    return found


def oom_kills() -> int:
    """How many processes the kernel has killed for memory so far, in this cgroup or, failing that, on this machine."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control", "/proc/vmstat"):
        try:
            with open(path, encoding="ascii") as file:
                for line in file:
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        except (OSError, ValueError):
            continue
    return 0


def become_task(launch: "Dict[str, Any]", log_fd: int, go_fd: int, error_fd: int, runner_pid: int) -> "NoReturn":
    """In the forked child: wait for the word to go, then turn into the task. Never returns."""
    try:
        os.setsid()
        if LINUX:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            try:
                with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
                    file.write("100")  # short of memory, the kernel takes the task and not the program that reports it
            except OSError:
                pass  # where this is not allowed, the kernel chooses by size
        if os.read(go_fd, 1) != b"1" or os.getppid() != runner_pid:
            os._exit(0)  # the runner died before it could record the start: the task must not run
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log_fd, 1)
        os.dup2(log_fd, 2)
        for number in (signal.SIGPIPE, getattr(signal, "SIGXFSZ", signal.SIGPIPE)):
            signal.signal(number, signal.SIG_DFL)  # Python ignores these, and a task would inherit it
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.chdir(launch["cwd"])
        os.execvpe(launch["argv"][0], launch["argv"], environment(launch))
    except BaseException as error:  # noqa: BLE001 - whatever it is, the runner must hear of it and this copy must end
        os.write(error_fd, "{}: {}".format(type(error).__name__, error).encode("utf-8", "replace")[:4000])
    os._exit(127)


# -------------------------------------------------------------------------------------------------- the run


class Run:
    """The task's process tree from its start to its last process."""

    def __init__(self, directory: str, launch: "Dict[str, Any]", relay: "Optional[Relay]" = None) -> None:
        self.directory = directory
        self.relay = relay or Relay("")
        self.launch = launch
        self.pid = 0
        self.status: "Optional[int]" = None
        self.ended_at = 0.0
        self.stop_signal = ""
        self.deadline: "Optional[float]" = None
        self.sweeping = False
        self.killed: "Set[int]" = set()
        self.error = ""

    def start(self) -> None:
        """Fork, record the start, then let the child go: a crash between any two of these never runs a task twice."""
        reserve(self.path("result.json"))
        log_fd = os.open(self.path("log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        go_read, go_write = os.pipe()
        error_read, error_write = os.pipe()
        runner_pid = os.getpid()
        self.pid = os.fork()
        if not self.pid:
            os.close(go_write)
            become_task(self.launch, log_fd, go_read, error_write, runner_pid)
        for fd in (log_fd, go_read, error_write):
            os.close(fd)
        facts = {
            "pid": runner_pid,
            "start_ticks": start_ticks(runner_pid),
            "boot_id": boot_id(),
            "task_pid": self.pid,
            "task_start_ticks": start_ticks(self.pid),
            "started_at": time.time(),
        }
        try:
            mark_started(self.path("started"), facts)
        except BaseException:
            os.close(go_write)  # the child reads the end of the pipe and leaves
            os.waitpid(self.pid, 0)
            raise
        os.write(go_write, b"1")
        os.close(go_write)
        self.error = os.read(error_read, 4000).decode("utf-8", "replace")
        os.close(error_read)

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def tree(self) -> "Set[int]":
        """The task's processes."""
        return descendants(os.getpid(), self.pid) - self.relay.pids

    def reap(self) -> bool:
        """Collect ended children. False when there is none left: as orphans become children, the tree is gone."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return bool(not LINUX and self.tree())
            if pid == 0:
                return not self.relay.pids or self.status is None or bool(self.tree())
            if pid in self.relay.pids:
                self.relay.start()
            if pid == self.pid:
                self.status, self.ended_at = status, time.time()

    def wait(self) -> "Set[int]":
        """Wait until the tree is gone, by itself or killed; returns the processes that could not be killed."""
        while self.reap():
            if self.status is not None and not self.sweeping:
                self.sweep()
            if self.deadline is not None and time.monotonic() >= self.deadline:
                return self.kill()
            self.wake_at(self.deadline)
            self.on_signal(signal.sigwait(HANDLED))
        return set()

    def wake_at(self, deadline: "Optional[float]") -> None:
        left = 0.0 if deadline is None else max(0.001, deadline - time.monotonic())
        if not LINUX and self.sweeping:
            left = 0.05  # orphans are not our children there, so no SIGCHLD tells of their end
        signal.setitimer(signal.ITIMER_REAL, left)

    def sweep(self) -> None:
        """The main process has ended: ask the rest of the tree to end as well, soon."""
        self.sweeping = True
        send(self.tree(), signal.SIGTERM)
        limit = time.monotonic() + float(self.launch.get("leftover_grace_s", 2.0))
        self.deadline = limit if self.deadline is None else min(limit, self.deadline)

    def on_signal(self, number: int) -> None:
        if number == signal.SIGTERM and not self.stop_signal:
            self.stop_signal = "SIGTERM"
            self.signal_group(signal.SIGTERM)
            self.deadline = time.monotonic() + float(self.launch.get("grace_s", 10.0))
        elif number == signal.SIGQUIT:
            self.stop_signal = "SIGKILL"
            self.deadline = time.monotonic()
        elif number in FORWARDED:
            self.signal_group(number)

    def signal_group(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # the group is empty, or another user's

    def kill(self) -> "Set[int]":
        """SIGKILL the whole tree; frozen first, until a look finds nobody new, so that none slips away by forking."""
        deadline = time.monotonic() + KILL_LIMIT_S
        while self.reap():
            frozen: "Set[int]" = set()
            while True:
                fresh = self.tree() - frozen
                if not fresh:
                    break
                send(fresh, signal.SIGSTOP)
                frozen |= fresh
            send(frozen, signal.SIGKILL)
            self.killed |= frozen
            if not self.reap():
                break
            if time.monotonic() > deadline:
                return self.tree()
            self.wake_at(min(deadline, time.monotonic() + 0.1))
            signal.sigwait((signal.SIGCHLD, signal.SIGALRM))
        return set()

    def result(self, left: "Set[int]", oom_before: int) -> "Dict[str, Any]":
        """What result.json says; `exit_code` is None when a signal ended the task."""
        status = self.status
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        exited = status is not None and os.WIFEXITED(status)
        signaled = status is not None and os.WIFSIGNALED(status)
        return {
            "exit_code": os.WEXITSTATUS(status) if exited and status is not None else None,
            "signal": os.WTERMSIG(status) if signaled and status is not None else None,
            "error": self.error,
            "ended_at": self.ended_at or time.time(),
            "stop_signal": self.stop_signal,
            "oom": oom_kills() > oom_before,
            "full": full_disks(self.directory) if self.launch.get("inherit") and status else [],
            "killed": len(self.killed),
            "left": sorted(left),
            "user_s": usage.ru_utime,
            "system_s": usage.ru_stime,
            "peak_rss_bytes": usage.ru_maxrss * (1024 if LINUX else 1),
        }


def main(arguments: "List[str]") -> int:
    if len(arguments) not in (1, 2, 3):
        sys.stderr.write("usage: runner.py RUN_DIRECTORY [LOCK_FD | --contained [UID:GID]]\n")
        return 2
    directory = os.path.abspath(arguments[0])
    fd = -1
    relay = None
    try:
        if arguments[1:2] == ["--contained"]:
            if arguments[2:]:
                become(arguments[2])
            relay = Relay(directory)
            relay.start()
            await_word(os.path.join(directory, "go"))
        elif arguments[1:]:
            fd = int(arguments[1])
        lock_fd = hold_lock(os.path.join(directory, "lock"), fd)
        if os.path.exists(os.path.join(directory, "started")):
            raise Taken("this run was started before")
        if os.getsid(0) != os.getpid() and os.getpgrp() != os.getpid():
            os.setsid()
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        adopt_orphans()
        oom_before = oom_kills()
        run = Run(directory, read_json(os.path.join(directory, "launch.json")), relay)
        run.start()
    except Taken as taken:
        sys.stderr.write("runner: {}\n".format(taken))
        return EXIT_TAKEN
    left = run.wait()
    recorded = record(run.path("result.json"), run.result(left, oom_before))
    os.close(lock_fd)
    return 0 if recorded else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
