"""Tables that are kept in step with the server while the script changes them: `Task.register_artifact`."""

from __future__ import annotations

import threading

from clearml_sdk.notices import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

PERIOD_S = 10.0
"""How often tables are looked at for changes."""


PREVIEW_ROWS = 20


class RegisteredTable:
    """A pandas DataFrame that the script goes on changing.

    unique_by: the columns by which its preview counts distinct rows; None: all of them.
    """

    def __init__(self, table: Any, metadata: Mapping[Any, Any] | None, unique_by: Sequence[str] | None) -> None:
        self.table, self.metadata, self.unique_by = table, metadata, unique_by
        self.stored_digest: int | None = None

    def digest(self) -> int:
        """Changes when a value, a row, the order of rows or the columns change."""
        from pandas.util import hash_pandas_object

        hashes = hash_pandas_object(self.table, index=True)
        return hash((tuple(map(str, self.table.columns)), hashes.to_numpy().tobytes()))

    def preview(self, name: str) -> str:
        """The first rows and the counts."""
        columns = list(self.unique_by) if self.unique_by is not None else list(self.table.columns)
        rows = len(self.table)
        unique = len(self.table.drop_duplicates(subset=columns)) if columns else 0
        share = 100.0 * unique / rows if rows else 100.0
        counts = f"shape={self.table.shape}, {unique} unique rows, {share:.1f}% uniqueness"
        return f"{self.table.head(PREVIEW_ROWS)}\n\n[{name}]: {counts}\n"


class RegisteredTables:
    """The registered tables of one task, looked at every `period_s` by a thread of their own.

    store: (name, copy of the table, metadata, preview, wait) stores one version of a table.
    """

    def __init__(
        self, store: Callable[[str, Any, Mapping[Any, Any] | None, str, bool], bool], *, period_s: float = PERIOD_S
    ) -> None:
        self._store, self._period_s = store, period_s
        self._tables: dict[str, RegisteredTable] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, name: str, table: Any, metadata: Mapping[Any, Any] | None, unique_by: bool | Sequence[str]) -> None:
        """Keep `table` in step from now on, in place of another of that name.

        Raises ValueError for anything but a DataFrame, and for columns that it does not have.
        """
        if not any(
            f"{kind.__module__.split('.')[0]}.{kind.__name__}" == "pandas.DataFrame" for kind in type(table).__mro__
        ):
            raise ValueError(f"artifact {name!r}: a pandas.DataFrame can be registered, not a {type(table).__name__}")
        columns = (
            None if isinstance(unique_by, bool) else [unique_by] if isinstance(unique_by, str) else list(unique_by)
        )
        missing = [column for column in columns or () if column not in table.columns]
        if missing:
            raise ValueError(f"artifact {name!r}: the table has no column {missing[0]!r}")
        with self._lock:
            self._tables[name] = RegisteredTable(table, metadata, columns)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="clearml-tables", daemon=True)
                self._thread.start()
        self.check()

    def remove(self, name: str) -> None:
        """Store what changed last, and leave the table alone from now on."""
        with self._lock:
            entry = self._tables.pop(name, None)
        if entry is not None:
            self._check(name, entry, wait=False)

    def tables(self) -> dict[str, Any]:
        """The tables by name; they are the script's own."""
        with self._lock:
            return {name: entry.table for name, entry in self._tables.items()}

    def summary(self) -> str:
        """The previews of all."""
        with self._lock:
            entries = list(self._tables.items())
        return "\n".join(entry.preview(name) for name, entry in entries)

    def check(self, *, wait: bool = False) -> None:
        """Store every table that changed since it was stored."""
        with self._lock:
            entries = list(self._tables.items())
        for name, entry in entries:
            self._check(name, entry, wait=wait)

    def stop(self) -> None:
        """Store what changed last, and end the thread."""
        self._stopping.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(self._period_s)
        self.check()

    def _run(self) -> None:
        while not self._stopping.wait(self._period_s):
            self.check()

    def _check(self, name: str, entry: RegisteredTable, *, wait: bool) -> None:
        with harmless(f"storing the registered artifact {name!r}"):
            digest = entry.digest()
            if digest != entry.stored_digest:
                self._store(name, entry.table.copy(), entry.metadata, entry.preview(name), wait)
                entry.stored_digest = digest
