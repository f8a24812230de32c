"""Removing what the agent made on the disk."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path


def remove_tree(path: Path) -> None:
    """Remove a directory, also one whose sub-directories may not be written; no error when there is none.

    Others may remove it at the same time.
    """

    def make_writable(_function: object, name: str, error: tuple[type[BaseException], BaseException, object]) -> None:
        if isinstance(error[1], FileNotFoundError):
            return  # somebody else removed it
        with contextlib.suppress(FileNotFoundError):
            os.chmod(os.path.dirname(name), 0o700)
            if os.path.isdir(name) and not os.path.islink(name):
                os.chmod(name, 0o700)
                shutil.rmtree(name)
            elif os.path.lexists(name):
                os.unlink(name)

    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path, onerror=make_writable)
