"""The entry point of a checkout as it is really run: notebooks as scripts, Task.init put in where that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from clearml_agent.environments.entry_script import convert_notebook, with_task_init
from clearml_agent.vcs import Checkout


def adapted(code: Checkout, *, forces_init: bool, say: Callable[[str], None]) -> tuple[Checkout, list[str]]:
    """The code ready to be run, and requirement lines that it needs besides. Writes into the task's own checkout."""
    more: list[str] = []
    argv = list(code.entry_point_argv)
    if argv and argv[0].endswith(".ipynb") and not code.shell and (code.working_dir / argv[0]).is_file():
        converted = convert_notebook(code.working_dir / argv[0])
        if converted is not None:
            script, needs_shell = converted
            say(f"The notebook {argv[0]} runs as {script.name}")
            argv[0] = str(Path(argv[0]).with_name(script.name))
            more = ["ipython"] if needs_shell else []
    if forces_init and (file := script_of(code.working_dir, argv)) and not code.shell:
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
        if (patched := with_task_init(text)) != text:
            say(f"Task.init is put into {file.name} (CLEARML_AGENT_FORCE_TASK_INIT)")
            file.write_text(patched, encoding="utf-8", errors="surrogateescape")
    return msgspec.structs.replace(code, entry_point_argv=argv), more


def script_of(folder: Path, argv: list[str]) -> Path | None:
    """The file that Python runs: a script, or a module's."""
    if argv[:1] == ["-m"] and len(argv) > 1:
        base = folder.joinpath(*argv[1].split("."))
        places = [base.with_name(f"{base.name}.py"), base / "__main__.py"]
    else:
        places = [folder / argv[0]] if argv else []
    return next((place for place in places if place.is_file()), None)
