"""`clearml-agent drain`: a worker finishes what it runs and takes nothing new, until it is told to go on."""

from __future__ import annotations

import click

from clearml_agent import draining
from clearml_agent.commands.options import GIVE_UP_S, as_json, print_json, session

PATIENCE_S = 600.0
"""How long a server may be away while a worker is waited for."""


@click.command()
@click.argument("worker")
@click.option("--resume", is_flag=True, help="Let it take tasks again.")
@click.option("--wait", is_flag=True, help="Return when it runs nothing any more.")
@click.option("--timeout", type=float, metavar="SECONDS", help="Of --wait: give up after so long, with exit status 1.")
@as_json
@click.pass_context
def drain(context: click.Context, worker: str, resume: bool, wait: bool, timeout: float | None, as_json: bool) -> int:
    """Have WORKER (an id of `clearml-agent list`) finish what it runs and take nothing new."""
    api = session(context, give_up_s=PATIENCE_S if wait else GIVE_UP_S)
    try:
        tasks = draining.drain(api, worker, on=not resume)
        is_over = not wait or resume or draining.wait(api, worker, limit_s=timeout)
        left = draining.running(api, worker) if wait else tasks
    finally:
        api.close()
    if as_json:
        print_json({"worker": worker, "drained": not resume, "running": left})
    elif resume:
        click.echo(f"{worker} takes tasks again")
    else:
        click.echo(f"{worker} is drained: " + (f"it still runs {', '.join(left)}" if left else "it runs nothing"))
    return 0 if is_over else 1
