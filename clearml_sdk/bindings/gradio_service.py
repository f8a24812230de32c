"""Gradio in a run by an agent: the task is marked as a service, and the page answers under the path a router gives it.

That is `/service/<task id>/`; whoever serves the pages of tasks finds port and mark in the task's runtime properties.
"""

from __future__ import annotations

import socket

from clearml_sdk import process_role

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from clearml_sdk.bindings.frameworks import Capture
    from clearml_sdk.bindings.wrapping import Call

PORT = 7860
TAG = "external_service"
DOING = "recording a Gradio service"


def connect(gradio: ModuleType, capture: Capture) -> None:
    if not process_role.running_remotely():
        return

    def launched(call: Call) -> None:
        port = int(call.get("server_port") or PORT)
        call.set("server_port", port)
        call.set("root_path", f"/service/{capture.task.id}/")
        capture.task._later(DOING, lambda: _mark(capture, port))

    capture.wraps.before(gradio.Blocks, "launch", launched, doing=DOING)


def _mark(capture: Capture, port: int) -> None:
    record = capture.task._record
    record.change("runtime", {"_SERVICE": "EXTERNAL", "_ADDRESS": _address(), "_PORT": str(port)})
    tags = record.read_fields("system_tags").get("system_tags") or []
    if TAG not in tags:
        record.edit(system_tags=[*tags, TAG])


def _address() -> str:
    """Where others find this machine: its address, else its name."""
    name = socket.gethostname()
    try:
        return socket.gethostbyname(name)
    except OSError:
        return name
