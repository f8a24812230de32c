"""Notebooks as scripts, and Task.init put into scripts that lack it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from clearml_agent.environments.entry_script import cell_code, convert_notebook, notebook_code, with_task_init


@pytest.mark.parametrize(
    ("cell", "code", "needs_shell"),
    [
        ("x = 5 % 3\nprint(x)", "x = 5 % 3\nprint(x)", False),
        ("%matplotlib inline", "get_ipython().run_line_magic('matplotlib', 'inline')", True),
        ("!pip install 'x>1'", "get_ipython().system(\"pip install 'x>1'\")", True),
        ("a = !ls -l", "a = get_ipython().getoutput('ls -l')", True),
        ("t = %timeit -o f()", "t = get_ipython().run_line_magic('timeit', '-o f()')", True),
        ("%%bash\necho 1\n", "get_ipython().run_cell_magic('bash', '', 'echo 1\\n')", True),
        ("print?", "# print?", False),
        ("for i in x:\n    !echo {i}", "for i in x:\n    get_ipython().system('echo {i}')", True),
        ("display(x)", "display(x)", True),
    ],
)
def test_cells(cell: str, code: str, needs_shell: bool) -> None:
    assert cell_code(cell) == (code, needs_shell)
    ast.parse(code)


def test_notebook_is_one_script_of_its_code_cells() -> None:
    cells = [
        {"cell_type": "markdown", "source": "# not code"},
        {"cell_type": "code", "source": ["a = 1\n", "b = a\n"]},
        {"cell_type": "code", "source": "print(b)"},
    ]
    code, needs_shell = notebook_code(cells)
    assert code == "# In[1]:\na = 1\nb = a\n\n\n# In[2]:\nprint(b)\n\n" and not needs_shell


def test_converted_file_stands_beside_and_overwrites_nothing(tmp_path: Path) -> None:
    notebook = tmp_path / "work.ipynb"
    notebook.write_text(json.dumps({"cells": [{"cell_type": "code", "source": "x = 1"}]}))
    (tmp_path / "work.py").write_text("other")
    converted = convert_notebook(notebook)
    assert converted is not None and converted[0] == tmp_path / "work_notebook.py"
    assert (tmp_path / "work.py").read_text() == "other"
    notebook.write_text("print('a script under a notebook name')\n")
    assert convert_notebook(notebook) is None


@pytest.mark.parametrize(
    "text",
    [
        "from clearml import Task\nTask.init('a', 'b')\n",
        "import clearml\ntask = clearml.Task.init()\n",
        "def main():\n    ClearmlTask.init()\n",
        "this is no python\n",
    ],
)
def test_scripts_that_have_it_are_left_alone(text: str) -> None:
    assert with_task_init(text) == text


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("print(1)\n", 0),
        ("#!/usr/bin/python\n# -*- coding: utf-8 -*-\nprint(1)\n", 2),
        ('"""Doc\nstring."""\nfrom __future__ import annotations\nx = 1', 3),
        ("from __future__ import annotations", 1),
        ("", 0),
    ],
)
def test_it_is_put_where_python_allows_it(text: str, before: int) -> None:
    patched = with_task_init(text)
    ast.parse(patched)
    compile(patched, "x", "exec")
    assert patched.splitlines()[before].startswith("from clearml import Task")
