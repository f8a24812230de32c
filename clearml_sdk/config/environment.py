"""Which environment variables the SDK reads, and how their texts become values.

`CLEARML_X` is also read as `TRAINS_X`, its older name. `CLEARML__SDK__SECTION__KEY=value` sets any configuration key.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})
FALSE = frozenset({"0", "false", "no", "off", "n", "f", ""})

OVERRIDES: dict[str, str] = {
    "API_HOST": "api.api_server",
    "WEB_HOST": "api.web_server",
    "FILES_HOST": "api.files_server",
    "API_ACCESS_KEY": "api.credentials.access_key",
    "API_SECRET_KEY": "api.credentials.secret_key",
    "API_HOST_VERIFY_CERT": "api.verify_certificate",
    "DEFAULT_OUTPUT_URI": "sdk.development.default_output_uri",
    "CACHE_DIR": "sdk.storage.cache.default_base_dir",
    "LOG_ENVIRONMENT": "sdk.development.log_os_environments",
    "BLOCK_PICKLED_ARTIFACTS": "sdk.storage.block_pickled_artifacts",
    "SUPPRESS_UPDATE_MESSAGE": "sdk.development.suppress_update_message",
    "ENABLE_ENV_CONFIG_SECTION": "sdk.apply_environment",
    "ENABLE_FILES_CONFIG_SECTION": "sdk.apply_files",
}
"""Variable (without its prefix) -> configuration key that it overrides."""

BOOLEAN_KEYS = frozenset(
    {
        "api.verify_certificate",
        "sdk.storage.block_pickled_artifacts",
        "sdk.development.suppress_update_message",
        "sdk.apply_environment",
        "sdk.apply_files",
    }
)


def read(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """The value of `CLEARML_<name>`, else of `TRAINS_<name>`; None when unset or empty."""
    source = os.environ if environ is None else environ
    return source.get(f"CLEARML_{name}") or source.get(f"TRAINS_{name}") or None


def read_flag(name: str, default: bool, environ: Mapping[str, str] | None = None) -> bool:
    """The boolean in `CLEARML_<name>`; `default` when it is unset, empty or not a boolean."""
    text = read(name, environ)
    return default if text is None else as_flag(text, default)


def as_flag(value: object, default: bool) -> bool:
    """`value` (a boolean, a number or a word such as `yes`) as a boolean; `default` when it is none of these."""
    if isinstance(value, bool | int | float):
        return bool(value)
    word = str(value).strip().lower()
    if word in TRUE:
        return True
    return False if word in FALSE else default


def overrides(environ: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """(configuration key, value) for every variable that sets one; the later of two on one key wins."""
    for name in sorted(environ):
        if name.startswith("CLEARML__") and environ[name]:
            yield name[len("CLEARML__") :].lower().replace("__", "."), parse_value(environ[name])
    for name, key in OVERRIDES.items():
        text = read(name, environ)
        if text is None:
            continue
        # A certificate setting may also be the path of a CA bundle.
        yield key, as_flag(text, True) if key in BOOLEAN_KEYS and not os.path.exists(text) else text


def parse_value(text: str) -> Any:
    """JSON where it is JSON, booleans and numbers as such, anything else as text."""
    try:
        return json.loads(text)
    except ValueError:
        word = text.strip().lower()
        return word == "true" if word in ("true", "false") else text
