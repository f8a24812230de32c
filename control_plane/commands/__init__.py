"""What an administrator does to a server's data: `clearml-server NAME ...`, one module a command.

A module has `main(argv) -> int` and is imported only when its command is run.
"""

COMMANDS = {
    "backup": "write documents, queues and events of one moment into a file",
    "compact": "seal what waits in memory now, and make few segments of many",
    "credentials": "list, make and revoke credentials",
    "doctor": "say what is wrong or risky about a server and its data",
    "redis-acl": "print a Redis user for agents that work on the store directly",
    "restore": "fill an empty data directory or Redis from a backup",
    "retention": "say how long curves of a project's ended tasks stay at full resolution",
    "size": "say which projects and tasks hold the bytes",
    "users": "list, make, change and remove users",
}
"""Name -> what it does, as `clearml-server --help` says it."""
