"""`Task`: recording without a server, and bringing it to one later."""

from __future__ import annotations

from clearml_sdk.facade.base import TaskBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


class TaskOffline(TaskBase):
    """Offline sessions."""

    @classmethod
    def set_offline(cls, offline_mode: bool = False) -> None:
        """Record new runs into a folder of this machine, without any server; False: to the server again.

        `CLEARML_OFFLINE_MODE=1` does the same from outside. Raises UsageError while a run of this process is open.
        """
        from clearml_sdk import run as runs
        from clearml_sdk.errors import UsageError
        from clearml_sdk.offline import mode

        if bool(offline_mode) == mode.is_on():
            return
        run = runs.current()
        if run is not None and run.role != "child":
            raise UsageError(
                f"task {run.record.id} is open, and cannot be moved {'offline' if offline_mode else 'online'}: "
                "call task.close() first"
            )
        mode.switch(bool(offline_mode))

    @classmethod
    def is_offline(cls) -> bool:
        """Whether new runs are recorded into a folder."""
        from clearml_sdk.offline import mode

        return mode.is_on()

    def get_offline_mode_folder(self) -> Path | None:
        """The folder of this task's session; None for a task of a server."""
        from pathlib import Path

        from clearml_sdk.offline.session import OfflineSession

        session = self._record.session
        return Path(session.folder_of(self.id).path) if isinstance(session, OfflineSession) else None

    @classmethod
    def import_offline_session(
        cls, session_folder_zip: str, previous_task_id: str | None = None, iteration_offset: int | None = 0
    ) -> str | None:
        """Bring an offline session (its folder or its archive) to the server, and return the id of its task.

        Code, packages, parameters, artifacts, models, console, metrics and samples. A session that is there already is
        not brought again, and an import that broke off goes on.

        Args:
            previous_task_id: add the session to this task, instead of making one.
            iteration_offset: added to every iteration of the session.

        Raises UsageError in offline mode, and when there is no session at this place.
        """
        from clearml_sdk.errors import UsageError
        from clearml_sdk.notices import announce
        from clearml_sdk.offline import mode
        from clearml_sdk.offline.importing import import_session
        from clearml_sdk.web_pages import task_page

        if mode.is_on():
            raise UsageError("an offline session is imported into a server: call Task.set_offline(False) first")
        session = cls._session()
        task_id = import_session(
            session, session_folder_zip, previous=previous_task_id or None, offset=int(iteration_offset or 0)
        )
        announce(f"ClearML results page: {task_page(session, task_id, None)}")
        return task_id
