"""`clearml top`: workers, queues and running tasks, live."""

from __future__ import annotations

import time

from clearml_sdk.commands import listing, output
from clearml_sdk.commands.options import parser
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

INTERVAL_S = 2.0


def main(name: str, arguments: Sequence[str]) -> int:
    """Run the command."""
    command = parser(name)
    command.add_argument("-i", "--interval", type=float, default=INTERVAL_S, metavar="S", help="seconds between looks")
    command.add_argument("-1", "--once", action="store_true", help="look once and end")
    given = command.parse_args(arguments)
    session = Session.default()
    if given.json:
        output.print_json(look(session))
        return 0
    if given.once or not output.is_terminal():
        for columns, rows in tables(look(session)):
            output.print_table(columns, rows)
            print()
        return 0
    return _live(session, max(0.2, given.interval))


def _live(session: Session, interval_s: float) -> int:
    try:
        from rich.console import Group
        from rich.live import Live
        from rich.text import Text
    except ModuleNotFoundError:
        raise ValueError("a live view needs rich: pip install 'clearml-lean[cli]', or use --once") from None

    def view() -> Any:
        parts: list[Any] = []
        for columns, rows in tables(look(session)):
            parts += [output.rich_table(columns, rows), Text("")]
        return Group(*parts, Text(f"{time.strftime('%H:%M:%S')}  {session.settings.web_server}  Ctrl-C ends", "dim"))

    with Live(view(), screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(interval_s)
            live.update(view(), refresh=True)


def look(session: Session) -> dict[str, Any]:
    """Workers, queues and active tasks, now."""
    workers = session.call("workers.get_all", {"last_seen": 600}).get("workers") or []
    return {"workers": workers, "queues": listing.queues(session), "tasks": listing.active(session)}


def tables(found: dict[str, Any]) -> list[tuple[list[str], list[list[str]]]]:
    """(columns, rows) for each kind of thing."""
    workers = []
    for worker in sorted(found["workers"], key=lambda worker: str(worker["id"])):
        task = worker.get("task") or {}
        serves = ", ".join(str(queue.get("name")) for queue in worker.get("queues") or [])
        name = f"{output.shown_id(task['id'])} {task.get('name', '')}" if task.get("id") else "idle"
        workers.append([str(worker["id"]), name, serves, output.ago(worker.get("last_activity_time"))])
    queues = [[str(queue["name"]), str(len(queue.get("entries") or []))] for queue in found["queues"]]
    return [
        (["WORKER", "TASK", "QUEUES", "SEEN"], workers),
        (["QUEUE", "WAITING"], queues),
        listing.active_rows(found["tasks"]),
    ]
