"""The merged configuration of a client: what a key is, wherever it was set."""

from __future__ import annotations

import os

from clearml_sdk.config import environment, local_server
from clearml_sdk.config.defaults import DEFAULTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_MISSING = object()
DEFAULT_CACHE = "~/.clearml/cache"


class Config:
    """Nested sections read by dotted keys; later layers were merged over earlier ones.

    file: path of the configuration file that was read, or None.
    source: where the server's address comes from: "environment", "file", "local server" or None.
    """

    def __init__(self, tree: dict[str, Any], *, file: str | None = None, source: str | None = None) -> None:
        self.tree, self.file, self.source = tree, file, source

    def get(self, key: str, default: Any = None) -> Any:
        """The value at dotted `key`; `default` when it is not set anywhere, or set to null."""
        node: Any = self.tree
        for part in key.split("."):
            node = node.get(part, _MISSING) if isinstance(node, dict) else _MISSING
            if node is _MISSING:
                return default
        return default if node is None else node

    def flag(self, key: str, default: bool = False) -> bool:
        """The boolean at `key`, which may be written as a word or a number."""
        return environment.as_flag(self.get(key, default), default)

    def number(self, key: str, default: float) -> float:
        """The number at `key`; `default` when it is none."""
        try:
            return float(self.get(key, default))
        except (TypeError, ValueError):
            return default

    def set(self, key: str, value: Any) -> None:
        """Set one dotted key in this process's configuration."""
        put(self.tree, key, value)


def load_settings(
    environ: Mapping[str, str] | None = None, *, path: str | None = None, defaults: dict[str, Any] | None = None
) -> Config:
    """Read the configuration: defaults < file < environment; the local server's file if none of these names a server.

    Args:
        path: the file to read instead of `CLEARML_CONFIG_FILE` or `~/clearml.conf`; it must exist.
        defaults: more defaults, over the SDK's own (the agent has some).

    Raises ConfigurationError when the file cannot be read or parsed.
    """
    environ = os.environ if environ is None else environ
    tree = merge(merge({}, DEFAULTS), defaults or {})
    file = path or find_file(environ)
    source = None
    if file:
        from clearml_sdk.config.hocon import load_file

        merge(tree, load_file(file, cache_dir=parsed_cache_dir(environ), environ=environ))
        source = "file" if _names_server(tree) else None
    for key, value in environment.overrides(environ):
        put(tree, key, value)
    if environment.read("API_HOST", environ):
        source = "environment"
    if not _names_server(tree) and (found := local_server.read_local_server(environ)):
        source = "local server"
        put(tree, "api.api_server", found["api_server"])
        for key in ("web_server", "files_server"):
            if not (tree["api"].get(key)):
                put(tree, f"api.{key}", found[key])
        put(tree, "api.credentials", {key: found[key] for key in ("access_key", "secret_key")})
    return Config(tree, file=file, source=source)


def cache_base(config: Config) -> str:
    """The folder of this user's caches: what was downloaded, offline sessions, a task's temporary files."""
    return os.path.expanduser(str(config.get("sdk.storage.cache.default_base_dir") or DEFAULT_CACHE))


def find_file(environ: Mapping[str, str]) -> str | None:
    """The configuration file in use: `CLEARML_CONFIG_FILE`, else `~/clearml.conf`; None when there is none."""
    chosen = environment.read("CONFIG_FILE", environ)
    path = os.path.expanduser(os.path.expandvars(chosen)) if chosen else default_file()
    return path if os.path.isfile(path) else None


def default_file() -> str:
    """Where a configuration file is looked for when no variable names one."""
    return os.path.join(os.path.expanduser("~"), "clearml.conf")


def parsed_cache_dir(environ: Mapping[str, str]) -> str:
    """Where parsed configuration files are remembered."""
    return os.path.join(early_cache_base(environ), "config")


def early_cache_base(environ: Mapping[str, str] | None = None) -> str:
    """As `cache_base`, for what is needed before a configuration is read, or is to be found by any configuration."""
    return os.path.expanduser(environment.read("CACHE_DIR", environ) or DEFAULT_CACHE)


def merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Put `over` onto `base`, section by section, and return `base`; nothing of `over` is shared with it."""
    for key, value in over.items():
        if isinstance(value, dict):
            node = base.get(key)
            base[key] = merge(node if isinstance(node, dict) else {}, value)
        else:
            base[key] = list(value) if isinstance(value, list) else value
    return base


def put(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set dotted `key` in nested dictionaries, making the sections on the way."""
    *path, last = key.split(".")
    for part in path:
        node = tree.get(part)
        if not isinstance(node, dict):
            node = tree[part] = {}
        tree = node
    tree[last] = value


def _names_server(tree: dict[str, Any]) -> bool:
    api = tree.get("api")
    return isinstance(api, dict) and bool(api.get("api_server") or api.get("host"))
