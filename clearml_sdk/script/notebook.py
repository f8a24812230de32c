"""Notebooks: the cells that were run, in their order, are the script of the task."""

from __future__ import annotations

import os
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_OF_IPYTHON = re.compile(r"^([ \t]*)(.*\bget_ipython\(\)\..*)$", re.MULTILINE)


class Cells:
    """The cells of a notebook's kernel.

    shell: IPython's, whose history has the cells, the running one included.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._told: Callable[[Any], None] | None = None

    @property
    def name(self) -> str:
        """What the notebook is called, as far as Jupyter or VS Code tell the kernel; else `notebook`."""
        path = self._shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or ""
        return os.path.splitext(os.path.basename(str(path)))[0] or "notebook"

    def code(self) -> str:
        """The cells as one program; what only IPython can run, magics and shell commands, is a comment in it."""
        cells = list(self._shell.history_manager.input_hist_parsed)[1:]
        texts = (_OF_IPYTHON.sub(r"\1pass  # \2", cell).strip("\n") for cell in cells)
        return "".join(f"{text}\n\n" for text in texts if text.strip())

    def follow(self, changed: Callable[[], None]) -> None:
        """Call `changed` after each cell that ends."""
        self._told = lambda _result: changed()
        self._shell.events.register("post_run_cell", self._told)

    def leave(self) -> None:
        """Call it no more."""
        if self._told is not None:
            self._shell.events.unregister("post_run_cell", self._told)
            self._told = None


def cells() -> Cells | None:
    """The notebook that this process is the kernel of; None in any other program, IPython in a terminal included."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None and hasattr(module, "get_ipython") else None
    return Cells(shell) if getattr(shell, "kernel", None) is not None else None
