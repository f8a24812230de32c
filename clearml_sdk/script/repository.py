"""The git repository that a script belongs to: where it is cloned from, which commit, and what is not committed yet.

The `git` program is asked directly; its output goes to temporary files instead of pipes, because a process that the
script forks at that moment inherits the pipe, and git's end of it would then stay open as long as that process lives.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from urllib.parse import urlsplit, urlunsplit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

TIMEOUT_S = 60.0
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
_DIFF = (
    "diff",
    "--binary",
    "--full-index",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--src-prefix=a/",  # whatever diff.noprefix and diff.submodule of the user say
    "--dst-prefix=b/",
    "--submodule=short",
    "--ignore-submodules=dirty",
)


class Repository:
    """A working copy: `root` (absolute), `url`, `branch` ("" when detached), `commit`, and the uncommitted `diff`."""

    def __init__(self, root: str, url: str, branch: str, commit: str, diff: str) -> None:
        self.root, self.url, self.branch, self.commit, self.diff = root, url, branch, commit, diff


class GitFailed(Exception):
    """git could not answer; the text is what it said."""


def read_repository(directory: str) -> Repository | None:
    """The repository that contains `directory`; None when there is none, it has no commit, or git is not installed.

    Raises GitFailed when git fails for another reason or takes longer than `TIMEOUT_S`.
    """
    try:
        root = git(directory, "rev-parse", "--show-toplevel").strip()
        commit = git(directory, "rev-parse", "--verify", "HEAD").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except GitFailed as failure:
        if "dubious ownership" in str(failure):
            raise
        return None
    branch, remote = _branch_and_remote(root)
    url = git(root, "ls-remote", "--get-url", remote).strip() if remote else ""
    return Repository(root, public_url(url) if url else f"file://{root}", branch, commit, read_diff(root))


def read_diff(root: str) -> str:
    """Everything that differs from the commit, staged or not, binary files included; "" when nothing does."""
    raw = git_bytes(root, "-c", "core.quotepath=off", *_DIFF, "HEAD")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        # A text file in another encoding: as binary patches, all of it survives the way through JSON.
        with tempfile.NamedTemporaryFile("w", suffix=".gitattributes") as attributes:
            attributes.write("* -diff\n")
            attributes.flush()
            setting = f"core.attributesFile={attributes.name}"
            return git_bytes(root, "-c", "core.quotepath=off", "-c", setting, *_DIFF, "HEAD").decode(errors="replace")


def changes_of(root: str, path: str) -> str:
    """The part of `read_diff` about one file; "" when it is as it was committed, or not known to git."""
    return git_bytes(root, "-c", "core.quotepath=off", *_DIFF, "HEAD", "--", path).decode(errors="replace")


def untracked(root: str, paths: Iterable[str]) -> list[str]:
    """Those of `paths` (inside `root`) that git does not know, relative to `root`."""
    relative = [os.path.relpath(os.path.realpath(path), os.path.realpath(root)) for path in paths]
    inside = sorted({path for path in relative if not path.startswith("..")})
    if not inside:
        return []
    known = set(git(root, "-c", "core.quotepath=off", "ls-files", "-z", "--", *inside).split("\0"))
    return [path for path in inside if path.replace(os.sep, "/") not in known]


def diff_of_new_file(root: str, path: str) -> str:
    """A patch that makes the file `path` (relative to `root`), which git does not know."""
    raw = git_bytes(root, *_DIFF, "--no-index", "--", os.devnull, path, failing=1)
    return raw.decode(errors="replace")


def public_url(url: str) -> str:
    """The repository's address without a user's password or token; relative and local paths as `file://`."""
    if "://" not in url:
        is_local = url.startswith(("/", ".", "~")) or (":" not in url)
        return f"file://{os.path.abspath(os.path.expanduser(url))}" if is_local else url
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and "@" in parts.netloc:
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if parts.password is not None:
        user = parts.netloc.partition(":")[0]
        return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}"))
    return url


def git(directory: str, *arguments: str) -> str:
    """Run git in `directory` and return its output. Raises GitFailed, or FileNotFoundError without git."""
    return git_bytes(directory, *arguments).decode(errors="replace")


def git_bytes(directory: str, *arguments: str, failing: int = 0) -> bytes:
    """As `git`, the raw output; exit codes up to `failing` are no failure."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            code = subprocess.run(
                ["git", *arguments],
                cwd=directory,
                env={**os.environ, **_ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=TIMEOUT_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            raise GitFailed(f"git {arguments[0]} took longer than {TIMEOUT_S:.0f} s in {directory}") from None
        if not 0 <= code <= failing:
            err.seek(0)
            raise GitFailed(" ".join(err.read(2000).decode(errors="replace").split()) or f"exit code {code}")
        out.seek(0)
        return out.read()


def _branch_and_remote(root: str) -> tuple[str, str]:
    """The current branch as its remote calls it, and that remote: the tracked one, else `origin`, else the first."""
    branch = _try(root, "symbolic-ref", "--quiet", "--short", "HEAD")
    remotes = _try(root, "remote").split()
    tracked = _try(root, "config", f"branch.{branch}.remote") if branch else ""
    remote = tracked if tracked in remotes else "origin" if "origin" in remotes else (remotes or [""])[0]
    if branch and tracked == remote and remote:
        merge = _try(root, "config", f"branch.{branch}.merge")
        branch = merge.removeprefix("refs/heads/") or branch
    return branch, remote


def _try(root: str, *arguments: str) -> str:
    try:
        return git(root, *arguments).strip()
    except GitFailed:
        return ""  # the question has no answer: detached, no remote, not tracked
