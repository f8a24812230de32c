"""What the task's process is given: its environment, its configuration file and its command line. Pure.

Source: contract/agent_behaviour.md 4. The agent's own key and secret, and its git credentials, are never passed on: the
process acts under the token of its claim.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clearml_agent.gpus import visible
from clearml_agent.gpus.packing import Allocation

SECRET = re.compile(r"^(CLEARML|TRAINS|CLEARML_AGENT)_(API_ACCESS_KEY|API_SECRET_KEY|AUTH_TOKEN|GIT_USER|GIT_PASS)$")
GIT_CREDENTIALS = re.compile(r"^(CLEARML|TRAINS)_AGENT_GIT_")
OF_THE_AGENT = re.compile(
    r"^(VIRTUAL_ENV(_PROMPT)?|PYTHONHOME|PYTHONPATH|__PYVENV_LAUNCHER__|CONDA_(PREFIX|DEFAULT_ENV|SHLVL)|UV_.*"
    r"|CLEARML_RUNTIME_DIR|CLEARML_AGENT_(HOME|BUILT|REDIS_URL|DETACHED.*|SKIP_.*|PACKAGE_.*)"
    r"|CLEARML_CONFIG_FILE|TRAINS_CONFIG_FILE|(CLEARML|TRAINS)__API__.*|CLEARML_WORKER_(ID|NAME|TAGS)|TRAINS_WORKER_(ID|NAME))$"
)


@dataclass(frozen=True)
class Surroundings:
    """What a run's process needs to know; see `variables`."""

    task: str
    directory: str
    """The run's directory, which also marks its processes."""
    worker: str
    token: str
    api_server: str
    web_server: str
    files_server: str
    config_file: str
    journal: str
    log_level: str = "INFO"
    tags: Sequence[str] = ()
    gpus: str | None = None
    """`--gpus` as given; "none" for `--cpu-only`; None: whatever the agent sees."""
    allocation: Allocation | None = None
    """The GPUs that are this task's alone."""
    python_path: Sequence[str] = ()
    task_environment: Mapping[str, str] = field(default_factory=dict)
    """Section `Environment` of the task, where the agent's configuration allows it."""


def variables(base: Mapping[str, str], run: Surroundings, environment: Mapping[str, str]) -> dict[str, str]:
    """The complete environment of the task's process.

    Args:
        base: the agent's own environment; what is the agent's alone is left out.
        environment: what the built environment asks for (PATH, VIRTUAL_ENV, ...).
    """
    found = {
        name: value
        for name, value in base.items()
        if not (SECRET.match(name) or GIT_CREDENTIALS.match(name) or OF_THE_AGENT.match(name))
    }
    own_bin = base.get("VIRTUAL_ENV")
    if own_bin and "PATH" in found:
        kept = [part for part in found["PATH"].split(os.pathsep) if part != str(Path(own_bin) / "bin")]
        found["PATH"] = os.pathsep.join(kept)
    found |= run.task_environment
    found |= environment
    visible.show(found, run.gpus, run.allocation)
    for name, value in {
        "TASK_ID": run.task,
        "CONFIG_FILE": run.config_file,
        "LOG_LEVEL": run.log_level,
        "LOG_TASK_TO_BACKEND": "0",
    }.items():
        found[f"CLEARML_{name}"] = found[f"TRAINS_{name}"] = value
    found |= {
        "CLEARML_WORKER_ID": run.worker,
        "CLEARML_AUTH_TOKEN": run.token,
        "CLEARML_API_HOST": run.api_server,
        "CLEARML_WEB_HOST": run.web_server,
        "CLEARML_FILES_HOST": run.files_server,
        "CLEARML_JOURNAL_DIR": run.journal,
        "CLEARML_AGENT_RUN": run.directory,
    }
    found.setdefault("PYTHONIOENCODING", "utf-8")
    if run.tags:
        found["CLEARML_WORKER_TAGS"] = " ".join(run.tags)
    path = [part for part in (base.get("PYTHONPATH"), *run.python_path) if part]
    if path:
        found["PYTHONPATH"] = os.pathsep.join(path)
    return found


def of_clearml(environ: Mapping[str, str]) -> dict[str, str]:
    """What of the agent's environment means something in a container: the settings of the SDK."""
    return {
        name: value
        for name, value in environ.items()
        if name.startswith(("CLEARML_", "TRAINS_")) and not name.startswith(("CLEARML_AGENT_", "TRAINS_AGENT_"))
    }


def configuration(tree: Mapping[str, Any], run: Surroundings) -> dict[str, Any]:
    """The task's configuration file: the user's `sdk` and `api` sections without credentials of the API."""
    api = {key: copy.deepcopy(value) for key, value in tree.get("api", {}).items() if key != "credentials"}
    api |= {"api_server": run.api_server, "web_server": run.web_server, "files_server": run.files_server}
    agent = {"worker_id": run.worker, "worker_name": run.worker.partition(":")[0]}
    return {"api": api, "sdk": copy.deepcopy(tree.get("sdk", {})), "agent": agent}


def task_environment(hyperparams: Mapping[str, Any]) -> dict[str, str]:
    """The variables in section `Environment` of a task's hyperparameters."""
    section = hyperparams.get("Environment")
    if not isinstance(section, Mapping):
        return {}
    return {str(name): str(item.get("value", "")) for name, item in section.items() if isinstance(item, Mapping)}
