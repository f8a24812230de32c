"""A call of `Task.init` added to code that does not know the SDK: to the script itself, or as a patch of it."""

from __future__ import annotations

import ast
import difflib
import os

from clearml_sdk.script.packages import names_sdk
from clearml_sdk.script.repository import GitFailed, changes_of, diff_of_new_file, git

INIT_CALL = 'from clearml import Task\n\nif __name__ == "__main__":\n    Task.init()\n'
SDK_LINE = "clearml\n"
REQUIREMENTS = "requirements.txt"
OTHER_REQUIREMENTS = ("uv.lock", "pylock.toml", "poetry.lock", "environment.yml", "environment.yaml")
"""Beside one of these a new requirements.txt would have the agent install other packages."""
NO_NEWLINE = "\\ No newline at end of file\n"


def calls_init(text: str) -> bool:
    """Whether the code calls it already."""
    return "Task.init(" in text


def insert_init_call(text: str) -> str:
    """The script with a call of `Task.init` where its own code begins: after docstring and `__future__` imports."""
    try:
        body = ast.parse(text).body
    except SyntaxError:
        return INIT_CALL + text
    line = 0
    for node in body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_docstring or (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            line = node.end_lineno or line
        else:
            break
    lines = text.splitlines(keepends=True)
    if line and not lines[line - 1].endswith("\n"):
        lines[line - 1] += "\n"
    return "".join([*lines[:line], INIT_CALL, *lines[line:]])


def patch_unseen(path: str, added: str = INIT_CALL) -> str:
    """A patch that puts the call before the first line of a script, by its path in a repository that is not here."""
    lines = added.splitlines(keepends=True)
    head = f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -0,0 +1,{len(lines)} @@\n"
    return head + "".join(f"+{line}" for line in lines)


def patch_requirements(root: str | None) -> str:
    """A patch by which the requirements.txt of a repository names the SDK, which the call needs; "" where it does.

    root: of the working copy; None for one that is not here, which may have the file or not: agents make it then.
    """
    if root is None:
        return patch_unseen(REQUIREMENTS, SDK_LINE)
    try:
        with open(os.path.join(root, REQUIREMENTS), encoding="utf-8", errors="replace") as file:
            return "" if names_sdk(file.read().splitlines()) else patch_unseen(REQUIREMENTS, SDK_LINE)
    except FileNotFoundError:
        others = any(os.path.isfile(os.path.join(root, name)) for name in OTHER_REQUIREMENTS)
        return "" if others else _patch(REQUIREMENTS, None, SDK_LINE)


def patch_working_copy(diff: str, root: str, path: str) -> str:
    """The uncommitted changes `diff` of a working copy, with the call in the script `path` (relative) as well.

    As it is where the script calls it already, or is no text. Runs git. Raises GitFailed.
    """
    try:
        with open(os.path.join(root, path), encoding="utf-8", newline="") as file:
            now = file.read()
    except UnicodeDecodeError:
        return diff
    if calls_init(now) or not path.endswith(".py"):
        return diff
    name = path.replace(os.sep, "/")
    try:
        before = git(root, "show", f"HEAD:{name}")
    except GitFailed:  # git does not know it: the whole file is in the changes
        patch = _patch(name, None, insert_init_call(now))
        return diff.replace(diff_of_new_file(root, name), "") + patch
    known = changes_of(root, name)
    return (diff.replace(known, "") if known else diff) + _patch(name, before, insert_init_call(now))


def _patch(path: str, before: str | None, after: str) -> str:
    old, new = (before or "").splitlines(keepends=True), after.splitlines(keepends=True)
    source = f"a/{path}" if before is not None else "/dev/null"
    made = "" if before is not None else "new file mode 100644\n"
    lines = list(difflib.unified_diff(old, new, source, f"b/{path}", n=3))
    body = "".join(line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}" for line in lines)
    return f"diff --git a/{path} b/{path}\n{made}{body}"
