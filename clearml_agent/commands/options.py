"""Options that several commands share, and the settings that come of them."""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any

import click

from clearml_agent import config, sections
from clearml_agent.errors import UsageError
from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.config import Config, environment
from clearml_sdk.session import Session

GIVE_UP_S = 5.0
LEVELS = ["DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL"]

as_json = click.option("--json", "as_json", is_flag=True, help="As JSON.")


class Commands(click.Group):
    """A group that lists in full what its commands do: click's own list ends after 45 characters."""

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.commands[name].get_short_help_str(limit=200)) for name in self.commands])


RUN_OPTIONS = [
    click.option("-O", "optimization", count=True, help="Given to the task's Python interpreter."),
    click.option("--git-user", help="User for git over https."),
    click.option("--git-pass", help="Password or token for git over https."),
    click.option(
        "--log-level", type=click.Choice(LEVELS, case_sensitive=False), default="INFO", help="Log level of the task."
    ),
    click.option("--gpus", help="GPUs that tasks see: `0`, `0,1`, `0-3`, `all`, `none`."),
    click.option("--cpu-only", is_flag=True, help="Tasks see no GPU."),
    click.option(
        "--standalone-mode", is_flag=True, help="Use no network for code and packages: only what the caches hold."
    ),
]


DOCKER_OPTIONS = [
    click.option(
        "--docker",
        is_flag=True,
        help="Run tasks in containers. Words after it: the image of tasks that name none, and its arguments.",
    ),
    click.option("--podman", is_flag=True, help="The same with podman's socket."),
    click.option("--container-word", "container_words", multiple=True, hidden=True),
    click.option(
        "--force-current-version",
        is_flag=True,
        help="Accepted for compatibility: containers always get the runner of this very version.",
    ),
]


def docker_options(command: Any) -> Any:
    """The options of commands that may run tasks in containers; `settings` reads them."""
    for option in reversed(DOCKER_OPTIONS):
        command = option(command)
    return command


def run_options(command: Any) -> Any:
    """The options of every command that runs tasks."""
    for option in reversed(RUN_OPTIONS):
        command = option(command)
    return command


def loaded(context: click.Context) -> Config:
    """The merged configuration."""
    return config.load(context.obj["config_file"])


def session(context: click.Context, *, give_up_s: float = GIVE_UP_S) -> Session:
    """The API for a command that a person waits for: it says soon that there is no server."""
    tree = loaded(context)
    found = ApiSettings.from_config(tree)
    found.give_up_s = give_up_s
    return Session(found)


def settings(context: click.Context, **options: Any) -> config.AgentConfig:
    """What an agent with these options works by; its environment and files are in place then. Raises UsageError."""
    tree = loaded(context)
    sections.apply(tree, os.environ)
    if user := environment.read("AGENT_EXEC_USER"):
        raise UsageError(f"CLEARML_AGENT_EXEC_USER is not supported: start the agent itself as {user}")
    if context.obj["debug"] or tree.flag("agent.debug"):
        logging.getLogger().setLevel(logging.DEBUG)
    wants_cpu = tree.flag("agent.cpu_only") or environment.read_flag("CPU_ONLY", False)
    wants_cpu = wants_cpu or environment.as_flag(os.environ.get("CPU_ONLY"), False)
    if options.pop("cpu_only", False) or (options.get("gpus") is None and wants_cpu):
        options["gpus"] = "none"
    _contain(options)
    for name in ("uptime", "downtime"):
        options[name] = list(options.pop(name, None) or ())
    return config.build(tree, **options)


def _contain(options: dict[str, Any]) -> None:
    """Make one setting of the options for containers: the words after `--docker`, None where it was not given."""
    words = options.pop("container_words", ())
    wants_docker, wants_podman = options.pop("docker", False), options.pop("podman", False)
    options.pop("force_current_version", None)
    if not (wants_docker or wants_podman):
        return
    if sys.platform != "linux":
        raise UsageError("containers run on Linux only: start the agent without --docker here")
    if wants_podman and not os.environ.get("DOCKER_HOST"):
        rootless = f"{os.environ.get('XDG_RUNTIME_DIR') or f'/run/user/{os.getuid()}'}/podman/podman.sock"
        os.environ["DOCKER_HOST"] = f"unix://{rootless if os.getuid() else '/run/podman/podman.sock'}"
    options["docker"] = tuple(words)


def print_json(value: Any) -> None:
    """The answer of a command with `--json`."""
    click.echo(json.dumps(value, indent=2, default=str))
