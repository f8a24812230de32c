"""No secret reaches a log, whatever is sent and however it fails."""

import json
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from .client import basic, multipart, send


def test_planted_secrets_are_in_no_log(new_server: Callable[..., AbstractContextManager[Any]]) -> None:
    with new_server("--log-level=debug") as server:
        planted = {
            name: f"PLANTED{secrets.token_hex(12)}" for name in ("key", "query", "cookie", "env", "body", "file")
        }
        bearer = {"Authorization": f"Bearer {server.login()}"}
        _plant(server, planted, bearer)
        assert server.stop() == 0
        log = server.log
    assert "serving" in log
    for line in log.splitlines():
        json.loads(line)
    for secret in (*planted.values(), server.access_key, server.secret_key, bearer["Authorization"][7:]):
        assert secret not in log


def _plant(server: Any, planted: dict[str, str], bearer: dict[str, str]) -> None:
    send(server.api, "/users.get_current_user", body={}, Authorization=basic(planted["key"], planted["key"]))
    send(server.api, "/users.get_current_user", body={}, Authorization=f"Bearer {planted['key']}")
    send(server.api, "/users.get_current_user", body={}, Authorization=f"Digest {planted['key']}")
    send(server.api, "/users.get_current_user", body={}, Cookie=f"clearml_token_basic={planted['cookie']}")
    for path in ("/tasks.get_all", "/nosuch.thing", "/tasks", "/simple/x", "/metrics"):
        send(server.api, f"{path}?token={planted['query']}&secret={planted['query']}", method="GET", **bearer)
        send(server.web, f"/api{path}?token={planted['query']}", method="GET", **bearer)
    send(server.files, f"/x?token={planted['query']}", method="GET", **bearer)
    environment = {
        "hyperparams": {"Args": {"password": {"section": "Args", "name": "password", "value": planted["env"]}}},
        "container": {"image": "i", "arguments": f"-e AWS_SECRET_ACCESS_KEY={planted['env']}"},
        "script": {"repository": f"https://user:{planted['env']}@git.example/r.git", "diff": planted["env"]},
        "runtime": {"token": planted["env"]},
        "configuration": {"secrets": {"name": "secrets", "value": planted["env"]}},
    }
    task = server.call("tasks.create", {"name": "planted", "type": "training", **environment})["id"]
    send(server.api, "/tasks.edit", body={"task": task, "hyperparams": planted["env"]}, **bearer)
    send(server.api, "/tasks.edit", body={"task": task, "runtime": [planted["env"]], "force": True}, **bearer)
    send(server.api, "/tasks.create", body={"name": [planted["body"]], "type": planted["body"]}, **bearer)
    send(server.api, "/tasks.get_all", body={"name": f"({planted['body']}"}, **bearer)
    send(server.api, "/tasks.get_all", body=b'{"a": "' + planted["body"].encode(), **bearer)
    send(server.api, f"/{planted['body']}", body={}, **bearer)
    server.call("tasks.enqueue", {"task": task, "queue_name": "planted"})
    server.call("tasks.reset", {"task": task})
    body, kind = multipart({f"/../{planted['file']}": planted["file"].encode()})
    send(server.files, "/", body=body, Content_Type=kind, **bearer)
    send(server.files, "/", body=planted["file"].encode(), Content_Type="multipart/form-data; boundary=x", **bearer)
