"""`Task`: where its models and artifacts are stored."""

from __future__ import annotations

from clearml_sdk.destinations import destination
from clearml_sdk.facade.base import TaskBase
from clearml_sdk.facade.upload_setup import UploadSetup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class TaskDestinations(UploadSetup, TaskBase):
    """Where outputs go."""

    @property
    def output_uri(self) -> str:
        """Where output models and artifacts are stored; "" means the files server, for artifacts only."""
        return str(self._record.get("output.destination") or "")

    @output_uri.setter
    def output_uri(self, value: str | bool | None) -> None:
        self._record.edit(output_dest=destination(self._record.session, value))
        self._record.forget()

    @property
    def storage_uri(self) -> str | None:
        """As `output_uri`, None in place of ""."""
        return self.output_uri or None

    @storage_uri.setter
    def storage_uri(self, value: str | bool | None) -> None:
        self.output_uri = value

    def get_output_destination(self, extra_path: str | None = None, **kwargs: Any) -> str | None:
        """Where output models and artifacts are stored; None: on the files server, artifacts only.

        extra_path: a path under it.
        """
        found = str(self._record.read_fields("output.destination").get("output", {}).get("destination") or "")
        if not found:
            return None
        return f"{found.rstrip('/')}/{extra_path.strip('/')}" if extra_path else found
