"""What the configuration says about containers: agent.default_docker, agent.docker_*, agent.extra_docker_*."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from clearml_agent.docker.choosing import USUAL_IMAGE, Defaults, names
from clearml_agent.docker.merging import ALLOWED_KEY, FOLDERS_KEY, Rules
from clearml_agent.docker.options import split
from clearml_sdk.config import Config
from clearml_sdk.config.environment import as_flag, read, read_flag

INNER = {
    "apt_cache": "/var/cache/apt/archives",
    "pip_cache": "/root/.cache/pip",
    "sdk_cache": "/clearml_agent_cache",
}


class Scripts(msgspec.Struct, frozen=True):
    """Shell lines that a container runs before the task. Those of the task itself come last.

    opencv_libs: install the system libraries of OpenCV where a task needs them and the image lacks them.
    """

    before: tuple[str, ...] = ()
    init: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    opencv_libs: bool = True


class DockerSettings(msgspec.Struct, frozen=True):
    """See config_surface.json.

    extra: the agent's own arguments for every container. name_format, name_fields: of containers, "" for ours.
    hidden: names of variables whose values are masked wherever a command is shown, besides the built-in ones.
    apt_cache, pip_cache, sdk_cache: folders of this machine that containers share; inner: where they find them.
    host_mount: `host:container` when the agent itself is in a container: mounts are made from the host's paths.
    ports: range to which published ports move that are in use here. uses_active: an environment that is active in the
    image is used. hides: whether commands are shown masked.
    """

    defaults: Defaults = Defaults()
    rules: Rules = Rules()
    host_access: bool | None = None
    scripts: Scripts = Scripts()
    extra: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    name_format: str = ""
    name_fields: dict[str, str] = {}
    force_pull: bool = False
    uses_active: bool = True
    skip_gpus_flag: bool = False
    system_site_packages: bool = True
    host_mount: tuple[str, str] = ("", "")
    apt_cache: str = ""
    pip_cache: str = ""
    sdk_cache: str = ""
    inner: dict[str, str] = msgspec.field(default_factory=lambda: dict(INNER))
    ports: tuple[int, ...] = ()
    hides: bool = True
    hidden: tuple[str, ...] = ()

    @classmethod
    def from_config(cls, config: Config, given: tuple[str, ...], environ: Mapping[str, str]) -> DockerSettings:
        """Build from the configuration, the words after `--docker`, and the environment."""

        def get(key: str, default: Any = None) -> Any:
            found = config.get(f"agent.{key}", None)
            return default if found is None else found

        def flag(key: str, default: bool) -> bool:
            return as_flag(get(key, default), default)

        filters = environ.get("CLEARML_AGENT_DOCKER_ARGS_FILTERS")
        patterns = shlex.split(filters) if filters else get("docker_args_filters")
        extra = environ.get("CLEARML_AGENT_EXTRA_DOCKER_ARGS")
        forbidden = get("forbidden_docker_args")
        protected = get("protected_docker_extra_args")
        access = get(ALLOWED_KEY.removeprefix("agent."))
        known = Rules()
        host, _, inner = (
            read("AGENT_K8S_HOST_MOUNT", environ) or read("AGENT_DOCKER_HOST_MOUNT", environ) or ""
        ).partition(":")
        return cls(
            defaults=Defaults(
                given=tuple(word for text in given for word in split(text)),
                variable=environ.get("CLEARML_DOCKER_IMAGE") or environ.get("TRAINS_DOCKER_IMAGE") or "",
                image=str(get("default_docker.image") or USUAL_IMAGE),
                arguments=tuple(split(get("default_docker.arguments") or "")),
                rules=tuple(get("default_docker.match_rules") or ()),
                update_back=flag("default_docker.update_back_task", True),
                ignores_task=flag("disable_task_docker_override", False),
            ),
            rules=Rules(
                filters=None if patterns is None else names(patterns),
                forbidden=known.forbidden if forbidden is None else names(forbidden),
                protected=known.protected if protected is None else names(protected),
                extra_first=flag("docker_args_extra_precedes_task", True),
                folders=names(get(FOLDERS_KEY.removeprefix("agent."))),
                allow_host_environ=flag("docker_allow_host_environ", False),
            ),
            host_access=None if access is None else as_flag(access, True),
            scripts=Scripts(
                before=_lines(get("docker_preprocess_bash_script")),
                init=_lines(get("docker_init_bash_script")),
                extra=_lines(get("extra_docker_shell_script")),
                opencv_libs=flag("docker_install_opencv_libs", True),
            ),
            extra=tuple(shlex.split(extra)) if extra else tuple(split(get("extra_docker_arguments") or "")),
            labels=tuple(shlex.split(environ.get("CLEARML_AGENT_EXTRA_DOCKER_LABELS", ""))),
            name_format=str(get("docker_container_name_format") or ""),
            name_fields={str(k): str(v) for k, v in (get("docker_container_name_format_fields") or {}).items()},
            force_pull=flag("docker_force_pull", False),
            uses_active=flag("docker_use_activated_venv", True),
            skip_gpus_flag=read_flag("DOCKER_SKIP_GPUS_FLAG", False, environ),
            system_site_packages=read_flag("AGENT_FORCE_SYSTEM_SITE_PACKAGES", True, environ),
            host_mount=(host.rstrip("/"), inner.rstrip("/")) if inner else ("", ""),
            apt_cache=_folder(get("docker_apt_cache") or "~/.clearml/apt-cache"),
            pip_cache=_folder(get("docker_pip_cache") or "~/.clearml/pip-cache"),
            sdk_cache=_folder(config.get("sdk.storage.cache.default_base_dir", None) or "~/.clearml/cache"),
            inner={name: str(get(f"docker_internal_mounts.{name}") or path) for name, path in INNER.items()},
            ports=tuple(int(port) for port in get("docker_args_allowed_port_range") or ()),
            hides=flag("hide_docker_command_env_vars.enabled", True),
            hidden=(
                *names(get("hide_docker_command_env_vars.extra_keys")),
                *shlex.split(environ.get("CLEARML_AGENT_DOCKER_ARGS_HIDE_ENV", "")),
            ),
        )


def _lines(value: Any) -> tuple[str, ...]:
    """A list of shell lines, or a text of them."""
    if value is None:
        return ()
    return tuple(value.splitlines()) if isinstance(value, str) else tuple(map(str, value))


def _folder(text: str) -> str:
    return str(Path(str(text)).expanduser())
