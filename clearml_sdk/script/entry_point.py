"""Which program this process runs, as one would have to start it again."""

from __future__ import annotations

import os
import sys

from clearml_sdk.script import notebook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


class EntryPoint:
    """The program of this process.

    path: absolute path of its file, or None (an interactive session, `python -c`).
    module: name of the module when it was started by `python -m`, else None.
    directory: working directory when the task was initialised.
    cells: of the notebook that is run in place of a file.
    """

    def __init__(
        self, path: str | None, module: str | None, directory: str, cells: notebook.Cells | None = None
    ) -> None:
        self.path, self.module, self.directory, self.cells = path, module, directory, cells

    @property
    def name(self) -> str:
        """What to call a task of this program when nobody gave a name."""
        if self.cells is not None:
            return self.cells.name
        if self.module:
            return self.module
        return os.path.splitext(os.path.basename(self.path))[0] if self.path else "interactive"


def find_entry_point(main: ModuleType | None = None, argv: list[str] | None = None) -> EntryPoint:
    """The entry point of this process; `main` and `argv` default to `__main__` and `sys.argv`."""
    cells = notebook.cells() if main is None else None
    main = main or sys.modules.get("__main__")
    argv = sys.argv if argv is None else argv
    try:
        directory = os.getcwd()
    except OSError:
        directory = os.path.expanduser("~")  # the working directory was deleted under us
    if cells is not None:
        return EntryPoint(None, None, directory, cells)  # the kernel's own file says nothing
    spec = getattr(main, "__spec__", None)
    # Started by `python -m`: a console script has no spec, a debugger or a launcher (runpy) may give __main__ one.
    module = spec.name.removesuffix(".__main__") if spec is not None and getattr(spec, "name", None) else None
    file = getattr(main, "__file__", None)
    if not file and argv and argv[0] not in ("", "-c", "-m") and os.path.isfile(argv[0]):
        file = argv[0]
    path = os.path.abspath(os.path.join(directory, file)) if file else None
    if path and not os.path.isfile(path):
        path = None
    return EntryPoint(path, module if module != "__main__" else None, directory)
