"""`clearml-agent install --systemd` and `completion`: into the machine, and into the shell."""

from __future__ import annotations

import getpass
import itertools
import os
import shlex
import sys
from pathlib import Path

import click

from clearml_agent import config
from clearml_agent.errors import AgentError

UNIT = """[Unit]
Description=ClearML agent: {queues}
Wants=network-online.target
After=network-online.target

[Service]
Type=simple
{user}{environment}ExecStart={command}
# The agent alone is told to stop: its tasks run under runners of their own, are drained by the agent, and are taken
# over by the next start when it is killed.
KillMode=process
KillSignal=SIGTERM
TimeoutStopSec={stop_s:.0f}
Restart=on-failure
RestartSec=2

[Install]
WantedBy={target}
"""
DRAIN_S = 86_400.0
"""How long systemd lets an agent finish what it runs; a second stop shortens it."""


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--systemd", is_flag=True, required=True, help="Write a unit for systemd.")
@click.option("--system", "is_system", is_flag=True, help="For the machine (as root), in place of this user.")
@click.option("--user", "user", help="Of --system: the user who runs the agent.")
@click.option("--name", default="clearml-agent", help="Name of the unit (default: clearml-agent).")
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), help="Where to put it.")
@click.option("--force", is_flag=True, help="Replace a unit of this name.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="-- [OPTION OF daemon ...]")
@click.pass_context
def install(
    context: click.Context,
    systemd: bool,
    is_system: bool,
    user: str | None,
    name: str,
    directory: Path | None,
    force: bool,
    arguments: tuple[str, ...],
) -> None:
    """Have systemd run an agent: `clearml-agent install --systemd -- --queue default`. Says what to do next."""
    folder = directory or unit_folder(is_system=is_system)
    path = folder / f"{name}.service"
    if path.exists() and not force:
        raise AgentError(f"{path} exists already: give another --name, or --force to replace it")
    given = [word for word in arguments if word not in ("--foreground", "--detached", "-d", "--")]
    file = context.obj["config_file"] or os.environ.get("CLEARML_CONFIG_FILE")
    text = unit(
        given,
        config_file=str(Path(file).expanduser().absolute()) if file else "",
        home=os.environ.get("CLEARML_AGENT_HOME", ""),
        user=(user or getpass.getuser()) if is_system else "",
    )
    config.build(config.load(context.obj["config_file"]))  # what is wrong with the configuration is said here and now
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise AgentError(f"cannot write {path}: {error.strerror}; --directory names another folder") from None
    control = "systemctl" if is_system else "systemctl --user"
    click.echo(f"wrote {path}\n\nNext:\n  {control} daemon-reload\n  {control} enable --now {name}")
    if not is_system:
        click.echo(f"  loginctl enable-linger {getpass.getuser()}   # to run without anybody logged in")
    click.echo(
        f"\nstop and drain: {control} stop {name}; its output: journalctl {'' if is_system else '--user '}-u {name}"
    )


def unit_folder(*, is_system: bool) -> Path:
    if is_system:
        return Path("/etc/systemd/system")
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "systemd" / "user"


def unit(arguments: list[str], *, config_file: str = "", home: str = "", user: str = "") -> str:
    """The text of a unit that runs `clearml-agent daemon` with these options. Pure."""
    program = [sys.executable, "-m", "clearml_sdk.cli", "clearml-agent"]
    command = [*program, *(["--config-file", config_file] if config_file else []), "daemon", *arguments, "--foreground"]
    queues = [word for option, word in itertools.pairwise(arguments) if option == "--queue"]
    return UNIT.format(
        queues=", ".join(queues).replace("%", "%%") or "the default queue",
        user=f"User={user}\n" if user else "",
        environment=f'Environment="CLEARML_AGENT_HOME={home}"\n' if home else "",
        command=" ".join(quoted(word) for word in command),
        stop_s=DRAIN_S,
        target="multi-user.target" if user else "default.target",
    )


def quoted(word: str) -> str:
    """A word as a unit file has it: `%` and `$` mean something there."""
    text = word.replace("%", "%%").replace("$", "$$")
    return text if shlex.quote(word) == word else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete this command: `source <(clearml-agent completion bash)`."""
    from click.shell_completion import get_completion_class

    from clearml_agent.cli import COMPLETE, cli

    made = get_completion_class(shell)
    if made is None:
        raise AgentError(f"there is no completion for {shell}")
    click.echo(made(cli, {}, "clearml-agent", COMPLETE).source())
