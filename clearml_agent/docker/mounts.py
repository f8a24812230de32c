"""Which folders of this machine a container gets. Pure, but for what exists.

They have the same paths there, so that a command line, an environment and a configuration mean the same on both sides.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from clearml_agent.docker import loopback
from clearml_agent.docker.creation import Mount
from clearml_agent.docker.settings import DockerSettings
from clearml_agent.environments.settings import PackageSettings
from clearml_agent.errors import RunFailed


def mounts(
    *,
    run: Path,
    environments: Path,
    repositories: Path,
    uv: Path,
    uv_cache: Path,
    docker: DockerSettings,
    packages: PackageSettings,
    environ: Mapping[str, str],
    has_setup: bool,
) -> list[Mount]:
    """All of them, outer folders first; what does not exist is left out."""
    found = [
        Mount(str(run), str(run)),
        Mount(f"{run}/{loopback.FOLDER}", f"{run}/{loopback.FOLDER}", read_only=True),
        Mount(str(environments), str(environments)),
        Mount(str(uv_cache), str(uv_cache)),
        Mount(str(uv), str(uv), read_only=True),
        Mount(docker.sdk_cache, docker.inner["sdk_cache"]),
        Mount(docker.pip_cache, docker.inner["pip_cache"]),
    ]
    if has_setup:
        found.append(Mount(docker.apt_cache, docker.inner["apt_cache"]))
    found += [Mount(str(path), str(path), read_only=True) for path in (repositories, *read_only(packages, environ))]
    targets: dict[str, Mount] = {}
    for mount in found:
        if os.path.exists(mount.source):
            targets.setdefault(mount.target, mount)
    return sorted(targets.values(), key=lambda mount: mount.target.count("/"))


def read_only(packages: PackageSettings, environ: Mapping[str, str]) -> Iterable[Path]:
    """Where packages come from on this machine: folders of wheels, certificates, downloaded ones."""
    indexes = packages.indexes
    for place in indexes.find_links:
        if place.startswith(("/", "file://")):
            yield Path(unquote(urlsplit(place).path))
    for place in (indexes.default, *indexes.extra):
        if place.startswith("file://"):
            yield Path(unquote(urlsplit(place).path)).parent  # an index's files lie beside its pages
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"):
        if path := environ.get(name):
            yield Path(path)
    if indexes.certificates:
        yield Path(indexes.certificates)
    if packages.download_cache:
        yield Path(packages.download_cache).expanduser()


def of_host(found: Iterable[Mount], mapping: tuple[str, str]) -> tuple[list[Mount], list[str]]:
    """The mounts with the host's own paths, for an agent that is in a container itself; and the sources it loses.

    Args:
        mapping: (path on the host, path in the agent's container) of CLEARML_AGENT_K8S_HOST_MOUNT; empty: none.
    """
    host, inner = mapping
    if not inner:
        return list(found), []
    kept: list[Mount] = []
    lost: list[str] = []
    for mount in found:
        if mount.source == inner or mount.source.startswith(f"{inner}/"):
            kept.append(Mount(host + mount.source.removeprefix(inner), mount.target, mount.read_only))
        else:
            lost.append(mount.source)
    return kept, lost


def check_run(found: Iterable[Mount], run: Path, mapping: tuple[str, str]) -> None:
    """Raises RunFailed when the run's directory is not among what the host can mount."""
    if all(mount.target != str(run) for mount in found):
        raise RunFailed(
            f"the host of this agent's container does not have {run}: CLEARML_AGENT_K8S_HOST_MOUNT maps {mapping[1]} "
            f"only. Set CLEARML_AGENT_HOME to a folder under {mapping[1]}"
        )
