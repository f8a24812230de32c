"""From a task's script section to a directory that holds its code, ready to be run."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from clearml_agent.errors import CheckoutFailed
from clearml_agent.files import remove_tree
from clearml_agent.process import Log
from clearml_agent.vcs import git as gits
from clearml_agent.vcs import working_copy
from clearml_agent.vcs.addresses import Address, read_address, relative_to
from clearml_agent.vcs.entry_point import EntryPoint, inside, overridden, read_entry_point, words
from clearml_agent.vcs.git import Failure, Git, GitError
from clearml_agent.vcs.mirror import Mirror, Wish
from clearml_agent.vcs.patches import fit_line_ends, is_diff, make_missing, read_patch
from clearml_agent.vcs.settings import GitSettings

DEEPEST_SUBMODULE = 10


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """A task's code on this machine.

    root: the repository's root, or the directory of the literal script.
    working_dir: where the task is run; root or under it.
    entry_point_argv: the words after the interpreter: `["train.py", "--lr", "1"]`, `["-m", "package.module"]`.
    shell: the shell that runs them; None for the environment's Python.
    repository: its address without user and password, "" when the task has none.
    commit: the full id that was checked out, "" without a repository; branch, tag: as recorded.
    stages: seconds for "fetch" (0.0-ish when the mirror had it), "files", "submodules", "patch".
    """

    root: Path
    working_dir: Path
    entry_point_argv: list[str]
    shell: str | None = None
    repository: str = ""
    commit: str = ""
    branch: str = ""
    tag: str = ""
    stages: dict[str, float] = {}


async def checkout(
    script: Mapping[str, object],
    directory: Path,
    *,
    cache: Path,
    settings: GitSettings | None = None,
    environ: Mapping[str, str] | None = None,
    log: Log,
) -> Checkout:
    """Put the code of a task under `directory` (emptied first) and say what to run there.

    Args:
        script: the task's script section as the API answers it (repository, branch, tag, version_num, entry_point,
            working_dir, binary, diff).
        cache: directory of the mirrors, shared by every agent of this user.
        settings: what git may answer, and how addresses are rewritten.
        environ: the environment of git and of `$NAME` in the entry point; the agent's own when None.
        log: receives lines for the task's console, without secrets.

    Raises CheckoutFailed with a message that says what to do. Never prompts. Cancelling it kills git.
    """
    settings = settings or GitSettings()
    environ = os.environ if environ is None else environ
    script = overridden(script, environ)
    entry = read_entry_point(script)
    diff, repository = str(script.get("diff") or ""), str(script.get("repository") or "").strip()
    literal = diff if diff.strip() and not is_diff(diff) else ""
    patch = "" if literal else diff
    if not repository and not literal and not entry.text:
        raise CheckoutFailed(
            "the task has neither a repository, nor a script, nor an entry point: record it with Task.init or "
            "Task.create, or set its source code in the web page",
            reason="no script",
        )
    remove_tree(directory)
    if not settings.is_cached:  # beside the code, which borrows its objects: it goes when the run goes
        cache = directory.with_name(f"{directory.name}.mirrors")
        remove_tree(cache)
    work = _Work(settings, cache, environ, log)
    if repository:
        address = read_address(repository, settings)
        root = directory / address.name
        wish = Wish(*(str(script.get(name) or "").strip() for name in ("version_num", "tag", "branch")))
        commit = await work.repository(address, wish, root, patch)
    elif own := environ.get("CLEARML_AGENT_FORCE_CODE_DIR"):
        address, commit, root = Address(""), "", Path(own).expanduser().absolute()
        log(f"the code in {root} is run as it is (CLEARML_AGENT_FORCE_CODE_DIR)")
    else:
        address, commit, root = Address(""), "", directory / "code"
        root.mkdir(parents=True)
        if patch:
            log("the task has recorded changes but no repository to apply them to: they are left out")
    if literal:
        _write_script(root, entry, literal)
    working_dir = _working_dir(root, entry)
    argv = words(entry, working_dir, environ)
    if repository or literal:
        _check_entry_point(entry, argv, root, working_dir)
    return Checkout(
        root=root,
        working_dir=working_dir,
        entry_point_argv=argv,
        shell=entry.shell,
        repository=address.url,
        commit=commit,
        branch=str(script.get("branch") or ""),
        tag=str(script.get("tag") or ""),
        stages=work.stages,
    )


class _Work:
    """One checkout: its settings, and the time that each stage took."""

    def __init__(self, settings: GitSettings, cache: Path, environ: Mapping[str, str], log: Log) -> None:
        self.settings, self.cache, self.environ, self.log = settings, cache, environ, log
        self.stages: dict[str, float] = {}

    async def repository(self, address: Address, wish: Wish, root: Path, diff: str) -> str:
        """The repository at `root`, with its submodules and the recorded changes; answers the commit."""
        patch = read_patch(diff)
        async with gits.opened(address, self.environ, self.log) as git:
            commit = await self._files(Mirror(address, self.cache, git, self.settings), wish, root)
            start = time.perf_counter()
            await self._submodules(git, address, root, patch.submodules, depth=1)
            self._took("submodules", start)
            start = time.perf_counter()
            for name in patch.left_out:
                self.log(f"WARNING: the recorded changes of the binary file {name} have no content: left as committed")
            if patch.text:
                await self._apply(git, root, patch.text)
            self._took("patch", start)
        return commit

    async def _files(self, mirror: Mirror, wish: Wish, root: Path) -> str:
        """Files of `wish` from the mirror; a mirror that cannot give them is looked over and rebuilt, once."""
        for attempt in (1, 2):
            start = time.perf_counter()
            async with mirror.reading(wish, distrust=attempt == 2) as commit:
                self._took("fetch", start)
                start = time.perf_counter()
                try:
                    await working_copy.write_files(mirror.git, mirror.path, commit, mirror.address.url, root)
                except GitError as error:
                    remove_tree(root)
                    if error.kind is Failure.DISK or attempt == 2:
                        raise _cannot_write(error, mirror.address.url, commit) from None
                    self.log(error.text)
                    continue
                finally:
                    self._took("files", start)
                self.log(
                    f"Checked out {wish} of {mirror.address.url}" + ("" if wish.commit == commit else f": {commit}")
                )
                return commit
        raise AssertionError("not reached: the second attempt returns or raises")

    async def _submodules(self, git: Git, parent: Address, root: Path, moved: Mapping[str, str], *, depth: int) -> None:
        """Check out the submodules of `root`; one that cannot be had is left empty, with a warning, as git does."""
        for path, (url, recorded) in (await working_copy.submodules(git, root)).items():
            place = inside(root, path)
            if place is None or place == root or depth > DEEPEST_SUBMODULE:
                self.log(
                    f"WARNING: submodule {path} is left out: it leads out of the repository or is nested too deeply"
                )
                continue
            address = read_address(relative_to(url, parent.url), self.settings)
            if address.credential is None and _same_host(address, parent):
                address = Address(address.url, parent.credential)
            remove_tree(place)
            try:
                async with gits.opened(address, self.environ, self.log) as own:
                    mirror = Mirror(address, self.cache, own, self.settings, is_submodule=True)
                    await self._files(mirror, Wish(commit=moved.get(path, recorded)), place)
                    await self._submodules(own, address, place, {}, depth=depth + 1)
            except CheckoutFailed as error:
                place.mkdir(parents=True, exist_ok=True)
                self.log(f"WARNING: submodule {path} is left empty: {error.message}")

    async def _apply(self, git: Git, root: Path, patch: str) -> None:
        self.log("Applying the uncommitted changes")

        async def apply(text: str) -> None:
            words = ("apply", "--unidiff-zero", "--whitespace=nowarn", "-")
            await git(*words, cwd=root, stdin=text.encode("utf-8", "surrogateescape"))

        def content(name: str) -> bytes | None:
            path = inside(root, name)
            return path.read_bytes() if path is not None and path.is_file() else None

        try:
            try:
                await apply(patch)
            except GitError:
                whole = make_missing(patch, content)
                fitting = fit_line_ends(whole, content)
                if fitting == patch:
                    raise
                await apply(fitting)
                if fitting != whole:
                    self.log("The recorded changes had lost the carriage returns of the files: put back")
        except GitError as error:
            raise CheckoutFailed(
                "the recorded uncommitted changes do not fit the checked-out commit. Set the task's commit to the one "
                "it was recorded at, or clear its uncommitted changes (Execution > Uncommitted changes), or record it "
                f"again after a commit.\n{error.text}",
                reason="failed applying uncommitted changes",
            ) from None

    def _took(self, stage: str, start: float) -> None:
        self.stages[stage] = round(self.stages.get(stage, 0.0) + time.perf_counter() - start, 6)


def _same_host(one: Address, other: Address) -> bool:
    return one.is_http and other.is_http and one.url.split("/")[2] == other.url.split("/")[2]


def _cannot_write(error: GitError, url: str, commit: str) -> CheckoutFailed:
    advice = (
        "this machine's disk is full or cannot be written: make room and enqueue the task again"
        if error.kind is Failure.DISK
        else "git's output is below"
    )
    return CheckoutFailed(f"cannot write the files of commit {commit} of {url}: {advice}.\n{error.text}")


def _write_script(root: Path, entry: EntryPoint, text: str) -> None:
    """Write the literal script under the entry point's name, which may not lead out of the root."""
    folder = inside(root, entry.working_dir) or root
    path = inside(root, f"{folder.relative_to(root)}/{entry.script}")
    if path is None or path == root or entry.script.startswith("/"):
        raise CheckoutFailed(
            f"the recorded script cannot be written under the name {entry.script!r}. Set the task's script path to a "
            "plain file name such as `train.py`",
            reason="no such entry point",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.shell:
            text = text.replace("\r\n", "\n")  # as a web form has it: no shell reads that
        path.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise CheckoutFailed(
            f"cannot write the script {entry.script}: {error}. Correct the task's entry point"
        ) from None


def _working_dir(root: Path, entry: EntryPoint) -> Path:
    place = inside(root, entry.working_dir)
    if place is None or not place.is_dir():
        raise CheckoutFailed(
            f"the working directory {entry.working_dir!r} is not in the checked-out code. Correct the task's working "
            "directory (Execution > Source code), or commit and push that directory",
            reason="no such working directory",
        )
    return place


def _check_entry_point(entry: EntryPoint, argv: list[str], root: Path, working_dir: Path) -> None:
    if not argv or entry.is_module or (working_dir / argv[0]).exists():
        return
    shown = working_dir.relative_to(root)
    raise CheckoutFailed(
        f"the entry point {argv[0]!r} is not in the directory {str(shown)!r} of the checked-out code. Commit and push "
        "it, or correct the task's script path and working directory (Execution > Source code)",
        reason="no such entry point",
    )
