"""Which server and credentials this process uses, set by the program itself instead of by its configuration."""

from __future__ import annotations

import os

from clearml_sdk import session as sessions
from clearml_sdk.config import load_settings
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def use_credentials(
    api_host: str | None,
    web_host: str | None,
    files_host: str | None,
    key: str | None,
    secret: str | None,
    *,
    store_conf_file: bool,
) -> None:
    """Use these from now on, in this process and in those that it starts; None leaves a value as it is configured.

    Raises ConfigurationError, or FileExistsError when there is a configuration file already that would be overwritten.
    """
    given: dict[str, Any] = {
        "CLEARML_API_HOST": api_host,
        "CLEARML_WEB_HOST": web_host,
        "CLEARML_FILES_HOST": files_host,
        "CLEARML_API_ACCESS_KEY": key,
        "CLEARML_API_SECRET_KEY": secret,
    }
    os.environ.update({name: value for name, value in given.items() if value})
    session = Session.from_config(load_settings())
    sessions.set_default(session)
    if store_conf_file:
        from clearml_sdk.setup_wizard import default_path, write_conf

        write_conf(default_path(), session.settings)
