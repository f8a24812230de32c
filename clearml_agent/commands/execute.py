"""`clearml-agent execute`: one task, here and now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from clearml_agent.commands.options import docker_options, run_options, settings


@click.command()
@click.option("--id", "task", required=True, help="Id or name of the task.")
@click.option("--clone", is_flag=True, help="Run a clone of the task.")
@click.option("--require-queue", is_flag=True, help="Fail when the task is in no queue.")
@click.option("--log-file", type=click.Path(dir_okay=False, path_type=Path), help="Also write the console here.")
@click.option("--disable-monitoring", is_flag=True, help="Send no console and no statistics to the server.")
@click.option("--full-monitoring", is_flag=True, help="Accepted for compatibility: everything is reported anyway.")
@docker_options
@run_options
@click.pass_context
def execute(
    context: click.Context,
    /,
    task: str,
    clone: bool,
    require_queue: bool,
    log_file: Path | None,
    disable_monitoring: bool,
    full_monitoring: bool,
    **options: Any,
) -> int:
    """Run one task on this machine and exit with its exit code."""
    from clearml_agent.serve import run_execute

    return run_execute(
        settings(context, **options),
        task,
        clone=clone,
        require_queue=require_queue,
        monitoring=full_monitoring or not disable_monitoring,
        log_file=log_file,
    )
