"""What starts and ends machines for an `AutoScaler`: the base of all drivers."""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod

from clearml_sdk.automation.scaling.user_data import machine_script
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, ClassVar, Self


def parse_tags(s: str) -> list[tuple[str, str]]:
    """`a=b,c=d` as pairs. Raises ValueError naming the part that is none."""
    found = []
    for part in (s or "").split(","):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError(part)
        found.append((name.strip(), value.strip()))
    return found


class CloudDriver(ABC):
    """Starts and ends machines of one kind of cloud."""

    FIELDS: ClassVar[tuple[str, ...]] = (
        *("git_user", "git_pass", "extra_clearml_conf", "api_server", "web_server", "files_server"),
        *("access_key", "secret_key", "auth_token", "extra_vm_bash_script", "docker_image", "tags", "session"),
    )

    def __init__(
        self,
        git_user: Any,
        git_pass: Any,
        extra_clearml_conf: Any,
        api_server: Any,
        web_server: Any,
        files_server: Any,
        access_key: Any,
        secret_key: Any,
        auth_token: Any,
        extra_vm_bash_script: Any,
        docker_image: Any,
        tags: Any = "",
        session: Any = None,
    ) -> None:
        """Credentials and addresses are those that the agents on the machines use.

        Args:
            extra_clearml_conf: lines of their `clearml.conf`.
            extra_vm_bash_script: bash that runs before the agent.
            docker_image: tasks run in this image where they name none; None: on the machine itself.
            tags: of the machines, `a=b,c=d`.
        """
        self.git_user, self.git_pass, self.extra_clearml_conf = git_user, git_pass, extra_clearml_conf
        self.api_server, self.web_server, self.files_server = api_server, web_server, files_server
        self.access_key, self.secret_key, self.auth_token = access_key, secret_key, auth_token
        self.extra_vm_bash_script, self.docker_image = extra_vm_bash_script, docker_image
        self.tags = list(tags) if isinstance(tags, list | tuple) else parse_tags(tags or "")
        self.session: Session = session or Session.default()
        self._scaler: Any = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """From `{"hyper_params": {...}, "configurations": {...}}`; addresses and credentials are this process's."""
        return cls(**cls._values(config))

    @classmethod
    def _values(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        session = Session.default()
        settings = session.settings
        values, objects = config.get("hyper_params") or {}, config.get("configurations") or {}
        return {
            "git_user": _get(values, "git_user"),
            "git_pass": _get(values, "git_pass"),
            "extra_clearml_conf": _get(objects, "extra_clearml_conf"),
            "api_server": settings.api_server,
            "web_server": settings.web_server,
            "files_server": settings.files_server,
            "access_key": settings.access_key,
            "secret_key": settings.secret_key,
            "auth_token": None if settings.access_key else os.environ.get("CLEARML_AUTH_TOKEN"),
            "extra_vm_bash_script": _get(objects, "extra_vm_bash_script"),
            "docker_image": _get(values, "default_docker_image"),
            "tags": _get(values, "tags") or "",
            "session": session,
        }

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.FIELDS)

    __hash__ = None  # type: ignore[assignment]  # its fields may change

    def set_scaler(self, scaler: Any) -> None:
        """Tell which autoscaler this driver belongs to; its log is used."""
        self._scaler = scaler

    @property
    def logger(self) -> logging.Logger:
        """Where the driver says what it does."""
        if self._scaler is not None:
            found: logging.Logger = self._scaler.logger
            return found
        return logging.getLogger("clearml.auto_scaler")

    def clearml_conf(self) -> str:
        """What the `clearml.conf` of the machines says beside addresses and credentials."""
        git = [("agent.git_user", self.git_user), ("agent.git_pass", self.git_pass)]
        lines = [f'{name}="{value}"' for name, value in git if value]
        return "\n".join([*lines, self.extra_clearml_conf or ""]) + "\n"

    def driver_bash_extra(self, task_id: str) -> str:
        """Bash that runs one task on the machine before its agent serves the queue; "" for no task."""
        return f"clearml-agent execute --id {task_id}" if task_id else ""

    def gen_user_data(self, worker_prefix: str, queue_name: str, task_id: str, cpu_only: bool = False) -> str:
        """The script that a new machine runs when it starts."""
        return machine_script(self, worker_prefix, queue_name, task_id, cpu_only=cpu_only)

    def started_machines(self, workers_prefix: str) -> dict[str, str]:
        """Machine -> resource, of those that this or an earlier process has started; {} where that is not known."""
        return {}

    @abstractmethod
    def spin_up_worker(self, resource: dict[str, Any], worker_prefix: str, queue_name: str, task_id: str) -> Any:
        """Start a machine with an agent for the queue, and return the machine's id."""

    @abstractmethod
    def spin_down_worker(self, instance_id: str) -> None:
        """End a machine. One that is gone is no error."""

    @abstractmethod
    def instance_id_command(self) -> str:
        """The command that says, on a machine, which one it is."""

    @abstractmethod
    def instance_type_key(self) -> str:
        """The key of a resource's configuration that says the kind of machine."""

    @abstractmethod
    def kind(self) -> str:
        """The name of the cloud."""

    @abstractmethod
    def console_log(self, instance_id: str) -> str:
        """What the machine has printed so far."""


def _get(values: Mapping[str, Any], name: str) -> Any:
    """A `ConfigTree` raises for a key that it does not have, where a dictionary says None."""
    return values[name] if name in values else None  # noqa: SIM401  # see above
