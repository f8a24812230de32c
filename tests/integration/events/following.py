"""A client of server-sent events: reads them in a thread, as a page or a command line does."""

from __future__ import annotations

import http.client
import json
import queue
import threading
import urllib.parse
import urllib.request
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.conftest import RunningServer

WAIT_S = 60.0
HEARTBEAT = "heartbeat"


@dataclass
class Message:
    event: str
    data: Any
    id: str = ""


class Following:
    """`with Following(server, task, lines=0) as following: following.until("end")`"""

    def __init__(self, server: RunningServer, task: str, *, last_id: str = "", api: str = "", **request: Any) -> None:
        self.lines: list[str] = []
        self.messages: list[Message] = []
        self.last_id = last_id
        query = urllib.parse.urlencode({"task": task, **request})
        headers = {"Authorization": f"Bearer {server.login()}"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        url = f"{api or server.api}/events.follow?{query}"
        self.response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=WAIT_S)
        self._came: queue.Queue[Message | None] = queue.Queue()
        self._thread = threading.Thread(target=self._read, name="following", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        # The thread may be within a read, whose lock a plain `close` would wait for.
        if (raw := getattr(self.response.fp, "raw", None)) is not None:
            raw._sock.shutdown(2)
        self._thread.join(WAIT_S)
        self.response.close()

    def next(self) -> Message | None:
        """The next message, a heart-beat as well; None at the end."""
        message = self._came.get(timeout=WAIT_S)
        if message is not None:
            self.messages.append(message)
            self.last_id = message.id or self.last_id
            if message.event == "lines":
                self.lines += [line["msg"] for line in message.data["lines"]]
        return message

    def until(self, event: str) -> Message:
        """Read on until a message of this kind."""
        while (message := self.next()) is not None:
            if message.event == event:
                return message
        raise AssertionError(f"it ended without {event}: {self.messages}")

    def until_lines(self, count: int) -> list[str]:
        """Read on until so many lines came in all."""
        while len(self.lines) < count:
            assert self.next() is not None, f"it ended after {self.lines}"
        return self.lines

    def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            for raw in self.response:
                text = raw.decode().rstrip("\n")
                if text == ":":
                    self._came.put(Message(HEARTBEAT, None))
                elif text:
                    name, _, value = text.partition(": ")
                    fields[name] = value
                elif fields:
                    self._came.put(Message(fields["event"], json.loads(fields["data"]), fields.get("id", "")))
                    fields = {}
        except (OSError, http.client.HTTPException, ValueError):
            pass  # the connection is gone, from this side or the other: that is the end, too
        self._came.put(None)
