"""A function as a program of its own: what a step that is a function runs on another machine.

The program uses the public API alone, so that it runs with any SDK. It reads the function's arguments from the sections
`kwargs` and `kwargs_artifacts` of its task, and leaves what the function returns in the section `return` (numbers and
short texts) or in artifacts.
"""

from __future__ import annotations

import ast
import inspect
import os
import sys
import tempfile
import textwrap

from clearml_sdk.errors import UsageError
from clearml_sdk.script.capture import binary_name
from clearml_sdk.script.packages import listed_requirements, read_requirements, record_requirements, with_sdk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

ARGUMENTS, ARTIFACTS, RETURNED = "kwargs", "kwargs_artifacts", "return"
"""Sections of a function step's parameters."""

LONGEST_TEXT = 4096
"""A returned text that is longer is an artifact."""

SIMPLE = (bool, int, float, str, type(None))
"""Types whose values are kept as parameters."""

_PROGRAM = """

if __name__ == "__main__":
    _task = Task.init(auto_connect_arg_parser={arg_parser!r}, auto_connect_frameworks={frameworks!r})
    _known = _task.get_parameters(cast=True) or {{}}
    _arguments = {{key.partition("/")[2]: value for key, value in _known.items() if key.startswith("{arguments}/")}}
    for _key, _place in _known.items():
        if not _key.startswith("{artifacts}/") or not _place:
            continue
        _owner, _, _name = str(_place).partition(".")
        _owner = Task.get_task(task_id=_owner)
        _found = _owner.artifacts.get(_name)
        if _found is None:
            _value = (_owner.get_parameters(cast=True) or {{}}).get("{returned}/" + _name)
        else:
            _value = _found.get({read})
        _arguments[_key.partition("/")[2]] = _value
    _result = {function}(**_arguments)
    _names = {names!r}
    if len(_names) == 1:
        _result = (_result,)
    elif _names and len(_result) != len(_names):
        raise ValueError("{function} returned {{}} values, not {{}}".format(len(_result), ", ".join(_names)))
    for _name, _value in zip(_names, _result or ()):
        if _value is None or (isinstance(_value, (bool, int, float, str)) and len(str(_value)) <= {longest}):
            _task.set_parameter("{returned}/" + _name, _value)
        else:
            _task.upload_artifact(_name, _value, auto_pickle=True, wait_on_upload=True{write})
    _task.flush(wait_for_uploads=True)
"""

_SAFE_IMPORT = """try:
{statement}
except Exception as _error:
    print("not imported here: " + str(_error))
"""


def program(
    function: Callable[..., Any],
    *,
    returns: Sequence[str],
    helpers: Iterable[Callable[..., Any]] = (),
    global_imports: bool = True,
    frameworks: Any = True,
    arg_parser: Any = True,
    serialize: Callable[[Any], Any] | None = None,
    deserialize: Callable[[bytes], Any] | None = None,
) -> str:
    """The text of the program that calls `function`. Raises UsageError where its source cannot be read."""
    parts = ["from __future__ import annotations\n", "from clearml import Task\n"]
    if global_imports:
        parts += [_SAFE_IMPORT.format(statement=textwrap.indent(line, "    ")) for line in imports_of(function)]
    others = [*helpers, *(one for one in (serialize, deserialize) if one is not None)]
    seen = {function.__name__}
    for helper in others:
        if helper.__name__ not in seen:
            seen.add(helper.__name__)
            parts.append("\n\n" + source_of(helper))
    parts.append("\n\n" + source_of(function))
    parts.append(
        _PROGRAM.format(
            arg_parser=True if arg_parser is None else arg_parser,
            frameworks=True if frameworks is None else frameworks,
            arguments=ARGUMENTS,
            artifacts=ARTIFACTS,
            returned=RETURNED,
            function=function.__name__,
            names=list(returns),
            longest=LONGEST_TEXT,
            read="" if deserialize is None else f"deserialization_function={deserialize.__name__}",
            write="" if serialize is None else f", serialization_function={serialize.__name__}",
        )
    )
    return "".join(parts)


def source_of(function: Callable[..., Any]) -> str:
    """The function's own text, without decorators and at the left margin. Raises UsageError."""
    plain = inspect.unwrap(function)
    try:
        text = textwrap.dedent(inspect.getsource(plain))
    except (OSError, TypeError) as error:
        raise UsageError(f"the source of {function!r} cannot be read: define the step's function in a file") from error
    tree = ast.parse(text).body[0]
    if not isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef):
        raise UsageError(f"a step is a function defined by `def`, not {plain!r}")
    lines = text.splitlines(keepends=True)
    return "".join(lines[tree.lineno - 1 : tree.end_lineno]).rstrip("\n") + "\n"


def imports_of(function: Callable[..., Any]) -> list[str]:
    """The import statements at the top level of the function's file."""
    try:
        path = inspect.getsourcefile(inspect.unwrap(function))
        with open(path or "", encoding="utf-8") as file:
            body = ast.parse(file.read()).body
    except (OSError, TypeError, SyntaxError):
        return []  # a notebook's cell or generated code: its imports are its own
    kept = [
        node
        for node in body
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.module != "__future__")
    ]
    return [ast.unparse(node) for node in kept if not isinstance(node, ast.ImportFrom) or node.level == 0]


def requirements(
    code: str, function: Callable[..., Any], packages: bool | str | Sequence[str] | None
) -> dict[str, str] | None:
    """`script.requirements`: as given (lines, or a file of them), else what the program imports; None for `False`."""
    if packages is False:
        return None
    if isinstance(packages, str):
        if os.path.isfile(packages):
            return read_requirements(packages)
        return with_sdk(listed_requirements([packages]))
    if packages is not None and packages is not True:
        return with_sdk(listed_requirements(list(packages)))
    with tempfile.NamedTemporaryFile("w", suffix=".py", encoding="utf-8", delete=False) as file:
        file.write(code)
    try:
        home = getattr(sys.modules.get(function.__module__), "__file__", None)
        return record_requirements(file.name, os.path.dirname(os.path.abspath(home)) if home else os.getcwd())
    finally:
        os.unlink(file.name)


def script(
    name: str,
    code: str,
    needed: dict[str, str] | None,
    *,
    repo: str | None,
    branch: str | None,
    commit: str | None,
    working_dir: str | None,
) -> dict[str, Any]:
    """The `script` section: the program alone, or as a new file beside a repository's."""
    entry = f"{''.join(char if char.isalnum() or char in '-_' else '_' for char in name)}.py"
    section: dict[str, Any] = {
        "binary": binary_name(),
        "repository": "",
        "branch": "",
        "version_num": "",
        "entry_point": entry,
        "working_dir": ".",
        "diff": code,
    }
    if repo:
        section.update(_in_repository(entry, code, repo, branch, commit, working_dir))
    if needed is not None:
        section["requirements"] = needed
    return section


def _in_repository(
    entry: str, code: str, repo: str, branch: str | None, commit: str | None, working_dir: str | None
) -> dict[str, str]:
    from clearml_sdk.script.repository import read_repository

    folder = working_dir or "."
    path = os.path.normpath(os.path.join(folder, entry)).replace(os.sep, "/")
    found = {"working_dir": folder, "branch": branch or "", "version_num": commit or "", "repository": repo}
    diff = ""
    if os.path.isdir(os.path.expanduser(repo)):
        local = read_repository(os.path.abspath(os.path.expanduser(repo)))
        if local is None:
            raise UsageError(f"{repo} is no git repository")
        found["repository"] = local.url
        if not (branch or commit):
            found.update(branch=local.branch, version_num=local.commit)
            diff = local.diff
    lines = code.splitlines()
    body = "".join(f"+{line}\n" for line in lines)
    new = (
        f"diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{len(lines)} @@\n"
    )
    return {**found, "diff": f"{diff}{new}{body}"}
