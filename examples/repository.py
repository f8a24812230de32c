"""Gives the bundled training example a git history of its own, with a remote, as a user's project has one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent / "train"
_AUTHOR = {
    **{f"GIT_{who}_NAME": "Example" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "example@localhost" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_DATE": "2026-01-01T00:00:00+00:00" for who in ("AUTHOR", "COMMITTER")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


def git(*arguments: str, cwd: Path) -> str:
    """Run git and return its output; raises CalledProcessError."""
    answer = subprocess.run(
        ["git", *arguments], cwd=cwd, env={**os.environ, **_AUTHOR}, check=True, capture_output=True, text=True
    )
    return answer.stdout.strip()


def make_repository(folder: Path) -> Path:
    """Make `folder`/train (a clone with an uncommitted change) and `folder`/train.git (its remote, two commits).

    Names, dates and contents are fixed, so the commits are the same every time. Returns the clone.
    """
    remote, clone = folder / "train.git", folder / "train"
    for old in (remote, clone):
        shutil.rmtree(old, ignore_errors=True)
    clone.mkdir(parents=True)
    git("init", "--quiet", "--bare", "--initial-branch=main", str(remote), cwd=folder)
    git("init", "--quiet", "--initial-branch=main", cwd=clone)
    git("remote", "add", "origin", str(remote), cwd=clone)
    for message, names in (
        ("Draw points around three centres", ("points.py", "requirements.txt", "README.md")),
        ("Train a softmax classifier on them", ("train.py",)),
    ):
        for name in names:
            shutil.copy(SOURCE / name, clone / name)
        git("add", "--all", cwd=clone)
        git("commit", "--quiet", "--message", message, cwd=clone)
    git("push", "--quiet", "--set-upstream", "origin", "main", cwd=clone)
    script = clone / "train.py"
    script.write_text(script.read_text().replace('print("done")', 'print("done, with the uncommitted change")'))
    return clone
