"""`clearml logs`: the console of a task, and with `-f` what comes, until the task ends with its exit code."""

from __future__ import annotations

import json
import re
import sys
import time

from clearml_sdk.commands import lookup, output
from clearml_sdk.commands.errors import FAILED, CommandError
from clearml_sdk.commands.options import at_least, parser
from clearml_sdk.errors import ApiError
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session
from clearml_sdk.status_watch import TERMINAL, changed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

PAGE = 1000
AGAIN_S = 1.0
SILENCE_S = 90.0
"""Something comes every 15 seconds: after so long nobody is there any more."""
STOPPED = 143
"""Exit status for a task that was stopped: as of a process that SIGTERM ended."""

_ENDED = ("status", "status_reason", "status_message", "status_changed", "started", "completed")
_EXIT_CODE = re.compile(r"exit code (-?\d+)")


def main(name: str, arguments: Sequence[str]) -> int:
    """Run the command."""
    command = parser(name, task=True)
    add = command.add_argument
    add("-f", "--follow", action="store_true", help="go on until the task ends, and end with its exit code")
    add("-n", "--lines", type=at_least(0), metavar="N", help="only the last N lines (with -f: 100)")
    given = command.parse_args(arguments)
    session = Session.default()
    task = str(lookup.find(session, given.task)["id"])
    if not given.follow:
        lines = _stored(session, task, given.lines)
        for line in lines:
            _print(line, given.json)
        return 0
    try:
        followed = _streamed(session, task, given.lines if given.lines is not None else 100)
        for line in followed:
            _print(line, given.json)
    except ApiError as error:
        if error.code != 404:
            raise
        for line in _polled(session, task, given.lines):  # a server without the stream
            _print(line, given.json)
    return _exit_code(session, task, is_quiet=given.json)


def _print(event: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(event, ensure_ascii=False), flush=True)
        return
    text = str(event.get("msg", ""))
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()


def _stored(session: Session, task: str, last: int | None) -> Iterator[dict[str, Any]]:
    """The lines that there are, oldest first; only the `last`."""
    if last is not None:
        body = {"task": task, "batch_size": max(1, last), "navigate_earlier": True, "order": "asc"}
        found = session.call("events.get_task_log", body).get("events") or []
        yield from found[-last:] if last > 0 else []
        return
    for line in _lines(session, "events.download_task_log", {"task": task, "line_type": "json"}):
        if line.strip():
            yield json.loads(line)


def _streamed(session: Session, task: str, lines: int) -> Iterator[dict[str, Any]]:
    """Lines as the server tells them, going on where a broken connection ended."""
    after: str | None = None
    told = ""
    while True:
        try:
            for kind, data, id_ in _messages(session, task, lines, after):
                after, told = id_ or after, ""
                if kind == "lines":
                    yield from data.get("lines") or []
                elif kind == "reset" and not data.get("lines"):
                    print("--- the task was reset ---", file=sys.stderr)
                elif kind == "end":
                    if data.get("status") is None:
                        raise CommandError("the task was deleted")
                    return
        except OSError as error:
            if str(error) != told:  # once, however long the server is away
                told = str(error)
                print(f"clearml logs: {told}; going on when the server answers", file=sys.stderr)
        time.sleep(AGAIN_S)  # the server closed the stream: it stops, or an hour is over


def _messages(
    session: Session, task: str, lines: int, after: str | None
) -> Iterator[tuple[str, dict[str, Any], str | None]]:
    """(event, data, id) of one connection to `events.follow`."""
    body = {"task": task, "lines": lines, **({"after": after} if after else {})}
    yield from parse(_lines(session, "events.follow", body))


def _lines(session: Session, endpoint: str, body: Mapping[str, Any]) -> Iterator[str]:
    """The lines of an answer that streams, as they come. Raises ApiError for an answer that is a refusal."""
    from http.client import HTTPException

    from clearml_sdk.transport import HttpTransport

    if session.core.must_log_in:
        session.log_in()
    request = session.core.request(endpoint, body)
    scheme, _, rest = request.url.partition("://")
    host, _, path = rest.partition("/")
    transport = session.transport
    assert isinstance(transport, HttpTransport)
    connection = transport.connect(f"{scheme}://{host}", session.settings.connect_timeout_s)
    try:
        connection.sock.settimeout(SILENCE_S)
        connection.request(request.method, f"/{path}", body=request.body, headers=request.headers)
        answer = connection.getresponse()
        if answer.status != 200:
            session.core.read(answer.status, dict(answer.headers.items()), answer.read(), endpoint=endpoint)
        for line in answer:
            yield line.decode("utf-8", "replace").rstrip("\r\n")
    except HTTPException as error:
        raise ConnectionError(f"the answer broke off: {type(error).__name__}") from error
    finally:
        connection.close()


def parse(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any], str | None]]:
    """Server-sent events out of their lines: (event, data, id)."""
    kind, id_ = "message", None  # the id stays until another one comes
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield kind, json.loads("\n".join(data)), id_
            kind, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            kind = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            id_ = value


def _polled(session: Session, task: str, lines: int | None) -> Iterator[dict[str, Any]]:
    """Lines of a server that does not tell them: asked again and again."""
    seen: set[Any] = set()
    status = ""
    while True:
        body = {"task": task, "batch_size": lines or PAGE, "navigate_earlier": True, "order": "asc"}
        for event in session.call("events.get_task_log", body).get("events") or []:
            mark = (event.get("timestamp"), event.get("msg"))
            if mark not in seen:
                seen.add(mark)
                yield event
        if status in TERMINAL:
            return
        status = str(TaskRecord(session, task).read_fields("status").get("status"))
        if status not in TERMINAL:
            changed(session, {task: status}, AGAIN_S)


def _exit_code(session: Session, task: str, *, is_quiet: bool) -> int:
    """The exit status that stands for how the task ended."""
    found = TaskRecord(session, task).read_fields(*_ENDED)
    status = str(found.get("status"))
    code = exit_status(status, str(found.get("status_reason") or ""), str(found.get("status_message") or ""))
    if not is_quiet:
        why = f": {found['status_reason']}" if code and found.get("status_reason") else ""
        print(f"--- {status} after {output.lasted(output.runtime_s(found))}{why} ---", file=sys.stderr)
    return code


def exit_status(status: str, reason: str, message: str) -> int:
    """0 for success, else the exit code of the task's process where it is known. Pure."""
    if status in ("completed", "published", "closed"):
        return 0
    if status == "stopped":
        return STOPPED
    found = _EXIT_CODE.search(reason) or _EXIT_CODE.search(message)
    code = int(found[1]) if found else FAILED
    return 128 - code if code < 0 else (code or FAILED)
