"""`Task`: where its models and artifacts are stored."""

from __future__ import annotations

from clearml_sdk import reading
from clearml_sdk.facade.base import TaskBase
from clearml_sdk.facade.upload_setup import UploadSetup


class TaskDestinations(UploadSetup, TaskBase):
    """Where outputs go."""

    @property
    def storage_uri(self) -> str | None:
        """Where output models and artifacts are stored; None: the files server, for artifacts only."""
        return self._record.get("output.destination") or None

    @storage_uri.setter
    def storage_uri(self, value: str | bool | None) -> None:
        self._record.edit(output_dest=reading.destination(self._record.session, value))
        self._record.forget()
