"""What is done to a task's entry point before it runs: a notebook becomes a script, a missing Task.init is put in."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SHELL_PRELUDE = (
    "import sys as _sys\n"
    "from IPython.core.interactiveshell import InteractiveShell as _Shell\n"
    "_shell = _Shell.instance(user_ns=globals(), user_module=_sys.modules[__name__])\n"
    "get_ipython = lambda: _shell\n"
    "from IPython.display import display\n"
)
INIT = "from clearml import Task as _Task; _Task.init()  # added by the agent (CLEARML_AGENT_FORCE_TASK_INIT)\n"
_ASSIGNED = re.compile(r"^(\s*)([\w., ]+?)\s*=\s*([%!])(.+)$")
_MAGIC = re.compile(r"^(\s*)%(?!%)(\w+)\s*(.*)$")
_SHELL = re.compile(r"^(\s*)!(?!=)(.+)$")
_HELP = re.compile(r"^\s*\??[\w.]+\?{1,2}\s*$|^\s*\?{1,2}[\w.]+\s*$")


def convert_notebook(path: Path) -> tuple[Path, bool] | None:
    """Write the code of the notebook at `path` beside it, as a script.

    Answers the script and whether it needs IPython (for magics); None when the file is no notebook, but a script that
    was recorded under a notebook's name.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8-sig"))
        cells = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    text, needs_shell = notebook_code(cells)
    script = path.with_suffix(".py")
    while script.exists():
        script = script.with_name(f"{script.stem}_notebook.py")
    script.write_text(text, encoding="utf-8")
    return script, needs_shell


def notebook_code(cells: Sequence[Any]) -> tuple[str, bool]:
    """The code cells as one script, and whether it uses what only IPython has. Pure."""
    parts: list[str] = []
    needs_shell = False
    for number, cell in enumerate((cell for cell in cells if cell.get("cell_type") == "code"), 1):
        source = cell.get("source", cell.get("input", ""))
        text = source if isinstance(source, str) else "".join(source)
        code, uses_shell = cell_code(text)
        needs_shell = needs_shell or uses_shell
        parts.append(f"# In[{number}]:\n{code.rstrip()}\n")
    body = "\n\n".join(parts) + "\n"
    return (SHELL_PRELUDE + body if needs_shell else body), needs_shell


def cell_code(text: str) -> tuple[str, bool]:
    """One cell as Python, and whether it uses what only IPython has. Pure."""
    if text.lstrip().startswith("%%"):
        first, _, rest = text.lstrip().partition("\n")
        name, _, line = first[2:].partition(" ")
        return f"get_ipython().run_cell_magic({name!r}, {line.strip()!r}, {rest!r})", True
    try:
        tree = ast.parse(text)
    except SyntaxError:
        found = [_python_line(line) for line in text.split("\n")]
        return "\n".join(line for line, _ in found), any(changed for _, changed in found)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return text, bool(names & {"get_ipython", "display"})


def _python_line(line: str) -> tuple[str, bool]:
    if match := _ASSIGNED.match(line):
        indent, target, sign, rest = match.groups()
        if sign == "!":
            return f"{indent}{target} = get_ipython().getoutput({rest.strip()!r})", True
        name, _, words = rest.strip().partition(" ")
        return f"{indent}{target} = get_ipython().run_line_magic({name!r}, {words!r})", True
    if match := _MAGIC.match(line):
        return f"{match[1]}get_ipython().run_line_magic({match[2]!r}, {match[3]!r})", True
    if match := _SHELL.match(line):
        return f"{match[1]}get_ipython().system({match[2].strip()!r})", True
    if _HELP.match(line):
        return f"# {line.strip()}", False
    return line, False


def with_task_init(text: str) -> str:
    """A script that calls Task.init first, unless it does so by itself somewhere. Pure."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text  # it will say so itself
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    if any(isinstance(func, ast.Attribute) and func.attr == "init" and _is_task(func.value) for func in calls):
        return text
    after = 0
    for index, node in enumerate(tree.body):
        is_docstring = index == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not is_docstring and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            break
        after = node.end_lineno or after
    lines = text.splitlines(keepends=True)
    if after == 0:
        while after < len(lines) and lines[after].startswith("#"):
            after += 1  # the first line may name the interpreter, the second the encoding
    if after and not lines[after - 1].endswith("\n"):
        lines[after - 1] += "\n"
    return "".join([*lines[:after], INIT, *lines[after:]])


def _is_task(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id.endswith("Task")) or (
        isinstance(node, ast.Attribute) and node.attr == "Task"
    )
