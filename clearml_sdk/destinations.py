"""Where the models, artifacts and datasets of a task go, as it is recorded: what a script or the configuration says."""

from __future__ import annotations

from clearml_sdk.config import Config
from clearml_sdk.session import Session

DEFAULT = "sdk.development.default_output_uri"


def destination(session: Session, value: str | bool | None) -> str:
    """What a script said: True is the files server, False and None are nowhere ("")."""
    if value is True:
        return session.settings.files_server
    return str(value).rstrip("/") if value else ""


def default_destination(session: Session, config: Config | None) -> str | None:
    """What the configuration says for those who say nothing; None: nothing either."""
    configured = config.get(DEFAULT) if config is not None else None
    if not configured:
        return None
    return destination(session, True if str(configured).lower() == "true" else str(configured))
