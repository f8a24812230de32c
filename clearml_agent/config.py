"""The agent's settings, built once: defaults < `clearml.conf` < environment < options."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clearml_agent.errors import UsageError
from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.config import Config, load_settings

DEFAULTS: dict[str, Any] = {
    "agent": {
        "worker_id": "",
        "worker_name": "",
        "git_user": "",
        "git_pass": "",
        "git_host": "",
        "enable_task_env": False,
        "force_git_root_python_path": False,
        "task_ping_interval_sec": 60.0,
        "stop_grace_sec": 10.0,
        "vcs_cache": {"enabled": True, "path": ""},
        "venvs_cache": {"max_entries": 10, "free_space_threshold_gb": 2.0, "path": ""},
        "package_manager": {"type": "pip", "extra_index_url": []},
        "sdk": "",
        "gpu": {
            "enforce": False,
            "leave_occupied": False,
            "reserve_after_sec": 60.0,
            "reserve_idle_percent": 4.0,
        },
    }
}

OVERRIDES = {
    "CLEARML_WORKER_ID": "agent.worker_id",
    "CLEARML_WORKER_NAME": "agent.worker_name",
    "CLEARML_AGENT_GIT_USER": "agent.git_user",
    "CLEARML_AGENT_GIT_PASS": "agent.git_pass",
    "CLEARML_AGENT_GIT_HOST": "agent.git_host",
    "CLEARML_AGENT_VENV_CACHE_PATH": "agent.venvs_cache.path",
    "CLEARML_AGENT_DEFAULT_PYTHON": "agent.default_python",
    "CLEARML_AGENT_PYTHON_BINARY": "agent.python_binary",
}
"""Variable -> configuration key that it sets; `TRAINS_...` is the older name of each."""


GIVEN = ("git_user", "git_pass", "standalone_mode", "uptime", "downtime")
"""Options that are configuration keys as well, for the modules that read these."""
REDIS_URL = "CLEARML_AGENT_REDIS_URL"


@dataclass(frozen=True)
class AgentConfig:
    """What one agent process works by.

    config: the merged configuration, for the modules that read their own keys.
    home: directory of runs, caches and registered instances.
    worker_id: fixed id, or "" for `<worker_name>:<slot>`.
    gpus: as given; "none" for CPU only; None when not said.
    slots: how many tasks at a time.
    dynamic_gpus: slots are made from the GPUs in `gpus`, as the queues ask for them.
    use_owner_token: a task's process acts as the task's user, not as the agent's.
    grace_s: from SIGTERM to SIGKILL when a task is stopped.
    ping_s: between two tasks.ping of a running task; 0: none.
    given: keys of `config` that the command line set.
    redis_url: the servers' Redis, for an agent that works on it directly; "": it calls the server.
    docker: words after `--docker`, the default image and its arguments; None: no containers.
    """

    config: Config
    api: ApiSettings
    home: Path
    worker_name: str
    worker_id: str = ""
    gpus: str | None = None
    slots: int = 1
    services: bool = False
    dynamic_gpus: bool = False
    use_owner_token: bool = False
    grace_s: float = 10.0
    ping_s: float = 60.0
    report_s: float = 30.0
    redis_url: str = ""
    docker: Sequence[str] | None = None
    optimization: int = 0
    log_level: str = "INFO"
    tags: Sequence[str] = ()
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def runs(self) -> Path:
        return self.home / "runs"

    @property
    def environments(self) -> Path:
        """The cache of built environments: `agent.venvs_cache.path`, else `agent.venvs_dir`."""
        return environments_directory(self.config, self.home)

    @property
    def repositories(self) -> Path:
        """The cache of repository mirrors."""
        return chosen_directory(self.config, "agent.vcs_cache.path") or self.home / "vcs"

    @property
    def names(self) -> WorkerNames:
        return name_worker(self.worker_id, self.worker_name, self.gpus, dynamic=self.dynamic_gpus)


@dataclass(frozen=True)
class WorkerNames:
    """The worker ids an agent may take: `base` alone when `fixed`, else `base:0`, `base:1`, ..."""

    base: str
    fixed: bool

    def matches(self, worker: str) -> bool:
        return worker == self.base if self.fixed else worker.rpartition(":")[0] == self.base


def name_worker(worker_id: str, worker_name: str, gpus: str | None, *, dynamic: bool = False) -> WorkerNames:
    """Source: contract/agent_behaviour.md 1. Pure."""
    if worker_id:
        return WorkerNames(worker_id, True)
    if dynamic:
        return WorkerNames(f"{worker_name}:dgpu{(gpus or 'all').replace(':', '.')}", True)
    if gpus == "none":
        return WorkerNames(f"{worker_name}:cpu", False)
    if gpus:
        return WorkerNames(f"{worker_name}:gpu{gpus.replace(':', '.')}", True)
    return WorkerNames(worker_name, False)


def worker_names(config: Config, options: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> WorkerNames:
    """The ids that a daemon with these options would take, without a server."""
    gpus = (
        "none" if options.get("cpu_only") else options.get("gpus") or _gpus(os.environ if environ is None else environ)
    )
    fixed = str(config.get("agent.worker_id") or "")
    return name_worker(fixed, _worker_name(config), gpus, dynamic=bool(options.get("dynamic_gpus")))


def environments_directory(config: Config, home: Path) -> Path:
    """Where built environments are kept."""
    chosen = chosen_directory(config, "agent.venvs_cache.path") or chosen_directory(config, "agent.venvs_dir")
    return chosen or home / "envs"


def chosen_directory(config: Config, key: str) -> Path | None:
    """The directory that a key names; None when it names none."""
    chosen = config.get(key, None)
    return Path(os.path.expandvars(str(chosen))).expanduser() if chosen else None


def home_directory(environ: Mapping[str, str] | None = None) -> Path:
    """Where this user's agents keep runs, caches and registered instances."""
    chosen = (os.environ if environ is None else environ).get("CLEARML_AGENT_HOME") or "~/.clearml/agent"
    return Path(os.path.expandvars(chosen)).expanduser().absolute()


def _worker_name(config: Config) -> str:
    return str(config.get("agent.worker_name") or "") or platform.node() or "agent"


def load(path: str | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """The merged configuration. Raises ConfigurationError, or UsageError when a named file does not exist."""
    environ = os.environ if environ is None else environ
    if path is not None and not Path(path).is_file():
        raise UsageError(f"there is no configuration file {path}")
    config = load_settings(environ, path=path, defaults=DEFAULTS)
    for name, key in OVERRIDES.items():
        if text := environ.get(name) or environ.get(name.replace("CLEARML_", "TRAINS_", 1)):
            config.set(key, text)
    return config


def build(config: Config, environ: Mapping[str, str] | None = None, **options: Any) -> AgentConfig:
    """Settings from the configuration, then `options` (those that are None leave what is configured)."""
    environ = dict(os.environ if environ is None else environ)
    given = {f"agent.{name}": options.pop(name, None) for name in GIVEN}
    given = {key: value for key, value in given.items() if value not in (None, False, [])}
    for key, value in given.items():
        config.set(key, value)
    settings = AgentConfig(
        config=config,
        api=ApiSettings.from_config(config, environ),
        home=home_directory(environ),
        worker_name=_worker_name(config),
        worker_id=str(config.get("agent.worker_id") or ""),
        grace_s=config.number("agent.stop_grace_sec", 10.0),
        ping_s=config.number("agent.task_ping_interval_sec", 60.0),
        report_s=_seconds(environ, "CLEARML_AGENT_STATUS_REPORT_FREQ_SEC", 30.0),
        redis_url=environ.get(REDIS_URL, ""),
        gpus=_gpus(environ),
        tags=tuple(shlex.split(environ.get("CLEARML_WORKER_TAGS", ""))),
        environ=environ,
        given=given,
    )
    return replace(settings, **{name: value for name, value in options.items() if value is not None})


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    try:
        return float(environ[name])
    except (KeyError, ValueError):
        return default


def _gpus(environ: Mapping[str, str]) -> str | None:
    """What a GPU variable set before the start says (contract: agent_behaviour.md 1)."""
    seen = environ.get("NVIDIA_VISIBLE_DEVICES") or environ.get("CUDA_VISIBLE_DEVICES")
    if not seen or seen == "void":
        return None
    return seen
