"""`browser_login`: a server and credentials for a process without a configuration file, such as a notebook."""

from __future__ import annotations

import os
import webbrowser

from clearml_sdk import session as sessions
from clearml_sdk import setup_wizard
from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.config import load_settings
from clearml_sdk.errors import NotConfigured
from clearml_sdk.notices import announce


def browser_login(clearml_server: str | None = None) -> None:
    """Know a server from now on, in this process and those that it starts.

    A configuration, or else this user's server on this machine, is used as it is. Otherwise the web page is opened, and
    the block of credentials that it makes (Settings > Credentials) is to be pasted here.

    Args:
        clearml_server: address of the web page to open.

    Raises Unauthorized, ServerUnreachable for a server that does not take the credentials, or is not there; EOFError
    where there is nobody to answer.
    """
    try:
        settings = ApiSettings.from_config(load_settings())
    except NotConfigured:
        settings = _ask(clearml_server)
    setup_wizard.verify(settings)
    announce(f"ClearML: logged in at {settings.api_server}")


def _ask(web_page: str | None) -> ApiSettings:
    if web_page:
        announce(f"ClearML: opening {web_page}")
        webbrowser.open(web_page)
    settings = setup_wizard.ask(input, input)
    setup_wizard.verify(settings)
    os.environ.update(
        {
            "CLEARML_API_HOST": settings.api_server,
            "CLEARML_WEB_HOST": settings.web_server,
            "CLEARML_FILES_HOST": settings.files_server,
            "CLEARML_API_ACCESS_KEY": settings.access_key or "",
            "CLEARML_API_SECRET_KEY": settings.secret_key or "",
        }
    )
    sessions.set_default(None)
    return settings
