"""`clearml-server redis-acl`: a Redis user for agents that work on the store directly (`clearml-agent daemon --redis`).

It reads and writes what queues, claims, tasks and their events are made of. It sees no credential, no password, no
signing key and no setting of the server, and may neither configure Redis nor list or flush its keys.
"""

from __future__ import annotations

import hashlib
import secrets
import sys

from clearml_sdk.command_line import Parser
from control_plane.commands._target import print_json
from control_plane.store import keys

USER = "clearml-agent"

DOCUMENTS = ("task", "queue", "project", "model", "worker")
"""Kinds of documents that agents read and write; credentials, users, companies and settings are none of them."""

CHANGED = (
    *(keys.document(kind, "*", "*") for kind in DOCUMENTS),
    *(keys.ids(kind) for kind in DOCUMENTS),
    *(keys.names(kind, "*") for kind in ("task", "queue", "project", "model")),
    keys.history("*"),
    keys.change_counter(),
    keys.changes(),
    keys.queue("*"),
    keys.entries(),
    keys.in_flight(),
    keys.flights(),
    keys.claims(),
    keys.cursor("*"),
    keys.leases(),
    keys.held("*"),
    keys.worker_deadlines(),
    keys.worker_history("*"),
    keys.recorded_workers(),
    keys.note("*"),
    keys.unsealed(),
    "ev:{*",
)
READ = (keys.schema_version(), keys.restoring(), keys.retention(), keys.segments_mark(), keys.segments_held())

COMMANDS = {
    "connection": "auth client|tracking cluster|slots hello info ping role time",
    "scripts": "evalsha exec multi script|load",
    "keys": "del exists expire pexpire unlink",
    "strings": "append get getrange incr incrby mget set strlen",
    "hashes": "hdel hexists hget hgetall hincrby hkeys hlen hmget hset hsetnx hvals",
    "sets": "sadd scard sismember smembers smismember srem sscan",
    "sorted sets": "zadd zcard zcount zincrby zmscore zpopmin zrange zrangebyscore zrank zrem zremrangebyscore "
    "zrevrange zscore",
    "lists": "llen lrange lset lpush ltrim rpush",
    "streams": "xadd xdel xinfo|stream xlen xrange xread xrevrange xtrim",
}
"""What the handlers and their scripts use, by what it is about."""


def main(argv: list[str]) -> int:
    """Print the user's definition; nothing is changed anywhere."""
    parser = Parser(
        prog="clearml-server redis-acl",
        description="Print a Redis user for agents that work on the server's Redis directly: no credential keys, no "
        "CONFIG, KEYS or FLUSH. Give the line to redis-cli, or put `user ...` into the ACL file of Redis.",
    )
    parser.add_argument("--user", default=USER, help=f"its name (default: {USER})")
    parser.add_argument(
        "--password-stdin", action="store_true", help="read its password from standard input instead of making one"
    )
    parser.add_argument("--json", action="store_true", help="answer with JSON on standard output")
    arguments = parser.parse_args(argv)
    password = sys.stdin.readline().rstrip("\n") if arguments.password_stdin else secrets.token_urlsafe(24)
    if not password or any(letter.isspace() for letter in arguments.user):
        print("clearml-server redis-acl: a password and a user's name without blanks are needed", file=sys.stderr)
        return 2
    words = rules(password)
    if arguments.json:
        print_json({"user": arguments.user, "password": password, "rules": words})
        return 0
    print(f"ACL SETUSER {arguments.user} {' '.join(words)}")
    if not arguments.password_stdin:
        print(f"# CLEARML_AGENT_REDIS_URL=redis://{arguments.user}:{password}@HOST:6379", file=sys.stderr)
    print("# keep it over a restart of Redis: ACL SAVE, or CONFIG REWRITE where there is no ACL file", file=sys.stderr)
    return 0


def rules(password: str) -> list[str]:
    """The words after `ACL SETUSER name`; the password is in them as its hash alone. Pure."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    return [
        *("reset", "on", f"#{digest}"),
        *(f"~{pattern}" for pattern in CHANGED),
        *(f"%R~{pattern}" for pattern in READ),
        "-@all",
        *(f"+{command}" for group in COMMANDS.values() for command in group.split()),
    ]
