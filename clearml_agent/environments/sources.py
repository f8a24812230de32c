"""Which requirement lines count: the recorded ones, else the requirements.txt files of the code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from clearml_agent.environments.requirements import logical_lines
from clearml_agent.process import Log

ORIGINALS = ("org_pip", "orig_pip")
"""Where the packages are kept that a task was recorded with; two names are in use."""

FILE = "requirements.txt"


def chosen_lines(
    recorded: str | Sequence[str], root: Path | None, folder: Path | None, *, force_file: bool, log: Log
) -> list[str]:
    """The recorded lines; where there are none, every requirements.txt from `root` down to `folder`, root first.

    force_file: pass over the recorded ones. Source: contract/agent_behaviour.md 5.
    """
    lines = [] if force_file else logical_lines(recorded)
    if lines:
        return lines
    found: list[str] = []
    for file in requirement_files(root, folder):
        log(f"Using the packages of {file}")
        found.append(f"-r {file}")
    if not found:
        log("WARNING: no packages are recorded and the code has no requirements.txt: none are installed")
    return found


def recorded_lines(requirements: object, *, original: bool = False) -> list[str]:
    """The packages in a task's `script.requirements`: a text or a list, or a mapping with one of these under `pip`.

    original: those that were recorded first, before an agent wrote back what it installed, where they are kept.
    """
    found = requirements
    if isinstance(requirements, Mapping):
        names = (*ORIGINALS, "pip") if original else ("pip",)
        found = next((requirements[name] for name in names if requirements.get(name)), None)
    if isinstance(found, str):
        return logical_lines(found)
    return logical_lines([str(line) for line in found]) if isinstance(found, list | tuple) else []


def requirement_files(root: Path | None, folder: Path | None) -> list[Path]:
    """The requirements.txt of each folder from `root` down to `folder` that has one."""
    if root is None:
        return []
    folder = folder if folder is not None and folder.is_relative_to(root) else root
    folders = [folder, *folder.parents]
    chain = folders[: folders.index(root) + 1]
    return [place / FILE for place in reversed(chain) if (place / FILE).is_file()]
