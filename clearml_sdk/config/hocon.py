"""Read a HOCON file into plain dictionaries, and remember the result under the hash of what it depends on.

Parsing costs about 0.2 s (pyhocon and pyparsing), reading the remembered result less than a millisecond.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile

from clearml_sdk.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CACHE_VERSION = 1
_SUBSTITUTION = re.compile(r"\$\{\??\s*([^}\s]+)\s*\}")
_INCLUDE = re.compile(r"^\s*include\b", re.MULTILINE)


def load_file(path: str, *, cache_dir: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """The file's content as nested dictionaries, substitutions resolved.

    Raises ConfigurationError when it cannot be read or parsed. A file that includes others is parsed each time.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    text = raw.decode("utf-8-sig", errors="replace")
    if _INCLUDE.search(text):
        return parse(path, text, os.path.dirname(path))
    remembered = os.path.join(cache_dir, f"{_key(text, environ)}.json")
    try:
        with open(remembered, "rb") as file:
            found = json.load(file)
        if isinstance(found, dict):
            return found
    except (OSError, ValueError):
        found = None  # not remembered yet, or cut short by a full disk: parse
    found = parse(path, text, os.path.dirname(path))
    _remember(remembered, found)
    return found


def parse(path: str, text: str, folder: str | None = None) -> dict[str, Any]:
    """Parse HOCON `text`; `path` is for messages. Raises ConfigurationError."""
    from pyhocon import ConfigFactory
    from pyhocon.exceptions import ConfigException
    from pyparsing import ParseBaseException

    try:
        tree = ConfigFactory.parse_string(text, basedir=folder)
    except (ConfigException, ParseBaseException, TypeError) as error:
        raise ConfigurationError(f"{path} is not valid: {' '.join(str(error).split())}") from error
    found = plain(tree)
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path} is not valid: it holds a list, not sections")
    return found


def plain(value: Any) -> Any:
    """pyhocon's trees as dictionaries and lists of plain values."""
    if isinstance(value, dict):
        return {str(key).strip('"'): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    # pyhocon answers a key set to null with an object of its own; periods come as timedelta.
    return None if type(value).__name__ == "NoneValue" else str(value)


def _key(text: str, environ: Mapping[str, str]) -> str:
    """Hash of the text and of the variables that its substitutions may take values from."""
    names = sorted(set(_SUBSTITUTION.findall(text)))
    parts = [str(CACHE_VERSION), text, *(f"{name}={environ.get(name)}" for name in names)]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _remember(target: str, found: dict[str, Any]) -> None:
    """Keep `found`, readable by this user alone (it holds secrets). A cache that cannot be written is no error."""
    folder = os.path.dirname(target)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder)  # 0600
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(found, file)
        os.replace(temporary, target)
    except OSError:
        return
