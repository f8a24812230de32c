"""What the configuration, the environment and the machine's pip configuration say about packages."""

from __future__ import annotations

import configparser
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from clearml_sdk.config.environment import as_flag, read, read_flag

UV_INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_NO_INDEX")


class Indexes(msgspec.Struct, frozen=True):
    """Where packages come from. Addresses may hold passwords: they go to uv by its environment, never by arguments.

    default: the main index, "" for PyPI; extra: asked as well, the best version of all wins, as with pip.
    find_links: directories or pages with files.
    """

    default: str = ""
    extra: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()
    certificates: str = ""


class PackageSettings(msgspec.Struct, frozen=True):
    """agent.package_manager.*, agent.venvs_cache.*, agent.python_binary and their relatives (config_surface.json).

    manager: as configured; uv installs for `uv` and `pip`, and for others with a warning.
    flags: more arguments for the installer; only those that uv shares with pip have a meaning.
    python_binary: path or name of the interpreter for tasks that do not ask for a version; default_python the same.
    skip_install: install nothing and run with the interpreter as it is.
    unpinned_s: how long an environment of requests without exact versions is used before it is resolved again.
    install_s, lock_s: longest time for one installation, and for waiting for the same one elsewhere.
    """

    manager: str = "uv"
    indexes: Indexes = Indexes()
    flags: tuple[str, ...] = ()
    force_upgrade: bool = False
    force_repository_file: bool = False
    force_original: bool = False
    system_site_packages: bool = False
    ignore_python_wish: bool = False
    python_binary: str = ""
    default_python: str = ""
    skip_install: bool = False
    max_entries: int = 10
    free_space_bytes: int = 2_000_000_000
    unpinned_s: float = 24 * 3600.0
    install_s: float = 3600.0
    lock_s: float = 3600.0

    @classmethod
    def from_config(cls, get: Callable[[str, Any], Any], environ: Mapping[str, str]) -> PackageSettings:
        """Build from the configuration (`Config.get`), the environment and the machine's pip configuration."""
        manager = "agent.package_manager"
        flags = [*_words(get(f"{manager}.extra_pip_install_flags", None))]
        flags += _words(read("EXTRA_PIP_INSTALL_FLAGS", environ))
        return cls(
            manager=str(get(f"{manager}.type", "uv") or "uv"),
            indexes=read_indexes(_words(get(f"{manager}.extra_index_url", None)), environ),
            flags=tuple(flags),
            force_upgrade=as_flag(get(f"{manager}.force_upgrade", False), False),
            force_repository_file=as_flag(get(f"{manager}.force_repo_requirements_txt", False), False),
            force_original=as_flag(get(f"{manager}.force_original_requirements", False), False),
            system_site_packages=as_flag(get(f"{manager}.system_site_packages", False), False),
            ignore_python_wish=as_flag(get("agent.ignore_requested_python_version", False), False),
            python_binary=str(get("agent.python_binary", "") or ""),
            default_python=str(get("agent.default_python", "") or ""),
            skip_install=read_flag("AGENT_SKIP_PYTHON_ENV_INSTALL", False, environ),
            max_entries=int(get("agent.venvs_cache.max_entries", 10)),
            free_space_bytes=int(float(get("agent.venvs_cache.free_space_threshold_gb", 2.0)) * 1e9),
        )


def read_indexes(configured: list[str], environ: Mapping[str, str]) -> Indexes:
    """The agent's own extra indexes first, then pip's; uv's own variables, where set, stand in place of pip's."""
    if any(environ.get(name) for name in UV_INDEX_VARIABLES):
        own = _words(environ.get("UV_INDEX")) + _words(environ.get("UV_EXTRA_INDEX_URL"))
        return Indexes(
            default=environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL") or "",
            extra=_unique(configured + own),
            find_links=_existing((environ.get("UV_FIND_LINKS") or "").replace(",", " ").split()),
            no_index=as_flag(environ.get("UV_NO_INDEX") or False, False),
        )
    pip = pip_settings(environ)
    return Indexes(
        default=pip.get("index-url", ""),
        extra=_unique(configured + pip.get("extra-index-url", "").split()),
        find_links=_existing(pip.get("find-links", "").split()),
        no_index=as_flag(pip.get("no-index") or False, False),
        trusted_hosts=_unique(pip.get("trusted-host", "").split()),
        certificates=pip.get("cert", ""),
    )


def pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """What pip would use for `pip install` here: its files, then its variables. Source: pip's documentation."""
    found: dict[str, str] = {}
    for path in _pip_files(environ):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue  # pip itself would complain; here the file only adds to what we know
        for section in ("global", "install"):
            if parser.has_section(section):
                found |= {name.replace("_", "-"): value for name, value in parser.items(section)}
    for name, value in environ.items():
        if name.startswith("PIP_") and value:
            found[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return found


def _pip_files(environ: Mapping[str, str]) -> list[Path]:
    own = environ.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return []
    home = Path(environ.get("HOME") or Path.home())
    files = [Path(folder) / "pip" / "pip.conf" for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")]
    files += [Path("/etc/pip.conf"), home / ".pip" / "pip.conf"]
    if sys.platform == "darwin":
        files.append(home / "Library" / "Application Support" / "pip" / "pip.conf")
    files.append(Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf")
    files.append(Path(sys.prefix) / "pip.conf")
    return [*files, Path(own)] if own else files


def _words(value: object) -> list[str]:
    if isinstance(value, str):
        return shlex.split(value)
    return [str(word) for word in value] if isinstance(value, list | tuple) else []


def _unique(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def _existing(places: list[str]) -> tuple[str, ...]:
    """Without directories that are not there: pip warns of them, uv would fail."""
    return _unique([place for place in places if "://" in place or Path(place).expanduser().exists()])
