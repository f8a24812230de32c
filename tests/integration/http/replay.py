"""Replays recorded calls of official clients and says where our answers differ in what those clients read.

A recording knows other ids, times and hosts than ours. Ids are bound as they come up: the first time an answer of ours
stands where the recording has an unknown id, the two mean the same thing from then on. What an id in a request means
that never came up (a task made before the recording began) is made when it is needed.
"""

import base64
import json
import re
import urllib.parse
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import urllib3

ID = re.compile(r"^[0-9a-f]{32}$|^u0{31}$")
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$")
MORE = re.compile(r"^<\+\d+>$")
HIDDEN = ("<jwt>", "<echo of the changed fields>", "<full task object, see earlier get_by_id>")

UNREAD = frozenset(
    {"metric_stats", "last_change", "allow_locked", "model_event", "method", "@timestamp", "scroll_id", "removed"}
    | {"script.requirements"}
)
"""Keys of recorded answers that no client reads; official servers differ among themselves in the last one."""

OPTIONAL = frozenset({"id", "status_changed"})
"""Official servers differ among themselves in giving the id where `only_fields` does not name it, and the time of a
status that never changed."""

LOOSE = frozenset({"total", "returned", "status_message", "register_timeout", "ip", "running_time", "key", "num_tasks"})
"""Read, but their value depends on more than the recorded calls."""


@dataclass
class Replay:
    """One server that recordings are replayed against, and what is known of their ids."""

    api: str
    files: str
    access_key: str
    secret_key: str
    ids: dict[str, str] = field(default_factory=dict)
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, timeout=30))
    token: str = ""
    files_seen: dict[str, int] = field(default_factory=dict)
    are_events_cut: bool = False
    shown: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)

    # ---- sending

    def run(self, path: Path) -> list[str]:
        """Replay a file; every difference is one line of text."""
        differences: list[str] = []
        rows = [json.loads(text) for text in path.read_text().splitlines()]
        self.token = self.token or self.call("auth.login")["token"]  # some begin in the middle of a session
        self.prepare(rows)
        for number, row in enumerate(rows, 1):
            where = f"{path.stem}:{number} {row['path']}"
            if row["server"] == "files":
                differences += [f"{where} {text}" for text in self._file(row)]
                continue
            status, answer = self.send(row)
            if status != row["status"]:
                meta = answer["meta"]
                differences.append(f"{where} status {status}, recorded {row['status']}: {meta['result_msg']}")
                continue
            meta = answer["meta"]
            if meta["result_code"] != status or not isinstance(answer["data"], dict):
                differences.append(f"{where} envelope {meta}")
            if "subcode" in row and meta["result_subcode"] != row["subcode"]:
                differences.append(f"{where} subcode {meta['result_subcode']}, recorded {row['subcode']}")
            is_cut = "<+" in json.dumps(row["request"])
            if is_cut and "<json-lines>" in row["request"]:
                self.are_events_cut = True  # the recording keeps a few events of the batch: what follows has fewer
            if self.are_events_cut and "events." in row["path"]:
                is_cut = True
            differences += [f"{where} {text}" for text in self.compare(row["data"], answer["data"], "data", is_cut)]
        return differences

    def send(self, row: dict[str, Any], *, is_ours: bool = False) -> tuple[int, dict[str, Any]]:
        """Send a recorded call in our terms, or one of our own as it is; (status, envelope)."""
        headers = {"X-ClearML-Worker": "tester"}
        request = row["request"]
        if row["auth"] == "basic":
            pair = base64.b64encode(f"{self.access_key}:{self.secret_key}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        else:
            headers["Authorization"] = f"Bearer {self.token}"
        body = b""
        if request and "<json-lines>" in request:
            lines = [self.mine(line) for line in request["<json-lines>"] if not isinstance(line, str)]
            body = "\n".join(json.dumps(line) for line in lines).encode()
            headers["Content-Type"] = "application/json-lines"
        elif request:
            if not is_ours and row.get("status") != 400:
                self._make_unknown(request)
            body = json.dumps(request if is_ours else self.mine(request)).encode()
            headers["Content-Type"] = "application/json"
        answer = self.pool.request(row["method"], self.api + row["path"], body=body, headers=headers)
        decoded = json.loads(answer.data)
        if row["path"].endswith("auth.login"):
            self.token = decoded["data"]["token"]
        return answer.status, decoded

    def call(self, endpoint: str, **request: Any) -> Any:
        """A call of our own, for what the recording takes for granted."""
        row = {"method": "POST", "path": f"/{endpoint}", "request": request, "auth": "basic"}
        status, answer = self.send(row, is_ours=True)
        assert status == 200, answer["meta"]
        return answer["data"]

    # ---- what was there before the recording began

    def prepare(self, rows: list[dict[str, Any]]) -> None:
        """Make what a recording takes for granted: its answers show how it looked."""
        self.shown = {}
        made: set[str] = set()
        waiting: list[str] = []
        for row in rows:
            if row["server"] != "api":
                continue
            data = row["data"]
            if not isinstance(data, dict):
                continue
            for kind in ("task", "project"):
                document = data.get(kind)
                for shown in (document, *(data.get(f"{kind}s") or ())):
                    if isinstance(shown, dict) and "id" in shown:
                        _, known = self.shown.get(shown["id"], (kind, {}))
                        news = {key: value for key, value in shown.items() if not known.get(key)}
                        self.shown[shown["id"]] = (kind, {**known, **news})
            if row["path"].endswith((".create", ".clone")):
                made.add(data["id"])
            if row["path"].endswith("queues.get_next_task") and "entry" in data:
                task = data["entry"]["task"]
                if task not in made:
                    waiting.append(task)
        for id, (kind, _) in self.shown.items():
            if kind == "task" and id not in made and id not in self.ids:
                self._make("task", id)
        ours = {self.ids[task] for task in waiting if task in self.ids}
        for entry in self.call("queues.get_all", name="^default$")["queues"][0]["entries"]:
            if entry["task"] not in ours:
                self.call("tasks.dequeue", task=entry["task"])  # left by an earlier recording
        for task in waiting:
            if task not in self.ids:
                self._make("task", task)
            if self.call("tasks.get_by_id", task=self.ids[task])["task"]["status"] != "queued":
                self.call("tasks.enqueue", task=self.ids[task], queue_name="default")

    def _make_unknown(self, request: dict[str, Any]) -> None:
        """Make the tasks and projects that a request names and that never came up."""
        for name, value in request.items():
            if isinstance(value, str) and ID.match(value) and value not in self.ids:
                kind = {"parent": "task"}.get(name, name)
                if kind in ("task", "project"):
                    self._make(kind, value)
                if kind == "queue":
                    self.ids[value] = self.call("queues.get_default")["id"]

    def _make(self, kind: str, id: str) -> None:
        _, document = self.shown.get(id, (kind, {}))
        if kind == "project":
            name = document.get("name", f"made before {id}")
            found = self.call("projects.get_all", name=f"^{re.escape(name)}$", search_hidden=True)["projects"]
            tags = self.mine({k: document[k] for k in ("tags", "system_tags") if document.get(k)})
            self.ids[id] = found[0]["id"] if found else self.call("projects.create", name=name, **tags)["id"]
            return
        if document.get("project") and document["project"] not in self.ids:
            self._make("project", document["project"])
        fields = ("comment", "tags", "system_tags", "script", "hyperparams", "configuration", "container", "execution")
        request = self.mine({name: document[name] for name in fields if document.get(name)})
        if document.get("project"):
            request["project"] = self.ids[document["project"]]
        destination = document.get("output", {}).get("destination")
        if destination is not None:
            request["output_dest"] = destination
        name, type = document.get("name", "made before"), document.get("type", "training")
        self.ids[id] = self.call("tasks.create", name=name, type=type, **request)["id"]
        if document.get("runtime"):
            self.call("tasks.edit", task=self.ids[id], runtime=document["runtime"])

    def mine(self, value: Any) -> Any:
        """A recorded value in terms of this server."""
        if isinstance(value, dict):
            return {self.mine(key): self.mine(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.mine(item) for item in value if not (isinstance(item, str) and MORE.match(item))]
        if isinstance(value, str):
            if value in self.ids:
                return self.ids[value]
            for theirs, ours in self.ids.items():
                if theirs in value:
                    value = value.replace(theirs, ours)
        return value

    # ---- files

    def _file(self, row: dict[str, Any]) -> Iterator[str]:
        headers = {"Authorization": f"Bearer {self.token}"}
        if row["method"] == "POST":
            edge = uuid.uuid4().hex
            body = b""
            for part in row["request"]["multipart"]:
                name = self.mine(part["field_name"])
                head = f'Content-Disposition: form-data; name="{name}"; filename="{name}"\r\nContent-Type: '
                content = b"x" * part["bytes"]
                body += f"--{edge}\r\n{head}{part['part_content_type']}\r\n\r\n".encode() + content + b"\r\n"
                self.files_seen[name] = part["bytes"]
            body += f"--{edge}--\r\n".encode()
            headers["Content-Type"] = f"multipart/form-data; boundary={edge}"
            answer = self.pool.request("POST", self.files + "/", body=body, headers=headers)
            if answer.status != 200 or json.loads(answer.data) != self.mine(row["data"]):
                yield f"upload answered {answer.status} {answer.data!r}"
            return
        path = self.mine(row["path"])
        stored = urllib.parse.unquote(path)
        if stored not in self.files_seen:
            return  # uploaded outside the recorded calls
        answer = self.pool.request(row["method"], self.files + path, headers=headers)
        has_body = row["method"] == "GET"
        if answer.status != row["status"] or (has_body and len(answer.data) != self.files_seen[stored]):
            yield f"{row['method']} answered {answer.status}, {len(answer.data)} bytes"

    # ---- comparing

    def compare(self, theirs: Any, ours: Any, path: str, is_cut: bool) -> Iterator[str]:
        if theirs in (None, [], {}, ""):
            if ours not in (None, [], {}, "") and path.rpartition(".")[2] not in LOOSE:
                yield f"{path}: {ours!r}, recorded {theirs!r}"
        elif isinstance(theirs, str):
            yield from self._text(theirs, ours, path)
        elif isinstance(theirs, dict):
            yield from self._object(theirs, ours, path, is_cut)
        elif isinstance(theirs, list):
            yield from self._list(theirs, ours, path, is_cut)
        elif isinstance(theirs, bool) or isinstance(ours, bool):
            if theirs is not ours:
                yield f"{path}: {ours!r}, recorded {theirs!r}"
        elif not isinstance(ours, (int, float)) or (isinstance(theirs, int) and ours != int(ours)):
            yield f"{path}: {ours!r}, recorded the number {theirs!r}"
        elif is_cut or (self.are_events_cut and ".last_metrics." in path):
            return
        elif path.rpartition(".")[2] not in LOOSE and abs(theirs) < 1e11 and abs(ours - theirs) > 1e-9:
            yield f"{path}: {ours!r}, recorded {theirs!r}"

    def _text(self, theirs: str, ours: Any, path: str) -> Iterator[str]:
        if theirs in HIDDEN:
            if not ours:
                yield f"{path}: missing"
        elif not isinstance(ours, str):
            yield f"{path}: {ours!r}, recorded {theirs[:60]!r}"
        elif ID.match(theirs):
            if not re.match(r"^[0-9a-f]{32}$", ours):
                yield f"{path}: {ours!r} is no id"
            elif self.ids.setdefault(theirs, ours) != ours:
                yield f"{path}: another id than before"
        elif TIME.match(theirs):
            if not TIME.match(ours) or datetime.fromisoformat(ours).tzinfo is None:
                yield f"{path}: {ours!r} is no time"
        elif path.rpartition(".")[2] in LOOSE or "<cut>" in theirs:
            return
        elif self.mine(theirs) != ours:
            yield f"{path}: {ours[:80]!r}, recorded {theirs[:80]!r}"

    def _object(self, theirs: dict[str, Any], ours: Any, path: str, is_cut: bool) -> Iterator[str]:
        if not isinstance(ours, dict):
            yield f"{path}: {ours!r}, recorded an object"
            return
        for key, value in theirs.items():
            mine = self.mine(key)
            if key in UNREAD or key == "user":
                continue
            if mine not in ours:
                is_left_out = self.are_events_cut and "last_metrics" in path
                asked_for = not is_cut and not is_left_out and key not in OPTIONAL
                if asked_for and value not in (None, [], {}, ""):
                    yield f"{path}.{key}: missing"
                continue
            yield from self.compare(value, ours[mine], f"{path}.{key}", is_cut)

    def _list(self, theirs: list[Any], ours: Any, path: str, is_cut: bool) -> Iterator[str]:
        if not isinstance(ours, list):
            yield f"{path}: {ours!r}, recorded a list"
            return
        kept = [item for item in theirs if not (isinstance(item, str) and MORE.match(item))]
        is_cut = is_cut or len(kept) < len(theirs)
        theirs = kept
        if theirs and isinstance(theirs[0], dict) and "id" in theirs[0]:
            # Others than the recorded ones may be there: what was recorded must be, and like it.
            by_id = {item.get("id"): item for item in ours}
            if len(theirs) == len(ours) == 1:
                by_id.setdefault(self.ids.setdefault(theirs[0]["id"], ours[0].get("id", "")), ours[0])
            for item in theirs:
                if isinstance(item, dict) and self.ids.get(item["id"]) in by_id:
                    yield from self.compare(item, by_id[self.ids[item["id"]]], f"{path}[]", is_cut)
            return
        if theirs and isinstance(theirs[0], dict) and {"key", "mode"} <= theirs[0].keys():
            theirs, ours = (sorted(items, key=lambda item: (item["key"], item["mode"])) for items in (theirs, ours))
        if path.endswith(".entries") and len(theirs) != len(ours):
            return  # the queue holds what else was recorded at that time
        if len(theirs) != len(ours) and not is_cut and path.rpartition(".")[2] not in ("events", "tasks"):
            yield f"{path}: {len(ours)} items, recorded {len(theirs)}"
            return
        for number, (one, other) in enumerate(zip(theirs, ours, strict=False)):
            yield from self.compare(one, other, f"{path}[{number}]", is_cut)
