"""`clearml-agent list` and `config`: what there is, read only."""

from __future__ import annotations

import click

from clearml_agent import show
from clearml_agent.commands.options import as_json, loaded, session
from clearml_sdk._version import __version__


@click.command("list")
@as_json
@click.pass_context
def list_workers(context: click.Context, as_json: bool) -> None:
    """List all registered workers and what they run."""
    api = session(context)
    show.workers(api.call("workers.get_all", {"last_seen": 0}).get("workers") or [], as_json=as_json)
    api.close()


@click.command("config")
@as_json
@click.pass_context
def show_config(context: click.Context, as_json: bool) -> None:
    """Print the configuration in force, secrets masked."""
    tree = loaded(context)
    show.configuration(tree.tree, version=__version__, file=tree.file, as_json=as_json)
