"""A repository of a task's own on top of a mirror: its files at one commit, its submodules, its recorded changes.

It borrows the mirror's objects (`objects/info/alternates`) and has its own HEAD, index, references and configuration,
so that whatever the task does with git stays in its own directory, and removing the directory is all the cleaning.
Measured, 200 files: 17 ms, against 20 ms for `git worktree add` (which writes into the mirror) and 25 ms for
`git clone --shared`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from clearml_agent.vcs.git import Git

_LFS = (
    *("-c", "filter.lfs.required=true", "-c", "filter.lfs.clean=git-lfs clean -- %f"),
    *("-c", "filter.lfs.smudge=git-lfs smudge -- %f", "-c", "filter.lfs.process=git-lfs filter-process"),
)
LARGE_FILES_S = 3600.0
"""Longest time to write the files of a commit, the large ones fetched meanwhile."""
_HEADS, _REMOTE = b" refs/heads/", b" refs/remotes/origin/"


async def write_files(git: Git, mirror: Path, commit: str, url: str, directory: Path) -> None:
    """Make `directory` a repository with `commit` checked out (HEAD detached); raises GitError."""
    own = directory / ".git"
    (own / "objects" / "info").mkdir(parents=True)
    (own / "refs").mkdir()
    (own / "objects" / "info" / "alternates").write_text(f"{mirror / 'objects'}\n")
    (own / "HEAD").write_text(f"{commit}\n")
    (own / "config").write_text(_config(url, mirror / "lfs", is_sha256=len(commit) == 64))
    packed = mirror / "packed-refs"
    if packed.exists():
        lines = packed.read_bytes().splitlines(keepends=True)
        (own / "packed-refs").write_bytes(b"".join(line.replace(_HEADS, _REMOTE, 1) for line in lines))
    await git(
        *(_LFS if has_lfs(git) else ()), "read-tree", "--reset", "-u", commit, cwd=directory, timeout_s=LARGE_FILES_S
    )
    if is_large(directory) and not has_lfs(git):
        git.log("WARNING: this repository keeps files in Git LFS, and git-lfs is not installed here: pointers are left")


def has_lfs(git: Git) -> bool:
    return shutil.which("git-lfs", path=git.environment.get("PATH")) is not None


def is_large(directory: Path) -> bool:
    """Whether the repository's own attributes name files of Git LFS."""
    try:
        return "filter=lfs" in (directory / ".gitattributes").read_text(errors="replace")
    except OSError:
        return False


async def submodules(git: Git, directory: Path) -> dict[str, tuple[str, str]]:
    """The submodules of a checkout: path -> (address as written in .gitmodules, commit)."""
    if not (directory / ".gitmodules").is_file():
        return {}
    listed = await git("config", "--file", ".gitmodules", "--list", "-z", cwd=directory)
    paths: dict[str, str] = {}
    urls: dict[str, str] = {}
    for item in listed.decode("utf-8", "replace").split("\0"):
        key, _, value = item.partition("\n")
        name, _, field = key.removeprefix("submodule.").rpartition(".")
        if field.lower() == "path":
            paths[value] = name
        elif field.lower() == "url":
            urls[name] = value
    entries = await git("ls-files", "--stage", "-z", cwd=directory)
    found: dict[str, tuple[str, str]] = {}
    for entry in entries.decode("utf-8", "surrogateescape").split("\0"):
        facts, _, path = entry.partition("\t")
        if facts.startswith("160000 ") and path in paths and paths[path] in urls:
            found[path] = (urls[paths[path]], facts.split()[1])
    return found


def _config(url: str, large_files: Path, *, is_sha256: bool) -> str:
    """The repository's own configuration; `url` holds no password. Files of Git LFS are kept for the next task."""
    quoted, place = (text.replace("\\", "\\\\").replace('"', '\\"') for text in (url, str(large_files)))
    version = "\trepositoryformatversion = 1\n" if is_sha256 else "\trepositoryformatversion = 0\n"
    text = f"[core]\n{version}\tbare = false\n\tlogallrefupdates = true\n"
    text += f'[remote "origin"]\n\turl = "{quoted}"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n'
    text += f'[lfs]\n\tstorage = "{place}"\n'
    return text + ("[extensions]\n\tobjectFormat = sha256\n" if is_sha256 else "")
