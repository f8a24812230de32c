"""What the commands can do, and where: names and one line each. Nothing is imported for it."""

COMMANDS: dict[str, tuple[str, str]] = {
    "ls": ("listing", "list tasks, newest first"),
    "ps": ("listing", "what runs and what waits"),
    "show": ("showing", "everything about a task"),
    "logs": ("logs", "the console of a task; -f follows it to its end"),
    "top": ("top", "workers, queues and running tasks, live"),
    "plot": ("plotting", "scalars of tasks as curves in the terminal"),
    "compare": ("comparing", "tasks side by side: what differs, and what came of it"),
    "clone": ("changing", "copy a task, with other parameters"),
    "enqueue": ("changing", "put tasks into a queue"),
    "abort": ("changing", "stop tasks"),
    "explain": ("explaining", "why a task waits, or why it failed"),
    "artifacts": ("files", "list and fetch what a task stored"),
    "open": ("files", "the task's page in the browser"),
    "completion": ("completion", "a script that lets the shell complete these commands"),
}
"""Command -> (module in this package, what it does). The module has `main(name, arguments) -> exit status`."""
