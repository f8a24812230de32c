"""The program from which processes of jobs are forked: Python is started, and the SDK imported, once for all of them.

These two take longer than all else that happens between two steps. Run as a file, with the number of a socket: for
each pipe that comes over it a process is forked, and its id sent back; when it has ended, its exit code. The process
reads from the pipe what it is to run, one line of JSON (`processes.Order`), and is from then on as if Python had been
started with that script. The pipe's end without a line ends it; the socket's end ends this program.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

IMPORTED = (
    "clearml_sdk._alias",
    "clearml_sdk.artifacts.artifact",
    "clearml_sdk.artifacts.decoding",
    "clearml_sdk.automation.controller",
    "clearml_sdk.bindings.command_lines",
    "clearml_sdk.initialising",
    "clearml_sdk.logger",
    "clearml_sdk.offline.session",
    "clearml_sdk.outage",
    "clearml_sdk.queries",
    "clearml_sdk.reporting.console",
    "clearml_sdk.reporting.reporter",
    "clearml_sdk.reporting.resources",
    "clearml_sdk.storage.cache",
    "clearml_sdk.storage.transfer",
    "clearml_sdk.task",
    "clearml_sdk.transport",
    "encodings.idna",
    "pynvml",
)
"""What nearly every task needs."""


def main() -> None:
    """Serve; the processes that are forked leave here with their order."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    del sys.path[0]  # the folder of this file
    known = set(_search_path(os.environ))
    base = [place for place in sys.path if place not in known]
    for name in IMPORTED:
        with contextlib.suppress(ImportError):  # the script may find it, with its own search path
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    pipe = serve(channel)
    with open(pipe, encoding="utf-8") as file:
        line = file.readline()
    if not line.endswith("\n"):
        os._exit(0)  # nobody is left who could give an order
    follow(json.loads(line), base)


def serve(channel: socket.socket) -> int:
    """Fork until nobody asks any more. Returns in the forked processes alone: the pipe of each."""
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    poll.register(woken, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if woken in ready:
            os.read(woken, 4096)
            _tell_ended(channel)
        if channel.fileno() not in ready:
            continue
        message, pipes, _, _ = socket.recv_fds(channel, 1, 1)
        if not message:
            os._exit(0)
        child = os.fork()
        if not child:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(woken)
            os.close(wake)
            channel.close()
            os.setsid()
            return int(pipes[0])
        os.close(pipes[0])
        channel.sendall(f"forked {child} 0\n".encode())


def _tell_ended(channel: socket.socket) -> None:
    while True:
        try:
            child, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not child:
            return
        channel.sendall(f"ended {child} {os.waitstatus_to_exitcode(status)}\n".encode())


def follow(order: dict[str, Any], base: list[str]) -> None:
    """Run what is ordered. base: the search path of this Python, without anybody's wishes."""
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    sys.argv[:] = [order["path"] or order["module"], *order["arguments"]]
    with contextlib.suppress(OSError), open("/proc/self/comm", "w", encoding="utf-8") as file:
        file.write(os.path.basename(sys.argv[0]))  # what lists of processes show
    if order["module"]:
        sys.path[:] = [order["folder"], *_search_path(os.environ), *base]
        run(lambda: runpy.run_module(order["module"], run_name="__main__", alter_sys=True))
    else:
        sys.path[:] = [os.path.dirname(order["path"]), *_search_path(os.environ), *base]
        run(lambda: execute(order["path"]))


def _search_path(environment: Mapping[str, str]) -> list[str]:
    return [os.path.abspath(place) for place in environment.get("PYTHONPATH", "").split(os.pathsep) if place]


def execute(path: str) -> None:
    """Run a file as the main module of this process."""
    main_module = types.ModuleType("__main__")
    main_module.__dict__.update(__file__=path, __builtins__=builtins, __spec__=None, __cached__=None)
    sys.modules["__main__"] = main_module
    with io.open_code(path) as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    exec(code, main_module.__dict__)


def run(program: Callable[[], object]) -> None:
    """Run the program and end as the interpreter ends with it; the SDK learns of every exit code."""
    try:
        program()
    except SystemExit as ending:
        ending_module = sys.modules.get("clearml_sdk.ending")
        if ending_module is not None:
            ending_module.note_exit_code(ending.code)
        raise
    except BaseException as error:  # noqa: BLE001 - the top: the interpreter's part is played here
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename in (__file__, runpy.__file__):
            trace = trace.tb_next  # the reader knows nothing of this program
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        sys.stdout.flush()
        raise SystemExit(130 if isinstance(error, KeyboardInterrupt) else 1) from None


if __name__ == "__main__":
    main()
