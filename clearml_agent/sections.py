"""The sections `environment` and `files` of the configuration: variables and files that every run finds in place.

Applied when `agent.apply_environment` and `agent.apply_files` are on. Source: contract/config_surface.json, rules.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from clearml_agent.errors import UsageError
from clearml_sdk.config import Config
from clearml_sdk.config.environment import read_flag

DEFAULT_MODE = 0o600


def apply(config: Config, environ: MutableMapping[str, str]) -> None:
    """Set the variables and write the files that the configuration names. Raises UsageError for what cannot be."""
    if read_flag("AGENT_ENABLE_ENV_CONFIG_SECTION", config.flag("agent.apply_environment", True), environ):
        for name, value in variables(config.get("environment")).items():
            environ.setdefault(name, value)  # what the process was started with wins, as everywhere
    if read_flag("AGENT_ENABLE_FILES_CONFIG_SECTION", config.flag("agent.apply_files", True), environ):
        for name, entry in (config.get("files") or {}).items():
            write(str(name), entry)


def variables(section: Any) -> dict[str, str]:
    """Name -> text, of a section that may hold numbers and truth values. Pure."""
    if not isinstance(section, Mapping):
        return {}
    return {str(name): json.dumps(value) if isinstance(value, bool) else str(value) for name, value in section.items()}


def write(name: str, entry: Any) -> None:
    """One file: `path`, `contents`, `format` (base64), `target_format` (json, yaml, bytes), `overwrite`, `mode`."""
    if not isinstance(entry, Mapping) or not entry.get("path"):
        raise UsageError(f"files.{name} of the configuration names no path")
    path = Path(os.path.expandvars(str(entry["path"]))).expanduser()
    if path.exists() and entry.get("overwrite") is False:
        return
    try:
        mode = int(str(entry["mode"]), 8) if entry.get("mode") else DEFAULT_MODE
        data = content(entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # a link is replaced, not followed
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
    except (OSError, ValueError, binascii.Error) as error:
        raise UsageError(f"files.{name} of the configuration cannot be written to {path}: {error}") from None


def content(entry: Mapping[str, Any]) -> bytes:
    """The bytes of a file's entry; a structure becomes JSON, which is YAML as well. Pure; raises ValueError."""
    value = entry.get("contents")
    if entry.get("format") == "base64":
        return base64.b64decode(str(value or ""), validate=True)
    if isinstance(value, str):
        return value.encode()
    return (json.dumps(value, indent=2) + "\n").encode() if value is not None else b""
