"""Every error the agent raises by itself.

    AgentError                    base; its text is for the user and says what to do
    ├── UsageError                options that contradict each other (exit code 2)
    ├── AlreadyRunning            another daemon has this worker id
    └── RunFailed                 a task cannot be run; carries what becomes its status reason and message
        ├── CheckoutFailed        the code cannot be fetched, checked out or patched
        └── EnvironmentFailed     the packages cannot be resolved or installed

Refusals of the server are `clearml_sdk.errors.ApiError`.
"""

from __future__ import annotations


class AgentError(Exception):
    """Base of the agent's own errors."""


class UsageError(AgentError):
    """The options cannot be meant together."""


class AlreadyRunning(AgentError):
    """A daemon with this worker id runs on this machine."""


class RunFailed(AgentError):
    """The task cannot be run.

    reason: the task's status reason, a few words; message: what happened and what the user can do.
    """

    reason = "worker failed to prepare the task"

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason


class CheckoutFailed(RunFailed):
    """The code cannot be fetched, checked out or patched."""

    reason = "failed cloning repository"


class EnvironmentFailed(RunFailed):
    """The packages cannot be resolved or installed."""

    reason = "failed installing packages"
