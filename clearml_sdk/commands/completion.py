"""`clearml completion bash|zsh|fish`: scripts that let the shell complete commands, options, tasks and queues."""

from __future__ import annotations

from clearml_sdk.command_line import Parser
from clearml_sdk.commands.table import COMMANDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

WITH_TASKS = ("show", "logs", "plot", "compare", "clone", "enqueue", "abort", "explain", "open")
LIMIT = 50

BASH = """\
_clearml() {
  local IFS=$' \\t\\n'
  local found; found=$(clearml completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  IFS=$'\\n' COMPREPLY=($(IFS=$'\\n' compgen -W "$found" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _clearml clearml
"""
ZSH = """\
#compdef clearml
_clearml() {
  local -a found
  found=(${(f)"$(clearml completion words -- ${words[2,CURRENT]} 2>/dev/null)"})
  compadd -a found
}
compdef _clearml clearml
"""
FISH = """\
function __clearml_words
  clearml completion words -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null
end
complete -c clearml -f -a '(__clearml_words)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def main(name: str, arguments: Sequence[str]) -> int:
    """Run the command."""
    if arguments[:1] == ["words"]:
        words = list(arguments[1:])
        for word in candidates(words[1:] if words[:1] == ["--"] else words):
            print(word)
        return 0
    command = Parser(
        prog="clearml completion",
        description="Print a script for the shell: `source <(clearml completion bash)`, or put it where it looks.",
    )
    command.add_argument("shell", choices=sorted(SCRIPTS))
    print(SCRIPTS[command.parse_args(arguments).shell], end="")
    return 0


def candidates(words: Sequence[str]) -> list[str]:
    """What the last of the words (which may be empty) can become."""
    if len(words) <= 1:
        from clearml_sdk.cli import COMMANDS as PROGRAMS

        return sorted([*COMMANDS, *(name.removeprefix("clearml-") for name in PROGRAMS)])
    command, current = words[0], words[-1]
    if command not in COMMANDS:
        return []
    if command == "completion":
        return sorted(SCRIPTS)
    if words[-2] in ("-q", "--queue"):
        return _queues()
    if current.startswith("-"):
        return _options(command)
    if command == "artifacts":
        return ["get", "ls"] if len(words) == 2 else _tasks() if len(words) == 3 else []
    if command == "ls" and words[-2] in ("-s", "--status"):
        return ["created", "queued", "in_progress", "stopped", "completed", "failed", "published"]
    return _tasks() if command in WITH_TASKS else []


def _options(command: str) -> list[str]:
    """The options that the command's own help names."""
    import contextlib
    import io
    import re
    from importlib import import_module

    module, text = import_module(f"clearml_sdk.commands.{COMMANDS[command][0]}"), io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        module.main(command, ["--help"])
    return sorted(set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*", text.getvalue())))


def _tasks() -> list[str]:
    from clearml_sdk.session import Session

    body = {"order_by": ["-last_update"], "page": 0, "page_size": LIMIT, "only_fields": ["id"]}
    return [str(task["id"]) for task in Session.default().call("tasks.get_all", body, give_up_s=1).get("tasks") or []]


def _queues() -> list[str]:
    from clearml_sdk.session import Session

    found = Session.default().call("queues.get_all", {"only_fields": ["name"]}, give_up_s=1).get("queues") or []
    return [str(queue["name"]) for queue in found]
