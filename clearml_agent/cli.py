"""`clearml-agent`: daemon, execute, list, config, init. Options as in contract/cli_surface.json."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from clearml_agent import background, config, instances, show
from clearml_agent.arguments import normalise
from clearml_agent.errors import AgentError, UsageError
from clearml_sdk._version import __version__
from clearml_sdk.errors import ClearmlError

LEVELS = ["DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 success, 1 failure, 2 usage, 130 interrupted."""
    try:
        arguments = normalise(sys.argv[1:] if argv is None else argv)
        given = {"argv": arguments}
        return int(cli.main(arguments, prog_name="clearml-agent", standalone_mode=False, obj=given) or 0)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except UsageError as error:
        click.echo(f"clearml-agent: {error}", err=True)
        return 2
    except (AgentError, ClearmlError) as error:
        click.echo(f"clearml-agent: {error}", err=True)
        return 1
    except KeyboardInterrupt:
        return 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="clearml-agent")
@click.option("--config-file", help="Configuration file (default: CLEARML_CONFIG_FILE, else ~/clearml.conf).")
@click.option("--debug", "-d", is_flag=True, help="Print debug messages.")
@click.pass_context
def cli(context: click.Context, config_file: str | None, debug: bool) -> None:
    """Pull tasks from queues, build their environments, run and report them."""
    context.obj |= {"config_file": config_file, "debug": debug}
    level = logging.DEBUG if debug else logging.INFO
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s", force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def settings(context: click.Context, **options: Any) -> config.AgentConfig:
    if options.pop("cpu_only", False):
        options["gpus"] = "none"
    return config.build(config.load(context.obj["config_file"]), **options)


RUN_OPTIONS = [
    click.option("-O", "optimization", count=True, help="Given to the task's Python interpreter."),
    click.option("--git-user", help="User for git over https."),
    click.option("--git-pass", help="Password or token for git over https."),
    click.option(
        "--log-level", type=click.Choice(LEVELS, case_sensitive=False), default="INFO", help="Log level of the task."
    ),
    click.option("--gpus", help="GPUs that tasks see: `0`, `0,1`, `all`, `none`."),
    click.option("--cpu-only", is_flag=True, help="Tasks see no GPU."),
]


def run_options(command: Any) -> Any:
    for option in reversed(RUN_OPTIONS):
        command = option(command)
    return command


@cli.command()
@click.option("--queue", "queues", multiple=True, metavar="QUEUE ...", help="Queues to serve, most important first.")
@click.option("--order-fairness", is_flag=True, help="Take from each queue in turn instead of by priority.")
@click.option("--create-queue", is_flag=True, help="Make the queues that do not exist.")
@click.option("--foreground", is_flag=True, help="Keep the output on this terminal.")
@click.option("--detached", "-d", is_flag=True, help="Go to the background.")
@click.option(
    "--services-mode", type=int, is_flag=False, flag_value=-1, help="Run tasks side by side (N at most), on the CPU."
)
@click.option("--child-report-tags", multiple=True, metavar="TAG ...", help="Tags of this worker's reports.")
@click.option("--polling-interval", type=int, help="Accepted for compatibility: entries are waited for, not polled.")
@click.option("--stop", is_flag=True, help="Stop the daemon of these arguments, or the given worker ids.")
@click.option("--stop-worker", multiple=True, hidden=True)
@click.option("--status", is_flag=True, help="List the daemons that run on this machine.")
@click.option("--json", "as_json", is_flag=True, help="With --status: as JSON.")
@run_options
@click.pass_context
def daemon(
    context: click.Context,
    /,
    queues: Sequence[str],
    order_fairness: bool,
    create_queue: bool,
    foreground: bool,
    detached: bool,
    services_mode: int | None,
    child_report_tags: Sequence[str],
    polling_interval: int | None,
    stop: bool,
    stop_worker: Sequence[str],
    status: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Serve queues: take tasks and run them, until stopped."""
    if services_mode is not None and services_mode != 0:
        options |= {"cpu_only": True, "services": True, "slots": services_mode if services_mode > 0 else 1000}
    if stop or stop_worker:
        return stop_daemons(context, stop_worker, options)
    if status:
        show.instances(instances.running(config.home_directory()), as_json=as_json)
        return 0
    if detached:
        settings(context, **options)  # what is wrong with the configuration is said here and now
        given = [argument for argument in context.obj["argv"] if argument not in ("--detached", "-d")]
        return background.detach([*given, "--foreground"])
    log_file = os.environ.pop(background.LOG_FILE, "")
    if not foreground and not log_file:
        path = background.new_log()
        click.echo(f"clearml-agent writes to {path}")
        background.redirect(path)
        log_file = str(path)
    from clearml_agent.serve import run_daemon

    run_daemon(
        settings(context, tags=child_report_tags or None, **options),
        queue_names=queues,
        create_queue=create_queue,
        order_fairness=order_fairness,
        echo=True,
        log_file=log_file,
        on_ready=background.say_ready,
    )
    return 0


def stop_daemons(context: click.Context, workers: Sequence[str], options: dict[str, Any]) -> int:
    """Stop the named workers, else the one that these options would start; exit status 0 when all are gone."""
    running = instances.running(config.home_directory())
    chosen = [facts for facts in running if facts.worker in workers]
    missing = [worker for worker in workers if worker not in {facts.worker for facts in chosen}]
    if not workers:
        names = config.worker_names(config.load(context.obj["config_file"]), options)
        chosen = [facts for facts in running if names.matches(facts.worker)][:1]
        missing = [] if chosen else [f"{names.base}:*" if not names.fixed else names.base]
    for worker in missing:
        click.echo(f"no daemon with worker id {worker} runs on this machine", err=True)
    stopped = True
    for facts in chosen:
        gone = instances.stop(facts)
        stopped = stopped and gone
        click.echo(f"{facts.worker} (pid {facts.pid}) " + ("has stopped" if gone else "does not stop"), err=not gone)
    return 0 if stopped and not missing else 1


@cli.command()
@click.option("--id", "task", required=True, help="Id or name of the task.")
@click.option("--clone", is_flag=True, help="Run a clone of the task.")
@click.option("--require-queue", is_flag=True, help="Fail when the task is in no queue.")
@click.option("--log-file", type=click.Path(dir_okay=False, path_type=Path), help="Also write the console here.")
@click.option("--disable-monitoring", is_flag=True, help="Send no console and no statistics to the server.")
@click.option("--full-monitoring", is_flag=True, help="Accepted for compatibility: everything is reported anyway.")
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


@cli.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def list_workers(context: click.Context, as_json: bool) -> None:
    """List all registered workers and what they run."""
    from clearml_sdk.session import Session

    session = Session.from_config(config.load(context.obj["config_file"]))
    show.workers(session.call("workers.get_all", {"last_seen": 0}).get("workers") or [], as_json=as_json)
    session.close()


@cli.command("config")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def show_config(context: click.Context, as_json: bool) -> None:
    """Print the configuration in force, secrets masked."""
    loaded = config.load(context.obj["config_file"])
    show.configuration(loaded.tree, version=__version__, file=loaded.file, as_json=as_json)


@cli.command()
def init() -> int:
    """Write ~/clearml.conf: the address and the credentials of a server."""
    from clearml_sdk import setup_wizard

    return int(setup_wizard.main([]) or 0)
