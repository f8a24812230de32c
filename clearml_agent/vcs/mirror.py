"""One bare mirror a repository, shared by all tasks of a machine: found, fetched, and rebuilt when it is damaged.

Layout under the cache: `<key>.git` the mirror, `<key>.lock` its lock (shared while a checkout reads, alone while a
fetch writes), `.new-*` a clone under way and `.old-*` a damaged one, both swept by the next that holds the lock alone.
A mirror gets its name only when its clone is complete.
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from clearml_agent.errors import CheckoutFailed
from clearml_agent.files import remove_tree
from clearml_agent.locks import LockTimeout, file_lock
from clearml_agent.vcs.addresses import Address, without_secrets
from clearml_agent.vcs.git import Failure, Git, GitError, explain
from clearml_agent.vcs.settings import GitSettings

REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
REQUESTS = ("refs/pull/*/head", "refs/merge-requests/*/head", "refs/pull-requests/*/from")
"""Where hosts (GitHub, Gitea; GitLab; Bitbucket) keep the commits of proposed changes, which no branch need reach."""
REQUEST = re.compile(r"(?:refs/)?((?:pull|merge-requests|pull-requests)/\d+/(?:head|merge|from))")
LOCAL = re.compile(r"^(?:refs/heads/|(?:refs/)?(?:remotes/)?origin/)")
"""How a branch is called in a clone, in front of its name."""
MOST_PACKS = 40


class Wish(msgspec.Struct, frozen=True):
    """Which state of a repository a task wants: commit, else tag, else head of the branch, else the default branch."""

    commit: str = ""
    tag: str = ""
    branch: str = ""

    @property
    def is_fixed(self) -> bool:
        """Whether it names one state for ever, so that a mirror that has it need not ask the host."""
        return bool(self.commit)

    @property
    def revision(self) -> str:
        if self.commit:
            return self.commit
        if self.tag:
            return f"refs/tags/{self.tag}"
        if request := self.request:
            return f"refs/clearml/{request}"
        name = LOCAL.sub("", self.branch)
        return f"refs/heads/{name}" if name and name != "HEAD" else "HEAD"

    @property
    def request(self) -> str:
        """`pull/12/head` of a wish for the state of a proposed change, else ""."""
        match = REQUEST.fullmatch(self.branch)
        return match[1] if match else ""

    def __str__(self) -> str:
        if self.commit:
            return f"commit {self.commit}"
        if self.tag:
            return f"tag {self.tag}"
        return f"branch {self.branch}" if self.branch else "the default branch"


class Mirror:
    """The mirror of one repository; use it through `reading`."""

    def __init__(
        self, address: Address, cache: Path, git: Git, settings: GitSettings, *, is_submodule: bool = False
    ) -> None:
        self.address, self.git, self.settings = address, git, settings
        self.path = cache / f"{address.key}.git"
        self.lock = cache / f"{address.key}.lock"
        self._is_submodule = is_submodule

    @contextlib.asynccontextmanager
    async def reading(self, wish: Wish, *, distrust: bool = False) -> AsyncIterator[str]:
        """Make sure that `wish` is in the mirror, and keep the mirror as it is for the time of the block.

        distrust: a checkout from it failed; look it over, and rebuild it if it is damaged.

        Gives the full commit id. Raises CheckoutFailed when there is no such repository, access or commit.
        """
        try:
            if wish.is_fixed and not distrust:
                async with self._locked(shared=True):
                    if found := await self._resolve(wish):
                        yield found
                        return
            if not self.settings.is_offline:
                async with self._locked(shared=False):
                    await self._refresh(wish, distrust=distrust)
            async with self._locked(shared=True):
                if found := await self._resolve(wish):
                    yield found
                    return
        except LockTimeout as error:
            raise CheckoutFailed(
                f"cannot use the copy of {self.address.url}: {error}. Look for a hanging git"
            ) from None
        raise self._not_found(wish)

    def _locked(self, *, shared: bool) -> contextlib.AbstractAsyncContextManager[None]:
        return file_lock(self.lock, timeout_s=self.settings.lock_s, shared=shared, log=self.git.log)

    async def _resolve(self, wish: Wish) -> str | None:
        """The commit id of `wish`, None when the mirror does not have it or cannot be read."""
        if not self.path.is_dir():
            return None
        try:
            answer = await self.git("rev-parse", "--verify", "--quiet", f"{wish.revision}^{{commit}}", cwd=self.path)
        except GitError:
            return None
        return answer.decode().strip() or None

    async def _refresh(self, wish: Wish, *, distrust: bool) -> None:
        """Bring `wish` into the mirror if the host has it; the lock is held alone."""
        self._sweep()
        if distrust and not await self._is_sound():
            self._discard("it is damaged")
        if not self.path.is_dir():
            await self._clone()
            await self._fetch_request(wish)
        elif not (wish.is_fixed and await self._resolve(wish)):
            await self._fetch_or_clone(wish)
        if wish.is_fixed and not await self._resolve(wish):
            await self._fetch_commit(wish.commit)
            if not await self._resolve(wish) and not await self._is_sound():
                self._discard("it is damaged")
                await self._clone()

    async def _fetch_or_clone(self, wish: Wish) -> None:
        try:
            await self._fetch(*REFSPECS, "--prune")
            await self._fetch_request(wish)
            if wish.revision == "HEAD":
                await self._follow_default()
        except GitError as error:
            failure = error
        else:
            return
        if failure.kind is Failure.DISK:
            raise explain(failure, self.address.url)
        if failure.kind is not Failure.OTHER and not self.settings.clone_on_fetch_failure and self._is_repository():
            raise explain(failure, self.address.url)
        self.git.log(without_secrets(failure.text))
        self._discard("a fetch failed")
        await self._clone()

    async def _fetch(self, *arguments: str) -> None:
        self.git.log(f"Fetching {self.address.url}")
        await self.git(
            *("-c", "fetch.unpackLimit=1", "fetch", self._loudness, "--force", "--no-auto-gc", "--no-write-fetch-head"),
            *self.settings.fetch_args,
            "origin",
            *arguments,
            cwd=self.path,
            timeout_s=self.settings.transfer_s,
            quiet=False,
        )
        await self._tidy()

    async def _fetch_commit(self, commit: str) -> None:
        """Ask for a commit that no branch or tag reaches: by its id, else as part of some proposed change."""
        if len(commit) in (40, 64):
            with contextlib.suppress(GitError):  # the host does not have it, or does not give it
                await self._fetch(f"+{commit}:refs/clearml/{commit}")
                return
        with contextlib.suppress(GitError):  # then it is not found
            await self._fetch(*(f"+{ref}:{ref.replace('refs/', 'refs/clearml/', 1)}" for ref in REQUESTS))

    async def _fetch_request(self, wish: Wish) -> None:
        """Bring the state of a proposed change, where that is the wish."""
        if wish.request and not wish.commit and not wish.tag:
            with contextlib.suppress(GitError):  # there is none: it is not found
                await self._fetch(f"+refs/{wish.request}:refs/clearml/{wish.request}")

    async def _follow_default(self) -> None:
        """Point HEAD where the host's points now."""
        listed = await self.git(
            "ls-remote", "--symref", "origin", "HEAD", cwd=self.path, timeout_s=self.settings.transfer_s
        )
        first = listed.decode().partition("\t")[0]
        if first.startswith("ref: refs/heads/"):
            await self.git("symbolic-ref", "HEAD", first.removeprefix("ref: "), cwd=self.path)

    async def _clone(self) -> None:
        self.git.log(f"Cloning {self.address.url}")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self._beside("new")
        git = self.git
        if self._is_submodule:  # what git itself does: no local paths from a file that anybody may have written
            git = Git({**git.environment, "GIT_PROTOCOL_FROM_USER": "0"}, git.log)
        try:
            await git(
                *("clone", "--bare", self._loudness, "--", self.address.url, str(new)),
                cwd=self.path.parent,
                timeout_s=self.settings.transfer_s,
                quiet=False,
            )
            for refspec in REFSPECS:
                await git("config", "--add", "remote.origin.fetch", refspec, cwd=new)
            await git("pack-refs", "--all", cwd=new)
        except BaseException as error:
            remove_tree(new)
            if isinstance(error, GitError):
                raise explain(error, self.address.url) from None
            raise
        os.rename(new, self.path)
        _sync_directory(self.path.parent)

    async def _tidy(self) -> None:
        """Put the references into one file (checkouts copy it) and, now and then, the packs into one.

        Nothing is ever dropped: a running task's repository may borrow objects that no reference reaches any more.
        """
        await self.git("pack-refs", "--all", cwd=self.path)
        if sum(1 for _ in (self.path / "objects" / "pack").glob("*.pack")) > MOST_PACKS:
            await self.git("repack", "-a", "-d", "-k", "--quiet", cwd=self.path, timeout_s=self.settings.transfer_s)

    @property
    def _loudness(self) -> str:
        return "--progress" if self.settings.is_verbose else "--quiet"

    def _is_repository(self) -> bool:
        return all((self.path / name).exists() for name in ("HEAD", "config", "objects", "refs"))

    async def _is_sound(self) -> bool:
        """Whether every object that the references need is there and can be read."""
        try:
            await self.git(
                *("fsck", "--full", "--no-dangling", "--no-progress", "--no-reflogs"),
                cwd=self.path,
                timeout_s=self.settings.transfer_s,
            )
        except GitError as error:
            self.git.log(f"the copy of {self.address.url} is damaged: {error.text[-500:]}")
            return False
        return self._is_repository()

    def _discard(self, why: str) -> None:
        self.git.log(f"making a new copy of {self.address.url}: {why}")
        if self.path.is_dir():
            old = self._beside("old")
            os.rename(self.path, old)
            remove_tree(old)

    def _sweep(self) -> None:
        """Remove what a killed process left: unfinished clones, and the locks of a git that no longer runs."""
        for kind in ("new", "old"):
            for left in self.path.parent.glob(f".{kind}-{self.address.key}-*"):
                remove_tree(left)
        if self.path.is_dir():
            left_behind = [*self.path.glob("*.lock"), *self.path.glob("refs/**/*.lock")]
            left_behind += [*self.path.glob("objects/pack/tmp_*"), *self.path.glob("objects/**/tmp_obj_*")]
            for file in left_behind:
                file.unlink(missing_ok=True)

    def _beside(self, kind: str) -> Path:
        return self.path.parent / f".{kind}-{self.address.key}-{uuid.uuid4().hex[:8]}"

    def _not_found(self, wish: Wish) -> CheckoutFailed:
        if self.settings.is_offline:
            advice = "The agent runs in standalone mode and asks no host: start it once without, or fill the mirror"
        elif wish.commit:
            advice = (
                "Was it pushed? Run `git push` in the repository where the task was recorded, then enqueue it again"
            )
        else:
            advice = "Correct the task's branch or tag (Execution > Source code), or push it"
        return CheckoutFailed(f"{wish} was not found in the repository {self.address.url}. {advice}")


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
