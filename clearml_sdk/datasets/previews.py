"""Samples of a version's files for people to look at: pictures and other media, and the first rows of tables."""

from __future__ import annotations

import csv
import os

from clearml_sdk.datasets.stored import StoredDataset
from clearml_sdk.logger import Logger
from clearml_sdk.notices import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from clearml_sdk.config import Config
    from clearml_sdk.datasets.entries import FileEntry

MEDIA = {
    "image": (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".svg"),
    "video": (".mp4", ".webm", ".ogv", ".mov", ".mkv", ".avi"),
    "audio": (".wav", ".mp3", ".ogg", ".flac", ".m4a"),
    "html": (".html", ".htm"),
    "json": (".json",),
}
TABLES = {".csv": ",", ".tsv": "\t"}
PREVIEW = "sdk.dataset.preview"
COUNT = 10
MAX_BYTES = 5 << 20
MAX_CELLS = 50


def report(stored: StoredDataset, logger: Logger, entries: Sequence[FileEntry]) -> int:
    """Report samples of files that lie on this machine, as many of each kind as the configuration says; how many."""
    config = stored.session.config
    count = 0
    with harmless("reporting previews of the dataset"):
        for kind, entry in choose(entries, config):
            path = str(entry.local_path)
            if kind == "tabular":
                rows = first_rows(path, int(_number(config, "tabular.row_count", COUNT)))
                if len(rows) > 1:
                    logger.report_table("Tables", entry.relative_path, iteration=0, table_plot=rows)
                    count += 1
            else:
                logger.report_media(kind, entry.relative_path, iteration=0, local_path=path)
                count += 1
    return count


def choose(entries: Sequence[FileEntry], config: Config | None) -> list[tuple[str, FileEntry]]:
    """(kind, file) of what is shown: the first ones of each kind."""
    limits = {kind: int(_number(config, f"media.{kind}_count", COUNT)) for kind in MEDIA}
    limits["tabular"] = int(_number(config, "tabular.table_count", COUNT))
    largest = _number(config, "media.max_file_size", MAX_BYTES)
    kinds = {extension: kind for kind, extensions in MEDIA.items() for extension in extensions}
    kinds.update(dict.fromkeys(TABLES, "tabular"))
    found = []
    for entry in sorted(entries, key=lambda one: one.relative_path):
        kind = kinds.get(os.path.splitext(entry.relative_path)[1].lower())
        if kind is None or not limits[kind] or not entry.local_path or not entry.size:
            continue
        if kind != "tabular" and entry.size > largest:
            continue
        limits[kind] -= 1
        found.append((kind, entry))
    return found


def first_rows(path: str, count: int) -> list[list[str]]:
    """The header and the first rows of a CSV or TSV file; a file that is none gives []."""
    delimiter = TABLES[os.path.splitext(path)[1].lower()]
    rows: list[list[str]] = []
    try:
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.reader(file, delimiter=delimiter):
                rows.append(row[:MAX_CELLS])
                if len(rows) > count:
                    break
    except (csv.Error, UnicodeDecodeError, OSError):
        return []
    width = max((len(row) for row in rows), default=0)
    return [row + [""] * (width - len(row)) for row in rows]


def _number(config: Config | None, key: str, default: float) -> float:
    return config.number(f"{PREVIEW}.{key}", default) if config is not None else default
