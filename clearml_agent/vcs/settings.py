"""What the configuration says about git: credentials, and how addresses are rewritten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from clearml_sdk.config.environment import as_flag, read, read_flag

Header = Literal["", "azure", "entra"]


class Credential(msgspec.Struct, frozen=True):
    """A user and password (or token) for https, for one host or, with an empty `host`, for any.

    host: `github.com`, or with `is_prefix` the beginning of an address (`https://github.com/team`).
    header: sent as an authorization header instead: Azure personal access token, or Entra bearer token.
    """

    user: str
    password: str
    host: str = ""
    is_prefix: bool = False
    header: Header = ""

    def __repr__(self) -> str:
        return f"Credential(host={self.host!r})"  # never in a log by accident


class GitSettings(msgspec.Struct, frozen=True):
    """agent.git_*, agent.translate_ssh, agent.force_git_ssh_*, agent.vcs_cache.* (contract/config_surface.json).

    credentials: the first that fits an address is used.
    translate_ssh: ssh addresses of a host with credentials become `https_scheme` ones.
    force_ssh: https addresses (of `ssh_host`, or any when empty) become ssh ones.
    is_cached: mirrors are kept for the next task; otherwise every task clones for itself.
    is_offline: ask no host for anything: what the mirrors lack is not to be had.
    is_verbose: git's own progress goes to the console.
    lock_s, transfer_s: longest wait for another task's clone, and for one clone or fetch.
    """

    credentials: tuple[Credential, ...] = ()
    translate_ssh: bool = True
    https_scheme: str = "https"
    force_ssh: bool = False
    ssh_port: int | None = None
    ssh_user: str = "git"
    ssh_host: str = ""
    fetch_args: tuple[str, ...] = ()
    clone_on_fetch_failure: bool = False
    is_cached: bool = True
    is_offline: bool = False
    is_verbose: bool = False
    lock_s: float = 3600.0
    transfer_s: float = 3600.0

    @classmethod
    def from_config(cls, get: Callable[[str, Any], Any], environ: Mapping[str, str]) -> GitSettings:
        """Build from the configuration (`Config.get`) and the environment, which comes first."""
        host = str(read("AGENT_GIT_HOST", environ) or get("agent.git_host", "") or "")
        found = [
            Credential(str(entry.get("user") or ""), str(entry["pass"]), str(entry.get("host") or ""))
            for entry in get("agent.git.extra_credentials", None) or ()
            if entry.get("pass")
        ]
        password = read("AGENT_GIT_PASS", environ) or get("agent.git_pass", "")
        if password:
            found.append(
                Credential(
                    user=str(read("AGENT_GIT_USER", environ) or get("agent.git_user", "") or ""),
                    password=str(password),
                    host=host,
                    is_prefix=as_flag(get("agent.git_host_match_prefix", False), False),
                    header=_header(get, environ),
                )
            )
        port = get("agent.force_git_ssh_port", None)
        return cls(
            credentials=tuple(found),
            translate_ssh=as_flag(get("agent.translate_ssh", True), True),
            https_scheme=str(
                read("AGENT_SSH_URL_REPLACEMENT_SCHEME", environ)
                or get("agent.translate_ssl_replacement_scheme", None)
                or "https"
            ),
            force_ssh=as_flag(get("agent.force_git_ssh_protocol", False), False),
            ssh_port=int(port) if port else None,
            ssh_user=str(get("agent.force_git_ssh_user", None) or "git"),
            ssh_host=host,
            fetch_args=_extra_fetch_args(get("agent.git_fetch_args", ())),
            clone_on_fetch_failure=as_flag(get("agent.vcs_cache.clone_on_pull_fail", False), False),
            is_cached=as_flag(get("agent.vcs_cache.enabled", True), True),
            is_offline=as_flag(get("agent.standalone_mode", False), False),
            is_verbose=read_flag("AGENT_GIT_CLONE_VERBOSE", False, environ),
        )


def _header(get: Callable[[str, Any], Any], environ: Mapping[str, str]) -> Header:
    azure = as_flag(get("agent.git_use_azure_pat", False), False)
    entra = as_flag(get("agent.git_use_ms_entra_token", False), False)
    if read_flag("AGENT_GIT_USE_MS_ENTRA_TOKEN", entra, environ):
        return "entra"
    return "azure" if read_flag("AGENT_GIT_USE_AZURE_PAT", azure, environ) else ""


def _extra_fetch_args(value: object) -> tuple[str, ...]:
    """What the configuration adds to the reference's default, which a bare mirror does by itself."""
    words = value.split() if isinstance(value, str) else [str(word) for word in value] if value else []  # type: ignore[attr-defined]
    return tuple(word for word in words if word not in ("--all", "--tags", "--recurse-submodules"))
