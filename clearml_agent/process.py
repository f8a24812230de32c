"""Helper processes such as git and uv: run to their end, and gone with their whole group however that end comes."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import contextvars
import ctypes
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

Log = Callable[[str], None]
"""Takes one console line, without its line end."""

DRAIN_S = 1.0
"""How long the output of an ended process is awaited from a grandchild that still holds the pipe."""

ERRORS_KEPT_BYTES = 64 * 1024
PR_SET_PDEATHSIG = 1


class Finished(NamedTuple):
    """How a helper ended: its exit code (negative: the signal), all of its output, and the end of its error output."""

    code: int
    output: bytes
    errors: str


class Elsewhere(Protocol):
    """Runs helpers in another place than this machine's own system; takes and answers what `run_process` does."""

    async def __call__(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        cwd: Path | None,
        env: Mapping[str, str] | None,
        stdin: bytes,
        log: Log | None,
    ) -> Finished: ...


_elsewhere: contextvars.ContextVar[Elsewhere | None] = contextvars.ContextVar("where helpers run", default=None)


@contextlib.contextmanager
def helpers_run(place: Elsewhere | None) -> Iterator[None]:
    """What runs in this block, and in the asyncio tasks begun in it, has its helpers run in `place` (None: here)."""
    token = _elsewhere.set(place)
    try:
        yield
    finally:
        _elsewhere.reset(token)


_marks: contextvars.ContextVar[Mapping[str, str] | None] = contextvars.ContextVar("variables of helpers", default=None)


_scratch: contextvars.ContextVar[Path | None] = contextvars.ContextVar("folder for helpers' files", default=None)


def helpers_are_of(directory: Path, marks: Mapping[str, str]) -> None:
    """Have every helper that this asyncio task, and those begun in it, run from now on belong to the run there.

    What a helper started itself does not die with an agent that is killed: by `marks`, variables in its environment,
    the next agent finds it. What lies in the run's directory goes with the run, whoever is killed.
    """
    _marks.set(marks)
    _scratch.set(directory)


def scratch() -> Path | None:
    """Where helpers' own files go; None: the system's folder for temporary ones."""
    return _scratch.get()


def helpers_run_elsewhere() -> bool:
    """Whether this machine's own programs are of no use to the helpers of this asyncio task."""
    return _elsewhere.get() is not None


class HelperTimeout(Exception):
    """A helper did not end in its time and was killed."""

    def __init__(self, program: str, timeout_s: float) -> None:
        super().__init__(f"{program} did not end within {timeout_s:.0f} s")
        self.timeout_s = timeout_s


async def run_process(
    argv: Sequence[str],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    log: Log | None = None,
    grace_s: float = 2.0,
) -> Finished:
    """Run `argv` in its own session and wait for its end.

    Args:
        timeout_s: after it the group is killed and HelperTimeout raised.
        stdin: what the process reads; there is never a terminal, so nothing can prompt.
        log: receives every line of the error output as it is written (uv and git talk there).
        grace_s: time between SIGTERM and SIGKILL when this call is cancelled or times out.

    However this ends, the process group is dead and no pipe is left open. When the agent itself is killed, Linux kills
    the process too. Raises FileNotFoundError when there is no such program.
    """
    if (place := _elsewhere.get()) is not None:
        return await place(argv, timeout_s=timeout_s, cwd=cwd, env=env, stdin=stdin, log=log)
    if marks := _marks.get():
        env = {**(os.environ if env is None else env), **marks}
    async with contextlib.AsyncExitStack() as stack:
        source = stack.enter_context(_readable(stdin))
        output = await stack.enter_async_context(_drained(_Drain()))
        errors = await stack.enter_async_context(_drained(_Drain(log, keep=ERRORS_KEPT_BYTES)))
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=source,
                stdout=output.write_fd,
                stderr=errors.write_fd,
                cwd=cwd,
                env=dict(env) if env is not None else None,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),
            )
        finally:
            output.close_write()
            errors.close_write()
        try:
            async with asyncio.timeout(timeout_s):
                await process.wait()
                await _drain((output, errors))
        except TimeoutError:
            raise HelperTimeout(Path(argv[0]).name, timeout_s) from None
        finally:
            await kill_group(process, grace_s)
        code = process.returncode
        return Finished(-1 if code is None else code, bytes(output.data), errors.text())


async def kill_group(process: asyncio.subprocess.Process, grace_s: float) -> None:
    """SIGTERM the process group; SIGKILL what is left of it after `grace_s` seconds.

    Another cancellation shortens the grace, never skips the kill.
    """
    try:
        if process.returncode is None:
            signal_group(process.pid, signal.SIGTERM)
            async with asyncio.timeout(grace_s):
                await process.wait()
    except TimeoutError:
        pass  # the grace is over
    finally:
        signal_group(process.pid, signal.SIGKILL)
    await process.wait()


def signal_group(group: int, number: signal.Signals) -> None:
    """Signal a process group that may be gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        os.killpg(group, number)


def _die_with(parent: int) -> Callable[[], None] | None:
    """What a child calls before exec so that it is killed when the agent dies, even by SIGKILL (Linux only)."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl  # found before the fork: the child must not look symbols up

    def ask_for_signal() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the call above
            os._exit(127)

    return ask_for_signal


@contextlib.contextmanager
def _readable(data: bytes) -> Iterator[int]:
    """A descriptor from which a child reads `data`: a nameless file, so that no pipe can fill up."""
    with tempfile.TemporaryFile() if data else open(os.devnull, "rb") as file:
        if data:
            file.write(data)
            file.seek(0)
        yield file.fileno()


class _Drain(asyncio.Protocol):
    """The reading end of a pipe of ours, so that `Process.wait` does not wait for the pipe's last holder."""

    def __init__(self, log: Log | None = None, *, keep: int = 0) -> None:
        """keep: only the last so many bytes are kept; 0 keeps all."""
        self.data = bytearray()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.write_fd = -1
        self._log, self._keep = log, keep
        self._line = ""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def data_received(self, data: bytes) -> None:
        self.data += data
        if self._keep and len(self.data) > 2 * self._keep:
            del self.data[: -self._keep]
        if self._log is not None:
            *lines, self._line = (self._line + self._decode(data)).split("\n")
            for line in lines:
                self._log(line.rstrip("\r"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._line and self._log is not None:
            self._log(self._line)
            self._line = ""
        if not self.closed.done():
            self.closed.set_result(None)

    def close_write(self) -> None:
        if self.write_fd >= 0:
            os.close(self.write_fd)
            self.write_fd = -1

    def text(self) -> str:
        return self.data[-self._keep :].decode("utf-8", "replace")


@contextlib.asynccontextmanager
async def _drained(drain: _Drain) -> AsyncIterator[_Drain]:
    """Open the pipe of `drain`, and close both ends at the end."""
    read_fd, drain.write_fd = os.pipe()
    file = os.fdopen(read_fd, "rb", buffering=0)
    try:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: drain, file)
    except BaseException:
        file.close()
        drain.close_write()
        raise
    try:
        yield drain
    finally:
        drain.close_write()
        transport.close()
        if not drain.closed.done():
            await asyncio.wait([drain.closed], timeout=DRAIN_S)


async def _drain(drains: Sequence[_Drain]) -> None:
    """Wait for the rest of the output, but not for a grandchild that keeps the pipe open in the background."""
    await asyncio.wait([drain.closed for drain in drains], timeout=DRAIN_S)
