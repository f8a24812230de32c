"""The dataset that commands without --id mean: remembered in the user's home, in the official command's file."""

from __future__ import annotations

import json
import os


class NoDataset(Exception):
    """A command needs a dataset, and there is none that it could mean."""


def path() -> str:
    """The file."""
    return os.path.join(os.path.expanduser("~"), ".clearml_data.json")


def read() -> str | None:
    """The remembered id; None when there is none."""
    try:
        with open(path(), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    return str(found["id"]) if isinstance(found, dict) and found.get("id") else None


def write(dataset_id: str | None) -> None:
    """Remember an id; None: forget it."""
    partial = f"{path()}.{os.getpid()}.part"
    with open(partial, "w", encoding="utf-8") as file:
        json.dump({"id": dataset_id} if dataset_id else {}, file)
    os.replace(partial, path())


def forget(dataset_id: str) -> None:
    """Forget an id, if it is the remembered one."""
    if read() == dataset_id:
        write(None)


def chosen(given: str | None) -> str:
    """The id that a command means. Raises NoDataset."""
    found = given or read()
    if not found:
        raise NoDataset("which dataset? Give --id, or make one with `clearml-data create`")
    return found
