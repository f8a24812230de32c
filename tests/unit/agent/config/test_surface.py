"""Every key and variable of the reference has its line in the documents, and every one that is said to act is read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from clearml_agent import config
from clearml_agent.docker.settings import DockerSettings
from clearml_agent.environments.settings import PackageSettings
from clearml_agent.vcs import GitSettings

PROJECT = Path(__file__).parents[4]
PAGE = (PROJECT / "docs" / "agent_configuration.md").read_text()
SURFACE = json.loads(Path(__file__).with_name("surface.json").read_text())
CONTRACT = PROJECT.parent / "shared/contract/config_surface.json"
ROWS = dict(re.findall(r"^\| `([\w.]+)` \|(?:.*\|)? (.+?) \|$", PAGE, re.MULTILINE))
IDLE = "no effect: "
SOURCE = "\n".join(
    path.read_text()
    for package in ("clearml_agent", "clearml_sdk")
    for path in sorted((PROJECT / package).rglob("*.py"))
)


@pytest.mark.parametrize("name", [*SURFACE["keys"], *SURFACE["environment"]])
def test_key_or_variable_is_documented_and_does_what_is_said(name: str) -> None:
    what = ROWS[name]
    assert len(what) > 5
    if what.startswith(IDLE):
        assert len(what) > 20, "a reason is given"
        return
    last = name.rpartition(".")[2].removeprefix("CLEARML_")
    if what.startswith("given to"):  # with the rest of the environment: nothing takes them away
        from clearml_agent.execution.variables import Surroundings, variables

        around = Surroundings("t", "/run", "w", "token", "a", "w", "f", "c", "j")
        assert variables({name: "text"}, around, {})[name] == "text"
        return
    assert re.search(rf"\b{re.escape(last)}\b", SOURCE) or "_FORCE_{name" in SOURCE, f"{name} is not read"


def test_no_row_is_about_something_else() -> None:
    assert set(ROWS) == {*SURFACE["keys"], *SURFACE["environment"]}


@pytest.mark.skipif(not CONTRACT.exists(), reason="the contract is not beside this project")
def test_list_is_that_of_the_contract() -> None:
    contract = json.loads(CONTRACT.read_text())
    assert SURFACE["keys"] == [key for key in contract["keys"] if key.startswith("agent.")]
    read = [name for name, facts in contract["environment"].items() if facts.get("read_by") != "sdk"]
    assert SURFACE["environment"] == read


CHANGED = {
    "cpu_only": None,
    "git.extra_credentials": [{"user": "u", "pass": "p", "host": "h"}],
    "git_fetch_args": ["--depth=1"],
    "git_pass": "secret",
    "force_git_ssh_port": 2222,
    "package_manager.type": "conda",
    "package_manager.conda_channels": ["mine"],
    "package_manager.extra_index_url": ["https://index.example/simple"],
    "package_manager.extra_index_url_template": "https://index.example/cu{}/",
    "package_manager.nightly_extra_index_url_template": "https://index.example/nightly/cu{}/",
    "package_manager.pip_legacy_resolver": ["<1"],
    "package_manager.pip_version": "<20.2",
    "package_manager.pytorch_resolve": "none",
    "translate_ssl_replacement_scheme": "http",
    "venvs_cache.free_space_threshold_gb": 7.5,
    "venvs_cache.max_entries": 3,
    "task_ping_interval_sec": 7.0,
    "worker_id": "fixed",
    "cuda_version": "12.6",
    "package_manager.uv_version": "<9",
    "package_manager.poetry_version": "<2",
    "package_manager.use_conda_base_env": "/opt/conda",
    "default_docker.match_rules": [{"image": "other", "match": {"project": "x"}}],
    "default_docker.arguments": "--ipc=host",
    "docker_args_filters": ["^-e$"],
    "docker_args_allowed_port_range": [9000, 9100],
    "docker_container_name_format": "mine-{task_id}",
    "docker_container_name_format_fields": {"team": "x"},
    "docker_init_bash_script": ["echo init"],
    "docker_preprocess_bash_script": ["echo before"],
    "extra_docker_arguments": ["--ipc=host"],
    "extra_docker_shell_script": ["echo extra"],
    "forbidden_docker_args": ["privileged"],
    "protected_docker_extra_args": ["privileged"],
    "hide_docker_command_env_vars.extra_keys": ["MINE"],
}
"""Values other than the default; where a key is not here: the opposite of a flag, or some text."""
FLAGS_ON = {
    "vcs_cache.enabled",
    "translate_ssh",
    "pip_download_cache.enabled",
    "package_manager.uv_sync_locked_if_lock_file",
    "default_docker.update_back_task",
    "docker_args_extra_precedes_task",
    "docker_install_opencv_libs",
    "docker_use_activated_venv",
    "hide_docker_command_env_vars.enabled",
}
TEXTS = (
    "python_binary default_python venvs_dir venvs_cache.path vcs_cache.path worker_name force_git_ssh_user "
    "pip_download_cache.path package_manager.extra_pip_install_flags package_manager.post_packages "
    "package_manager.post_optional_packages package_manager.priority_packages "
    "package_manager.priority_optional_packages package_manager.poetry_install_extra_args "
    "package_manager.uv_sync_extra_args default_docker.image docker_apt_cache docker_pip_cache "
    "docker_internal_mounts.apt_cache docker_internal_mounts.pip_cache docker_internal_mounts.sdk_cache"
)
ELSEWHERE = (
    "abort_callback",
    "apply_",
    "cpu_only",
    "custom_build",
    "debug",
    "downtime",
    "uptime",
    "enable_task_env",
    "force_git_root",
    "reload_config",
    "resource_monitoring",
    "sanitize",
    "suppress_carriage",
)
"""Beginnings of keys that other objects read; each has a test of its own."""
SERVER = {"api_server": "http://127.0.0.1:1", "credentials": {"access_key": "k", "secret_key": "s"}}
SETTINGS = [
    key.removeprefix("agent.")
    for key in SURFACE["keys"]
    if not ROWS[key].startswith(IDLE) and not key.removeprefix("agent.").startswith(ELSEWHERE)
]


@pytest.mark.parametrize("key", SETTINGS)
def test_key_changes_what_the_agent_works_by(key: str, tmp_path: Path) -> None:
    """The settings of git, of packages, or of the agent itself are others with the key than without."""
    value = CHANGED.get(key)
    if value is None:
        value = "somewhere" if key in TEXTS.split() else key not in FLAGS_ON
    environ = {"HOME": str(tmp_path), "CLEARML_AGENT_HOME": str(tmp_path)}
    base: dict[str, Any] = {"git_user": "u", "git_pass": "p", "git_host": ""}
    before, after = tmp_path / "before.conf", tmp_path / "after.conf"
    before.write_text(json.dumps({"agent": base, "api": SERVER}))
    tree: dict[str, Any] = json.loads(before.read_text())
    *folders, last = key.split(".")
    place = tree["agent"]
    for folder in folders:
        place = place.setdefault(folder, {})
    place[last] = "other" if key in ("git_user", "git_host") else value
    after.write_text(json.dumps(tree))
    assert facts(before, environ) != facts(after, environ)


def facts(path: Path, environ: dict[str, str]) -> list[Any]:
    loaded = config.load(str(path), environ)
    made = config.build(loaded, environ)
    git = GitSettings.from_config(loaded.get, environ)
    entries = [(c.user, c.password, c.host, c.is_prefix, c.header) for c in git.credentials]
    own = (made.environments, made.repositories, made.names, made.ping_s, made.grace_s)
    packages = PackageSettings.from_config(loaded.get, environ)
    return [git, entries, own, packages, DockerSettings.from_config(loaded, (), environ)]
