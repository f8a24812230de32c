"""Files that a task stores and reads: uploads, downloads and the local cache, by URL."""

from clearml_sdk._submodules import submodule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from clearml_sdk.storage.manager import StorageManager

__all__ = ["StorageManager"]


def __getattr__(name):  # type: ignore[no-untyped-def]  # typing would be imported for it
    if name != "StorageManager":
        return submodule(__name__, name)
    from clearml_sdk.storage.manager import StorageManager

    return StorageManager
