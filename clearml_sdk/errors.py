"""Every error the SDK raises by itself.

    ClearmlError
    ├── UsageError (also ValueError)      a call that cannot mean anything
    ├── ConfigurationError                settings that cannot be read or contradict each other
    │   └── NotConfigured                 no server and no credentials anywhere
    ├── ServerUnreachable                 no answer from the server in the time allowed
    ├── BadAnswer                         an answer that is not the API's envelope (a proxy's page, another program)
    └── ApiError                          the server answered with an error
        ├── NotFound (also ValueError)    ... because what was named does not exist
        └── Unauthorized                  ... because it does not accept the credentials or the token

A user's own exceptions are never wrapped in one of these.
"""

from __future__ import annotations


class ClearmlError(Exception):
    """Base of the SDK's own errors."""


class UsageError(ClearmlError, ValueError):
    """The call cannot mean anything; the message says what would."""


class ConfigurationError(ClearmlError):
    """Settings that cannot be read, or that contradict each other."""


class NotConfigured(ConfigurationError):
    """There is neither a server nor credentials to use."""


class ServerUnreachable(ClearmlError):
    """No answer from `url` in the time allowed; `cause` is the last failure's text."""

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(f"no answer from {url}: {cause}")
        self.url, self.cause = url, cause


class BadAnswer(ClearmlError):
    """`url` answered with something that is not the API's envelope."""

    def __init__(self, url: str, status: int, excerpt: str) -> None:
        super().__init__(f"{url} answered {status} but not as a ClearML API server does: {excerpt!r}")
        self.url, self.status, self.excerpt = url, status, excerpt


class ApiError(ClearmlError):
    """The server refused a call.

    code: HTTP status and `meta.result_code`; subcode: `meta.result_subcode` (contract: wire.md 5); stack: where in the
    server, if it says so.
    """

    def __init__(self, code: int, subcode: int, message: str, endpoint: str, stack: str = "") -> None:
        super().__init__(f"{endpoint}: {message} ({code}/{subcode})")
        self.code, self.subcode, self.message, self.endpoint = code, subcode, message, endpoint
        self.stack = stack


class NotFound(ApiError, ValueError):
    """What the call named does not exist (or not for this user)."""


class Unauthorized(ApiError):
    """The server does not accept the credentials or the token."""


def __getattr__(name):  # type: ignore[no-untyped-def]  # what reads artifacts is imported when it is needed
    if name != "ArtifactUriDeleteError":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("clearml_sdk.artifacts.errors"), name)
