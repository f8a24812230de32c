"""`clearml-agent init` and `install-bootstrap`: before the first task."""

from __future__ import annotations

import click


@click.command()
@click.pass_context
def init(context: click.Context) -> int:
    """Write ~/clearml.conf: a server and its credentials, git, package indexes. Never over an existing file."""
    from clearml_agent.commands import wizard

    return wizard.run(wizard.default_path(context.obj["config_file"]))


@click.command("install-bootstrap")
@click.option("--check", is_flag=True, help="Accepted for compatibility.")
@click.option("--force", is_flag=True, help="Accepted for compatibility.")
@click.option("--version", help="Accepted for compatibility.")
@click.option("--from-file", help="Accepted for compatibility.")
def install_bootstrap(check: bool, force: bool, version: str | None, from_file: str | None) -> int:
    """Say that nothing has to be installed: containers get what they need from this agent."""
    click.echo("nothing to install: a container needs only a Python, the agent mounts the rest")
    return 0
