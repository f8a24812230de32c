"""What a task's recorded entry point, working directory and binary mean."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import msgspec

from clearml_agent.errors import CheckoutFailed

SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ksh", "fish", "csh", "tcsh", "ash"})


class EntryPoint(msgspec.Struct, frozen=True):
    """What a task runs.

    text: the recorded words, `train.py --lr 1`, `-m package.module`, or a shell's `-c "..."`.
    working_dir: relative to the root of the code, "" for the root.
    shell: the shell that runs it; None for the environment's Python.
    """

    text: str
    working_dir: str = ""
    shell: str | None = None

    @property
    def is_module(self) -> bool:
        """Whether the words begin with an option (`-m module`, `-c code`) instead of a file."""
        return self.text.startswith("-")

    @property
    def script(self) -> str:
        """The file that a literal script is written to, relative to the working directory."""
        if not self.text or self.is_module:
            return "untitled.sh" if self.shell else "untitled.py"
        name = self.text if re.fullmatch(r"[^-'\"]+\.(py|ipynb|sh)", self.text) else _split(self.text)[0]
        return name.replace("\\", "/")


def read_entry_point(script: Mapping[str, object]) -> EntryPoint:
    """Read a task's script section; raises CheckoutFailed when its binary is neither a Python nor a shell.

    With no working directory the entry point may carry it: `train.py:src`. Source: agent_behaviour.md 4 (6, 14).
    """
    text = str(script.get("entry_point") or "").strip()
    folder = str(script.get("working_dir") or "").strip()
    if not folder and not text.startswith("-") and (match := re.fullmatch(r"([^:\s]+):([^:\\]+)", text)):
        text, folder = match[1], match[2]
    binary = str(script.get("binary") or "python").strip()
    name = PurePosixPath(binary.partition(" ")[0].replace("\\", "/")).name.lower().removesuffix(".exe")
    if name in SHELLS:
        return EntryPoint(text, "" if folder == "." else folder, shell=binary)
    if not re.match(r"(python|pypy)", name):
        raise CheckoutFailed(
            f"the task asks to be run by {binary!r}, which is neither a Python nor a shell: set the task's binary "
            f"(Execution > Source code) to `python` or one of {', '.join(sorted(SHELLS))}",
            reason="unknown binary",
        )
    return EntryPoint(text, "" if folder == "." else folder)


def overridden(script: Mapping[str, object], environ: Mapping[str, str]) -> Mapping[str, object]:
    """The script section with what this machine's variables put in its place.

    CLEARML_AGENT_FORCE_EXEC_SCRIPT: `working_dir:script` or a script; CLEARML_AGENT_FORCE_CODE_DIR: a folder with the
    code, so that neither a repository nor recorded changes are wanted.
    """
    found = dict(script)
    if environ.get("CLEARML_AGENT_FORCE_CODE_DIR"):
        found |= {"repository": "", "diff": ""}
    if forced := environ.get("CLEARML_AGENT_FORCE_EXEC_SCRIPT"):
        folder, separator, name = forced.rpartition(":")
        found |= {"entry_point": name, **({"working_dir": folder} if separator else {})}
    return found


def words(entry: EntryPoint, working_dir: Path, environ: Mapping[str, str]) -> list[str]:
    """The argument list after the interpreter.

    A file name may hold blanks, and backslashes where it was recorded on Windows. After `-m`, `$NAME` is replaced from
    `environ` where it is set.
    """
    if not entry.is_module and (file := _longest_file(entry.text, working_dir)):
        return [file.replace("\\", "/"), *_split(entry.text[len(file) :])]
    found = _split(entry.text)
    if found[:1] == ["-m"]:
        found = [_expanded(word, environ) for word in found]
    return found


def _longest_file(text: str, working_dir: Path) -> str:
    """The longest beginning of `text`, up to a blank, that is the name of a file; "" when none is."""
    ends = [len(text), *(match.start() for match in reversed(list(re.finditer(r"\s", text))))]
    return next((text[:end] for end in ends if end and (working_dir / text[:end].replace("\\", "/")).is_file()), "")


def inside(root: Path, relative: str) -> Path | None:
    """`relative` under `root`, or None when it leads out of it (links followed)."""
    path = root / relative.replace("\\", "/").lstrip("/")
    return path if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)) else None


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise CheckoutFailed(
            f"the entry point {text!r} cannot be read: {error}. Correct the task's script path"
        ) from None


def _expanded(word: str, environ: Mapping[str, str]) -> str:
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda match: environ.get(match[1] or match[2], match[0]), word)
