"""What the configuration, the environment and the machine's pip configuration say about packages."""

from __future__ import annotations

import configparser
import os
import re
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


class Poetry(msgspec.Struct, frozen=True):
    """version: of poetry (`<2`). in_working_dir: look for its files where the task runs, not in the root."""

    version: str = ""
    arguments: tuple[str, ...] = ()
    in_working_dir: bool = False


class Uv(msgspec.Struct, frozen=True):
    """arguments: of `uv sync`. is_locked: a lock file must fit its project."""

    version: str = ""
    arguments: tuple[str, ...] = ()
    in_working_dir: bool = False
    is_locked: bool = True


class Conda(msgspec.Struct, frozen=True):
    """full_update: write back what conda installed. base: a conda environment to run in, made elsewhere.

    is_image: a task names such an environment, a folder or an archive of conda-pack, as its container's image.
    """

    channels: tuple[str, ...] = ("pytorch", "conda-forge", "nvidia", "defaults")
    full_update: bool = False
    base: str = ""
    is_image: bool = False


class Torch(msgspec.Struct, frozen=True):
    """How PyTorch's packages are chosen. resolve: pip, direct or none. cuda: as configured, "" to find out."""

    resolve: str = "pip"
    nightly: bool = False
    cuda: str = ""
    index: str = "https://download.pytorch.org/whl/cu{}/"
    nightly_index: str = "https://download.pytorch.org/whl/nightly/cu{}/"


class PackageSettings(msgspec.Struct, frozen=True):
    """agent.package_manager.*, agent.venvs_cache.*, agent.python_binary and their relatives (config_surface.json).

    manager: pip, uv, poetry or conda. lock_files: whether those of the code count in pip mode.
    flags: more arguments for the installer.
    pip_version: requirements of pip itself (`<20.2 ; python_version < '3.10'`); legacy_resolver: ranges of versions
    that get the flag for their old resolver.
    priority, post: names of packages installed before and after the others, None: as built in; the optional ones may
    fail.
    python_binary: path or name of the interpreter for tasks that do not ask for a version; default_python the same.
    skip_install: install nothing and run with the interpreter as it is. existing: the interpreter that packages are
    installed into, in place of an environment of the task's own.
    is_offline: ask no index: what the caches lack is not to be had (`--standalone-mode`).
    unpinned_s: how long an environment of requests without exact versions is used before it is resolved again.
    install_s, lock_s: longest time for one installation, and for waiting for the same one elsewhere.
    """

    manager: str = "pip"
    lock_files: bool = True
    indexes: Indexes = Indexes()
    flags: tuple[str, ...] = ()
    pip_version: tuple[str, ...] = ()
    legacy_resolver: tuple[str, ...] = (">=20.3,<24.3",)
    priority: tuple[str, ...] | None = None
    priority_optional: tuple[str, ...] = ("pygobject",)
    post: tuple[str, ...] | None = None
    post_optional: tuple[str, ...] = ()
    poetry: Poetry = Poetry()
    uv: Uv = Uv()
    conda: Conda = Conda()
    torch: Torch = Torch()
    force_upgrade: bool = False
    force_repository_file: bool = False
    force_original: bool = False
    system_site_packages: bool = False
    ignore_python_wish: bool = False
    python_binary: str = ""
    default_python: str = ""
    skip_install: bool = False
    existing: str = ""
    is_offline: bool = False
    download_cache: str = ""
    max_entries: int = 10
    free_space_bytes: int = 2_000_000_000
    unpinned_s: float = 24 * 3600.0
    install_s: float = 3600.0
    lock_s: float = 3600.0

    def on_image(self, image: str) -> PackageSettings:
        """The same for a task that asks for this image, "" = none: conda mode may take it for a conda environment."""
        if not image or not self.conda.is_image or self.conda.base or self.manager != "conda":
            return self
        return msgspec.structs.replace(self, conda=msgspec.structs.replace(self.conda, base=image))

    @classmethod
    def from_config(cls, get: Callable[[str, Any], Any], environ: Mapping[str, str]) -> PackageSettings:
        """Build from the configuration (`Config.get`), the environment and the machine's pip configuration."""
        manager = "agent.package_manager"

        def flag(key: str, default: bool = False) -> bool:
            return as_flag(get(key, default), default)

        def names(key: str) -> tuple[str, ...] | None:
            found = get(f"{manager}.{key}", None)
            return None if found is None else tuple(_normal(name) for name in _words(found))

        flags = [*_words(get(f"{manager}.extra_pip_install_flags", None))]
        flags += _words(read("EXTRA_PIP_INSTALL_FLAGS", environ))
        skip = str(read("AGENT_SKIP_PIP_VENV_INSTALL", environ) or "")
        optional = names("priority_optional_packages")
        legacy = get(f"{manager}.pip_legacy_resolver", None)
        downloads = "agent.pip_download_cache"
        return cls(
            manager=_manager(get, environ),
            lock_files=flag(f"{manager}.use_lock_files", True),
            pip_version=tuple(filter(None, map(_pip_version, _texts(get(f"{manager}.pip_version", None))))),
            legacy_resolver=cls().legacy_resolver if legacy is None else tuple(_texts(legacy)),
            priority=names("priority_packages"),
            priority_optional=cls().priority_optional if optional is None else optional,
            post=names("post_packages"),
            post_optional=names("post_optional_packages") or (),
            poetry=Poetry(
                version=str(get(f"{manager}.poetry_version", "") or ""),
                arguments=tuple(_words(get(f"{manager}.poetry_install_extra_args", None))),
                in_working_dir=flag(f"{manager}.poetry_files_from_repo_working_dir"),
            ),
            uv=Uv(
                version=str(get(f"{manager}.uv_version", "") or ""),
                arguments=(
                    *_words(get(f"{manager}.uv_sync_extra_args", None)),
                    *(("--index-strategy", "unsafe-best-match") if flag(f"{manager}.uv_unsafe_best_match") else ()),
                ),
                in_working_dir=flag(f"{manager}.uv_files_from_repo_working_dir"),
                is_locked=flag(f"{manager}.uv_sync_locked_if_lock_file", True),
            ),
            conda=Conda(
                channels=tuple(_words(get(f"{manager}.conda_channels", None))) or Conda().channels,
                full_update=flag(f"{manager}.conda_full_env_update"),
                base=_conda_base(get, environ),
                is_image=flag(f"{manager}.conda_env_as_base_docker"),
            ),
            torch=_torch(get, environ),
            is_offline=flag("agent.standalone_mode"),
            existing=sys.executable if skip and as_flag(skip, False) else skip if "/" in skip else "",
            download_cache=str(get(f"{downloads}.path", "") or "~/.clearml/pip-download-cache")
            if flag(f"{downloads}.enabled", True)
            else "",
            indexes=read_indexes(_words(get(f"{manager}.extra_index_url", None)), environ),
            flags=tuple(flags),
            force_upgrade=flag(f"{manager}.force_upgrade"),
            force_repository_file=flag(f"{manager}.force_repo_requirements_txt"),
            force_original=flag(f"{manager}.force_original_requirements"),
            system_site_packages=flag(f"{manager}.system_site_packages"),
            ignore_python_wish=flag("agent.ignore_requested_python_version"),
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


def _manager(get: Callable[[str, Any], Any], environ: Mapping[str, str]) -> str:
    for name in ("poetry", "uv"):
        if read_flag(f"AGENT_FORCE_{name.upper()}", False, environ):
            return name
    return str(get("agent.package_manager.type", "pip") or "pip").lower()


def _torch(get: Callable[[str, Any], Any], environ: Mapping[str, str]) -> Torch:
    manager, known = "agent.package_manager", Torch()
    cuda = read("CUDA_VERSION", environ) or environ.get("CUDA_VERSION") or get("agent.cuda_version", None)
    resolve = read("AGENT_PACKAGE_PYTORCH_RESOLVE", environ) or get(f"{manager}.pytorch_resolve", None) or known.resolve
    return Torch(
        resolve=str(resolve).lower(),
        nightly=as_flag(get(f"{manager}.torch_nightly", False), False),
        cuda="" if cuda is None else str(cuda).strip(),
        index=str(get(f"{manager}.extra_index_url_template", None) or known.index),
        nightly_index=str(get(f"{manager}.nightly_extra_index_url_template", None) or known.nightly_index),
    )


def _conda_base(get: Callable[[str, Any], Any], environ: Mapping[str, str]) -> str:
    """A conda environment that is there already: named, or the one that the agent itself runs in, by wish."""
    if given := read("CONDA_ENV_PACKAGE", environ):
        return given
    wanted = read("USE_CONDA_BASE_ENV", environ) or get("agent.package_manager.use_conda_base_env", None)
    if isinstance(wanted, str) and "/" in wanted:
        return wanted
    return environ.get("CONDA_PREFIX", "") if as_flag(wanted or False, False) else ""


def _pip_version(text: str) -> str:
    """`<20.2 ; python_version < '3.10'` as a requirement; a bare number means exactly that version. Pure."""
    version, _, marker = text.strip().partition(";")
    version = version.strip().removeprefix("pip").strip()
    if not version:
        return ""
    exact = "==" if version[0].isdigit() else ""
    return f"pip{exact}{version}" + (f" ; {marker.strip()}" if marker.strip() else "")


def _texts(value: object) -> list[str]:
    if value is None or value == "":
        return []
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


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
