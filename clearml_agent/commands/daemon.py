"""`clearml-agent daemon`: serve queues; in the background, over Redis, by a timetable; stop and list daemons."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import msgspec

from clearml_agent import background, config, instances, show
from clearml_agent.commands.options import as_json, docker_options, loaded, run_options, settings
from clearml_agent.errors import UsageError
from clearml_agent.runs import Record, read_struct

EVERY = "all"
"""In the place of a worker's name: every daemon of this machine."""
MANY_SLOTS = 1000
"""Of a services-mode daemon without a limit."""


@click.command()
@click.option("--queue", "queues", multiple=True, metavar="QUEUE ...", help="Queues to serve, most important first.")
@click.option("--order-fairness", is_flag=True, help="Take from each queue in turn instead of by priority.")
@click.option("--create-queue", is_flag=True, help="Make the queues that do not exist.")
@click.option("--foreground", is_flag=True, help="Keep the output on this terminal.")
@click.option("--detached", "-d", is_flag=True, help="Go to the background.")
@click.option(
    "--services-mode",
    type=int,
    is_flag=False,
    flag_value=-1,
    help="Run tasks side by side (N at most), on the CPU; --queue NAME=N limits one queue.",
)
@click.option(
    "--dynamic-gpus", is_flag=True, help="Share the GPUs of --gpus among tasks: --queue small=1 large=4 half=0.5."
)
@click.option("--uptime", multiple=True, metavar='"HOURS DAYS" ...', help='Take tasks only then: "9-17 MON-FRI".')
@click.option("--downtime", multiple=True, metavar='"HOURS DAYS" ...', help='Take no task then: "22-3 FRI-SUN".')
@click.option("--child-report-tags", multiple=True, metavar="TAG ...", help="Tags of this worker's reports.")
@click.option(
    "--redis",
    "redis_url",
    metavar="URL",
    help="Work on the servers' Redis directly (`clearml-server redis-acl` makes a user for it). A URL with a password "
    "belongs into CLEARML_AGENT_REDIS_URL: command lines can be seen by everybody.",
)
@click.option("--use-owner-token", is_flag=True, help="Tasks act as the user they belong to (needs an administrator).")
@click.option("--polling-interval", type=int, help="Accepted for compatibility: entries are waited for, not polled.")
@click.option("--check-bootstrap", is_flag=True, help="Accepted for compatibility: there is nothing to bootstrap.")
@click.option("--stop", is_flag=True, help="Stop the daemon of these options, or those named: worker id, name, `all`.")
@click.option("--stop-worker", multiple=True, hidden=True)
@click.option("--status", is_flag=True, help="List the daemons that run on this machine, and what they run.")
@as_json
@docker_options
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
    check_bootstrap: bool,
    stop: bool,
    stop_worker: Sequence[str],
    status: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Serve queues: take tasks and run them, until stopped."""
    if services_mode is not None and services_mode != 0:
        options |= {
            "cpu_only": True,
            "services": True,
            "slots": services_mode if services_mode > 0 else MANY_SLOTS,
        }
    if stop or stop_worker:
        return stop_daemons(context, stop_worker, options)
    if status:
        home = config.home_directory()
        show.instances(instances.running(home), running_tasks(home), as_json=as_json)
        return 0
    if options["dynamic_gpus"] and services_mode:
        raise UsageError("--dynamic-gpus and --services-mode cannot be meant together: start two daemons")
    if (url := options["redis_url"]) and urlsplit(url).password:
        click.echo("the password in --redis can be seen by everybody here: set CLEARML_AGENT_REDIS_URL", err=True)
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


def running_tasks(home: Path) -> dict[str, list[str]]:
    """Worker -> tasks that run here under it, as the runs' directories say."""
    found: dict[str, list[str]] = {}
    for path in sorted((home / "runs").glob("*/run.json")):
        try:
            record = read_struct(path, Record)
        except (OSError, msgspec.DecodeError):
            continue  # just made, or just over
        found.setdefault(record.worker, []).append(record.task)
    return found


def stop_daemons(context: click.Context, workers: Sequence[str], options: dict[str, Any]) -> int:
    """Stop the named workers, else the one that these options would start; exit status 0 when all are gone."""
    running = instances.running(config.home_directory())
    chosen, missing = chosen_daemons(running, workers)
    if not workers:
        names = config.worker_names(loaded(context), options)
        chosen = [facts for facts in running if names.matches(facts.worker)][:1]
        missing = [] if chosen else [f"{names.base}:*" if not names.fixed else names.base]
    for worker in missing:
        click.echo(f"no daemon {worker} runs on this machine; those that do: clearml-agent daemon --status", err=True)
    gone = instances.stop_all(chosen, home=config.home_directory())
    for facts in chosen:
        is_gone = gone[facts.worker]
        said = "has stopped" if is_gone else "does not stop: another user runs it"
        click.echo(f"{facts.worker} (pid {facts.pid}) {said}", err=not is_gone)
    return 0 if all(gone.values()) and not missing else 1


def chosen_daemons(
    running: Sequence[instances.Facts], wanted: Sequence[str]
) -> tuple[list[instances.Facts], list[str]]:
    """The daemons named by worker id, by worker name (all of its slots), or by `all`; and the names of none. Pure."""
    if EVERY in wanted:
        return list(running), []
    chosen: dict[str, instances.Facts] = {}
    missing = []
    for name in wanted:
        found = [facts for facts in running if facts.worker == name]
        found = found or [facts for facts in running if facts.worker.startswith(f"{name}:")]
        chosen |= {facts.worker: facts for facts in found}
        if not found:
            missing.append(name)
    return list(chosen.values()), missing
