"""What scripts ask of `clearml.config`: the settings, where this process runs, and its folders."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from clearml_sdk import process_role
from clearml_sdk.config import environment
from clearml_sdk.config.settings import load_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_REQUIRED = object()


class Section:
    """The settings below one section, by dotted keys; read at the first question.

    root: the section, such as `sdk`; "" for all settings.
    """

    def __init__(self, root: str) -> None:
        self._root = root

    def get(self, key: str, default: Any = _REQUIRED) -> Any:
        """The value at `key`; `default` where it is not set. Raises KeyError without a default."""
        value = _settings().get(f"{self._root}.{key}" if self._root else key)
        if value is not None:
            return value
        if default is _REQUIRED:
            raise KeyError(f"No configuration setting found for key {key}")
        return default

    def set(self, key: str, value: Any) -> None:
        """Set one value in this process."""
        _settings().set(f"{self._root}.{key}" if self._root else key, value)

    __setitem__ = set

    def __getitem__(self, key: str) -> Any:
        return self.get(key)

    def __contains__(self, key: str) -> bool:
        return self.get(key, None) is not None


config = Section("sdk")
config_obj = Section("")


def load_config(*additional_module_paths: str) -> Section:
    """All settings by dotted keys, such as `api.web_server`. The paths are accepted for compatibility."""
    return config_obj


def _settings() -> Any:
    from clearml_sdk import session

    current = session.current_default()
    if current is None or current.config is None:
        return load_settings()
    return current.config


def running_remotely() -> bool:
    """Whether an agent runs this process."""
    return process_role.running_remotely()


def get_remote_task_id() -> str | None:
    """The task that an agent runs this process for; None where no agent does."""
    return process_role.remote_task_id()


def get_node_id(default: int = 0) -> int:
    """The rank of this process among those of a distributed training; `default` where there is none."""
    for name in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK"):
        text = os.environ.get(name, "")
        if text.isdigit():
            return int(text)
    return default


def get_node_count() -> int | None:
    """How many processes a distributed training has; None where there is none."""
    for name in ("WORLD_SIZE", "SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"):
        text = os.environ.get(name, "")
        if text.isdigit():
            return int(text)
    return None


def get_is_master_node() -> bool:
    """Whether this is the process of rank 0."""
    return get_node_id(default=0) == 0


def get_cache_dir() -> Path:
    """The folder of downloaded and remembered files."""
    base = environment.read("CACHE_DIR") or config.get("storage.cache.default_base_dir", "~/.clearml/cache")
    return Path(os.path.expandvars(str(base))).expanduser()


def get_offline_dir(task_id: str | None = None) -> Path:
    """The folder of offline sessions, or of the one of a task."""
    folder = get_cache_dir() / "offline"
    return folder / task_id if task_id else folder


def dev_worker_name() -> str:
    """The name under which this machine reports."""
    return str(environment.read("WORKER_NAME") or config.get("development.worker_name", None) or socket.gethostname())
