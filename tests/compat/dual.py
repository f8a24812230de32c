"""One example run by the official SDK and by ours against one server, and what the server then has of each.

Each run is a user of its own, so everything that a run made is what that user made: nothing is guessed from names.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import secrets
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import RunningServer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ID = re.compile(r"\b[0-9a-f]{32}\b")
TIME = re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")


@dataclass
class User:
    """A user of the server, with a key."""

    id: str
    key: str
    secret: str


@dataclass
class Ran:
    """An example that has ended."""

    user: User
    home: Path
    code: int


@dataclass
class Names:
    """What stands for ids, addresses and folders of one run in everything that is compared."""

    server: RunningServer
    folder: Path
    by_id: dict[str, str] = field(default_factory=dict)

    def plain(self, value: Any) -> Any:
        """`value` without what differs between any two runs: ids, times, places."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {self._text(name): self.plain(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.plain(item) for item in value]
        return value

    def _text(self, text: str) -> str:
        for address, name in ((self.server.files, "<files>"), (self.server.web, "<web>")):
            text = text.replace(address, name)
        text = text.replace(str(self.folder), "<home>")
        text = ID.sub(lambda found: f"<{self.by_id.get(found[0], 'id')}>", text)
        return TIME.sub("<time>", text)


def make_user(server: RunningServer) -> User:
    """A user who has made nothing yet."""
    body = {"name": f"dual-{secrets.token_hex(4)}", "company": "c", "email": "e", "role": "admin"}
    id = server.call("auth.create_user", body)["id"]
    pair = server.call("auth.create_credentials", {"user": id})["credentials"]
    return User(id, pair["access_key"], pair["secret_key"])


def start(
    server: RunningServer, example: str, python: Path | str, home: Path, **env: str
) -> tuple[User, subprocess.Popen[bytes]]:
    """Run an example as its author would, in an empty folder of a home of its own; it prints to `home`/out."""
    user, folder = make_user(server), home / "work"
    folder.mkdir(parents=True)
    script = folder / Path(example).name
    shutil.copy(EXAMPLES / example, script)
    dropped = ("CLEARML_", "TRAINS_", "PYTEST_", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONHOME")
    settings = {
        **{name: value for name, value in os.environ.items() if not name.startswith(dropped)},
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "MPLBACKEND": "Agg",
        "CLEARML_API_HOST": server.api,
        "CLEARML_WEB_HOST": server.web,
        "CLEARML_FILES_HOST": server.files,
        "CLEARML_API_ACCESS_KEY": user.key,
        "CLEARML_API_SECRET_KEY": user.secret,
        "CLEARML_CONFIG_FILE": str(home / "no-such.conf"),
        "CLEARML_CACHE_DIR": str(home / "cache"),
        "CLEARML_JOURNAL_DIR": str(home / "journal"),
        **env,
    }
    with (home / "out").open("wb") as out:
        process = subprocess.Popen(
            [str(python), script.name], cwd=folder, env=settings, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
    return user, process


def recorded(server: RunningServer, ran: Ran) -> dict[str, Any]:
    """Everything that the server has of a run, flat: `tasks/<name>/<field>` -> value."""
    mine = {"user": [ran.user.id], "order_by": ["created"], "search_hidden": True}
    tasks = server.call("tasks.get_all_ex", {**mine, "only_fields": ["id", "name"]})["tasks"]
    models = server.call("models.get_all_ex", {**mine, "only_fields": ["id", "name"]})["models"]
    names = Names(server, ran.home)
    for kind, found in (("task", tasks), ("model", models)):
        for one in found:
            names.by_id[one["id"]] = _unused(f"{kind} {one['name']}", names.by_id)
    for one in server.call("projects.get_all", {"search_hidden": True})["projects"]:
        names.by_id[one["id"]] = f"project {one['name']}"
    names.by_id[ran.user.id] = "user"
    facts: dict[str, Any] = {"exit code": ran.code}
    for one in tasks:
        facts.update(_flat(f"{names.by_id[one['id']]}", _task(server, one["id"], names)))
    for one in models:
        facts.update(_flat(f"{names.by_id[one['id']]}", _model(server, one["id"], names)))
    return facts


def _unused(name: str, by_id: dict[str, str]) -> str:
    count = sum(1 for taken in by_id.values() if taken == name or taken.startswith(f"{name} #"))
    return f"{name} #{count + 1}" if count else name


def _task(server: RunningServer, task_id: str, names: Names) -> dict[str, Any]:
    document = server.call("tasks.get_all_ex", {"id": [task_id], "search_hidden": True})["tasks"][0]
    for volatile in ("last_metrics", "active_duration"):
        document.pop(volatile, None)
    for order in ("tags", "system_tags"):
        document[order] = sorted(document.get(order) or [])
    execution = document.get("execution") or {}
    artifacts = {one["key"]: one for one in execution.pop("artifacts", None) or []}
    container = document.get("container") or {}
    script = document.get("script") or {}
    requirements = (script.get("requirements") or {}).get("pip")
    if isinstance(requirements, str):
        script["requirements"]["pip"] = _packages(requirements)
    models = document.pop("models", None) or {}
    document["models"] = {
        kind: {one["name"]: (one.get("model") or {}).get("id") for one in listed} for kind, listed in models.items()
    }
    document["container"] = container
    for entry in (document.get("configuration") or {}).values():
        entry["value"] = parsed(entry.get("value") or "")
    document["artifacts"] = {
        name: {**one, "timestamp": "<time>", "content": content_of(server, one["uri"], names)}
        for name, one in artifacts.items()
    }
    return dict(names.plain({**document, **_events(server, task_id, names)}))


def parsed(text: str) -> Any:
    """What a configuration says, however it is written; its text where it is not HOCON (of which JSON is a part)."""
    from pyhocon import ConfigFactory
    from pyhocon.exceptions import ConfigException
    from pyparsing import ParseBaseException

    try:
        tree = ConfigFactory.parse_string(text)
    except (ConfigException, ParseBaseException):
        return text
    return tree.as_plain_ordered_dict() if hasattr(tree, "as_plain_ordered_dict") else tree


def _packages(text: str) -> dict[str, str]:
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    return {re.split(r"[ =<>!~@;\[]", line)[0].lower().replace("_", "-"): line for line in lines if line}


def _model(server: RunningServer, model_id: str, names: Names) -> dict[str, Any]:
    document = server.call("models.get_all_ex", {"id": [model_id]})["models"][0]
    document["content"] = content_of(server, document.get("uri") or "", names)
    document.pop("last_metrics", None)
    events = _events(server, model_id, names, model_events=True)
    return dict(names.plain({**document, **events}))


def _events(server: RunningServer, owner: str, names: Names, model_events: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = {"task": owner, **({"model_events": True} if model_events else {})}
    curves = server.call("events.scalar_metrics_iter_histogram", body)
    plots = server.call("events.get_task_plots", {**body, "iters": 100})["plots"]
    singles = server.call("events.get_task_single_value_metrics", {"tasks": [owner], **_of(model_events)})["tasks"]
    samples = server.call(
        "events.debug_images", {"metrics": [{"task": owner, "metric": None}], "iters": 100, **_of(model_events)}
    )
    log = [] if model_events else _log(server, owner)
    return {
        "scalars": {
            title: {name: dict(zip(map(str, one["x"]), one["y"], strict=True)) for name, one in group.items()}
            for title, group in curves.items()
        },
        "single values": {
            one["variant"]: one["value"] for task in singles for one in task["values"]
        },
        "plots": {
            f"{one['metric']}/{one['variant']}/{one['iter']}": plot_of(server, json.loads(one["plot_str"]), names)
            for one in plots
        },
        "samples": {
            f"{one['metric']}/{one['variant']}/{one['iter']}": {
                "url": one["url"], "content": content_of(server, one["url"], names)
            }
            for metric in samples["metrics"]
            for iteration in metric["iterations"]
            for one in iteration["events"]
        },
        "console": log,
        "console, sorted": sorted(log),
    }  # fmt: skip


def _of(model_events: bool) -> dict[str, bool]:
    return {"model_events": True} if model_events else {}


def _log(server: RunningServer, task_id: str) -> list[str]:
    events = server.call("events.get_task_log", {"task": task_id, "batch_size": 5000, "order": "asc"})["events"]
    text = "".join(one["msg"] if one["msg"].endswith("\n") else one["msg"] + "\n" for one in events)
    return text.splitlines()


def plot_of(server: RunningServer, plot: Any, names: Names) -> Any:
    """A plot with the content of the pictures that it shows beside their addresses."""
    for image in (plot.get("layout") or {}).get("images") or []:
        if isinstance(image.get("source"), str):
            image["content"] = content_of(server, image["source"], names)
    return plot


def content_of(server: RunningServer, url: str, names: Names) -> Any:
    """What a file of the files server holds, in the form that says most about a difference."""
    if not url.startswith(server.files):
        return None
    path = urllib.parse.quote(urllib.parse.unquote(url[len(server.files) :]))
    request = urllib.request.Request(server.files + path, headers={"Authorization": f"Bearer {server.login()}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            data = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return f"not there: {error.code}"
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}
    if data[:4] == b"\x89PNG" or data[:3] == b"\xff\xd8\xff":
        return picture(data)
    try:
        return names.plain(data.decode())
    except UnicodeDecodeError:
        return f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}"


def picture(data: bytes) -> dict[str, Any]:
    """A picture as its size and its mean colours in 16 fields: the same for two encodings of the same pixels."""
    from PIL import Image

    image = Image.open(io.BytesIO(data))
    fields = image.convert("RGB").resize((4, 4), Image.Resampling.BOX)
    pixels = [fields.getpixel((x, y)) for y in range(4) for x in range(4)]
    return {"format": image.format, "mode": image.mode, "size": list(image.size), "fields": pixels}


def _flat(prefix: str, value: Any) -> dict[str, Any]:
    """Nested dictionaries as paths; empty ones as such; lists whole, but lists of dictionaries by position."""
    if isinstance(value, dict) and value:
        found: dict[str, Any] = {}
        for name, item in value.items():
            found.update(_flat(f"{prefix}/{name}", item))
        return found
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return _flat(prefix, {str(number): item for number, item in enumerate(value)})
    return {prefix: value}
