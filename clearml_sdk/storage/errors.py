"""What can go wrong with stored files.

StorageError (also OSError)
├── StoredFileMissing       there is no file at the URL
├── StorageRefused          the server refused (credentials, a name it does not take)
└── StorageUnreachable      no answer, or a broken one, in the tries allowed: `is_transient`
"""

from __future__ import annotations

from clearml_sdk.errors import ClearmlError


class StorageError(ClearmlError, OSError):
    """Base of the errors about stored files. url: the file's. is_transient: trying later may help."""

    is_transient = False

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.url, self.reason = url, reason


class StoredFileMissing(StorageError):
    """There is no file at this URL."""


class StorageRefused(StorageError):
    """The server does not allow this."""


class StorageUnreachable(StorageError):
    """No usable answer in the tries allowed."""

    is_transient = True
