"""One program for every command: it acts by the name it was started as, or by its first argument.

`clearml-agent daemon` and `clearml agent daemon` and `python -m clearml_sdk.cli clearml-agent daemon` are the same.
"""

from __future__ import annotations

import os
import sys

from clearml_sdk.commands.table import COMMANDS as FRIENDLY

COMMANDS: dict[str, tuple[str, str, str]] = {
    "clearml-agent": ("clearml_agent.cli", "agent", "run tasks from queues"),
    "clearml-data": ("clearml_sdk.data_cli", "", "datasets: make versions of files, list, copy and verify them"),
    "clearml-init": ("clearml_sdk.setup_wizard", "", "write clearml.conf: the address and the credentials of a server"),
    "clearml-param-search": ("clearml_sdk.param_search", "", "search for the best values of a task's parameters"),
    "clearml-retry": ("clearml_sdk.automation.pipeline.retrying", "", "run a pipeline again from where it failed"),
    "clearml-server": ("control_plane.cli", "server", "the server: API, files and web page in one process"),
    "clearml-task": ("clearml_sdk.task_cli", "", "make a task of a script or a repository, without changing its code"),
    "clearml-sync": ("clearml_sdk.sync", "", "deliver the reports that processes left behind"),
}
"""Command -> (module with `main(argv) -> int | None`, extra of the distribution that it needs, what it does)."""
EXAMPLES = (
    "clearml ls --status failed",
    "clearml logs -f examples/first",
    "clearml clone examples/first --set General/lr=0.5 --queue default",
)
NAMES_WIDTH = 16
"""Columns that the names of the commands take in the list of all."""


def main(argv: list[str] | None = None) -> int:
    """Run the command named by the program's name or the first argument, and return its exit status."""
    program, *arguments = sys.argv if argv is None else argv
    name = os.path.splitext(os.path.basename(program))[0]
    if name not in COMMANDS:
        if arguments[:1] in (["--version"], ["-V"]):
            from clearml_sdk._version import __version__

            print(f"clearml-lean {__version__}")
            return 0
        if not arguments or arguments[0] in ("-h", "--help", "help"):
            print(usage())
            return 0 if arguments else 2
        if arguments[0] in FRIENDLY:
            from clearml_sdk.commands.main import main as friendly

            return friendly(arguments)
        name, *arguments = arguments
        if not name.startswith("clearml-"):
            name = f"clearml-{name}"
    if name not in COMMANDS:
        from clearml_sdk.command_line import meant

        wanted = name.removeprefix("clearml-")
        hint = meant(wanted, [*FRIENDLY, *(known.removeprefix("clearml-") for known in COMMANDS)])
        print(f"clearml: unknown command: {wanted}.{hint}\nclearml --help lists all.", file=sys.stderr)
        return 2
    return run(name, arguments)


def run(name: str, arguments: list[str]) -> int:
    """Import the command's module and call it; say what to install when its extra is missing."""
    from importlib import import_module

    module, extra, _ = COMMANDS[name]
    try:
        return int(import_module(module).main(arguments) or 0)
    except ModuleNotFoundError as error:
        if not extra or (error.name or "").split(".")[0] in ("clearml_sdk", "clearml_agent", "control_plane"):
            raise  # ours: a defect, not a missing package
        print(
            f"{name} needs {error.name}, which is not installed: pip install 'clearml-lean[{extra}]'", file=sys.stderr
        )
        return 1


def usage() -> str:
    """The list of commands, and some to begin with."""
    from clearml_sdk.command_line import listed

    programs = {name.removeprefix("clearml-"): what for name, (_, _, what) in sorted(COMMANDS.items())}
    parts = (
        "usage: clearml COMMAND [ARGUMENT ...]",
        "what is on the server:\n" + listed({name: what for name, (_, what) in FRIENDLY.items()}, NAMES_WIDTH),
        "programs:\n" + listed(programs, NAMES_WIDTH),
        "examples:\n" + "\n".join(f"  {example}" for example in EXAMPLES),
        "clearml COMMAND --help says more.",
    )
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
