"""Datasets: versions of files, stored as differences against their parents."""

from clearml_sdk._submodules import submodule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from clearml_sdk.datasets.dataset import Dataset
    from clearml_sdk.datasets.entries import FileEntry

__all__ = ["Dataset", "FileEntry"]


def __getattr__(name):  # type: ignore[no-untyped-def]  # typing would be imported for it
    if name == "Dataset":
        from clearml_sdk.datasets.dataset import Dataset

        return Dataset
    if name == "FileEntry":
        from clearml_sdk.datasets.entries import FileEntry

        return FileEntry
    return submodule(__name__, name)
