"""What every part of `Dataset` stands on: one version, by its task and its state."""

from __future__ import annotations

from clearml_sdk.datasets import creating
from clearml_sdk.datasets.stored import FINAL_STATUSES, StoredDataset
from clearml_sdk.errors import UsageError
from clearml_sdk.notices import announce, say
from clearml_sdk.session import Session
from clearml_sdk.task import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from clearml_sdk.logger import Logger

PRIVATE = 9157


class DatasetBase:
    """A version by its task. Constructed by the SDK only."""

    def __init__(
        self,
        _private: int,
        task: Task | None = None,
        dataset_project: str | None = None,
        dataset_name: str | None = None,
        dataset_tags: Sequence[str] | None = None,
        dataset_version: str | None = None,
        description: str | None = None,
    ) -> None:
        if _private != PRIVATE or task is None:
            raise UsageError("a Dataset is not constructed: use Dataset.create() or Dataset.get()")
        self._task = task
        self._stored: StoredDataset

    @classmethod
    def _of(cls, stored: StoredDataset) -> Self:
        dataset = cls(PRIVATE, Task._from_record(stored.record))
        dataset._stored = stored
        return dataset

    @classmethod
    def _open(cls, dataset: str | DatasetBase) -> StoredDataset:
        return (
            dataset._stored if isinstance(dataset, DatasetBase) else StoredDataset.open(Session.default(), str(dataset))
        )

    # Which one it is.

    @property
    def id(self) -> str:
        """The version's id."""
        return self._stored.id

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self._stored.name

    @property
    def project(self) -> str:
        """The project that it belongs to."""
        return self._stored.project

    @property
    def version(self) -> str | None:
        """The version's number."""
        return self._stored.version

    @version.setter
    def version(self, value: str) -> None:
        creating.write_version(self._stored.record, str(value))

    @property
    def tags(self) -> list[str]:
        """The user's tags."""
        return list(self._stored.record.get("tags") or [])

    @tags.setter
    def tags(self, value: Sequence[str]) -> None:
        self._stored.record.edit(tags=list(value or []))

    def add_tags(self, tags: Sequence[str] | str) -> None:
        """Add tags."""
        self._task.add_tags(tags)

    def set_description(self, description: str) -> None:
        """Say what the dataset is."""
        self._stored.record.edit(comment=description)

    def is_final(self) -> bool:
        """Whether it is finished: it can be used, and not be changed any more."""
        return self._stored.status() in FINAL_STATUSES

    def is_dirty(self) -> bool:
        """Whether something of it is to be uploaded, so that it cannot be finished yet."""
        return self._stored.state.is_dirty

    def get_logger(self) -> Logger:
        """The logger that reports to the version: statistics, plots, samples."""
        return self._task.get_logger()

    def get_default_storage(self) -> str | None:
        """Where its files are stored."""
        return self._stored.folder.destination()

    def _tell(self, text: str) -> None:
        """Print a line of news, and keep it with the version."""
        announce(text)
        self.get_logger().report_text(text, print_console=False)

    def _refuse(self, text: str, raise_on_error: bool) -> bool:
        if raise_on_error:
            raise UsageError(text)
        say(f"Dataset: {text}")
        return False

    def __repr__(self) -> str:
        return f"<Dataset {self.project}/{self.name} {self.version} id={self.id}>"
