"""Gradio in a run by an agent: the task is marked as a service, whose page a router shows under `/service/<task id>/`.

For that it listens at 0.0.0.0:7860, as with the official SDK; the router finds address and port in the task's runtime
properties. In any other run Gradio is left alone.
"""

from __future__ import annotations

import socket

from clearml_sdk import process_role
from clearml_sdk.notices import warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from clearml_sdk.bindings.frameworks import Capture
    from clearml_sdk.bindings.wrapping import Call

HOST, PORT = "0.0.0.0", 7860
TAG = "external_service"
DOING = "recording a Gradio service"


def connect(gradio: ModuleType, capture: Capture) -> None:
    if not process_role.running_remotely():
        return

    def launched(call: Call) -> None:
        if call.get("server_port") not in (None, PORT):
            warn_once("gradio port", f"in a run by an agent Gradio listens at {HOST}:{PORT}, whatever launch() says")
        call.set("server_name", HOST)
        call.set("server_port", PORT)
        call.set("root_path", f"/service/{capture.task.id}/")
        capture.task._later(DOING, lambda: _mark(capture))

    capture.wraps.before(gradio.Blocks, "launch", launched, doing=DOING)


def _mark(capture: Capture) -> None:
    record = capture.task._record
    record.change("runtime", {"_SERVICE": "EXTERNAL", "_ADDRESS": _address(), "_PORT": str(PORT)})
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
