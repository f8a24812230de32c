"""Notebooks, run by a real kernel: their cells are the script of the task."""

from __future__ import annotations

import ast
import json

import pytest

from .conftest import INIT, Bench, Recorded
from .environments import INSTALL_S

pytestmark = pytest.mark.timeout(INSTALL_S)

RUN = """
import nbformat, sys
from nbclient import NotebookClient
book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in {cells!r}])
NotebookClient(book, timeout=100, kernel_name="python3").execute()
for cell in book.cells:
    for output in cell.outputs:
        sys.stdout.write(output.get("text", ""))
"""


def run(bench: Bench, *cells: str, **env: str) -> Recorded:
    return bench.record(RUN.format(cells=list(cells)), **env)


def test_the_cells_of_a_notebook_are_recorded_as_they_are_run(notebook_bench: Bench) -> None:
    task = run(
        notebook_bench,
        f"from clearml import Task\ntask = Task.init('bindings', 'cells', {INIT})\n!echo hello",
        "import psutil\n%precision 3\nif True:\n    %time 1 + 1\nprint(psutil.__name__)",
        "seen = task.connect({'a': 1})\ntask.close()",
        "print('after the end')",
        JPY_SESSION_NAME="work/my study.ipynb",
    )
    script = task.document["script"]
    assert script["entry_point"] == "my study.py" and not script["repository"]
    code = script["diff"]
    ast.parse(code)  # without what only IPython can run
    for part in (
        "Task.init('bindings', 'cells'",
        "import psutil",
        "# get_ipython().system('echo hello')",
        "task.close()",
    ):
        assert part in code
    assert "after the end" not in code
    assert "psutil" in script["requirements"]["pip"] and "ipykernel" not in script["requirements"]["pip"]
    assert set(task.document["hyperparams"]) == {"General"}, "arguments of magics are none of the task's"


def test_a_cell_is_recorded_when_it_ends_also_without_an_end_of_the_task(notebook_bench: Bench) -> None:
    look = (
        "task._run.outbox.flush(60)\n"
        "document = task._record.call('tasks.get_by_id')['task']\n"
        "import json; print('SAYS', json.dumps(document['script']['diff']))\n"
    )
    cells = (f"from clearml import Task\ntask = Task.init('bindings', 'live', {INIT})", "first = 1", "second = 2", look)
    ran = notebook_bench.run(RUN.format(cells=list(cells)))
    said = json.loads(next(line.removeprefix("SAYS ") for line in ran.out.splitlines() if line.startswith("SAYS ")))
    assert "first = 1" in said and "second = 2" in said
