"""`clearml-agent`: the commands in `clearml_agent.commands`, under one program. Options: contract/cli_surface.json."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from clearml_agent import config
from clearml_agent.arguments import normalise
from clearml_agent.commands import build, cache, daemon, drain, execute, explain, install, look, setup
from clearml_agent.commands.options import Commands
from clearml_agent.errors import AgentError, UsageError
from clearml_sdk._version import __version__
from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.errors import ClearmlError, Unauthorized

COMPLETE = "_CLEARML_AGENT_COMPLETE"
OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
"""What its owner can mend."""
EXAMPLES = """\b
Examples:
  clearml-agent init
  clearml-agent daemon --queue default --create-queue --foreground
  clearml-agent daemon --queue default --detached --docker python:3.12
  clearml-agent daemon --stop
  clearml-agent execute --id TASK
"""
COMMANDS = (
    cache.cache,
    daemon.daemon,
    execute.execute,
    build.build,
    drain.drain,
    explain.explain_task,
    look.list_workers,
    look.show_config,
    setup.init,
    setup.install_bootstrap,
    install.install,
    install.completion,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 success, 1 failure, 2 usage, 130 interrupted."""
    if instruction := os.environ.get(COMPLETE):  # from the shell, for what `completion` has printed
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "clearml-agent", COMPLETE, instruction)
    given: dict[str, Any] = {}
    try:
        arguments = normalise(sys.argv[1:] if argv is None else argv)
        given["argv"] = arguments
        return int(cli.main(arguments, prog_name="clearml-agent", standalone_mode=False, obj=given) or 0)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except UsageError as error:
        click.echo(f"clearml-agent: {error}", err=True)
        return 2
    except Unauthorized as error:
        click.echo(f"clearml-agent: {refused(error, given.get('config_file'))}", err=True)
        return 1
    except (AgentError, ClearmlError) as error:
        click.echo(f"clearml-agent: {error}", err=True)
        return 1
    except OSError as error:
        if error.errno not in OF_THE_MACHINE:
            raise
        click.echo(f"clearml-agent: {error}", err=True)
        return 1
    except KeyboardInterrupt:
        return 130


def refused(error: Unauthorized, file: str | None) -> str:
    """What to do about credentials that the server does not accept."""
    tree = config.load(file)
    settings = ApiSettings.from_config(tree)
    whose = f"of access key {settings.access_key}" if settings.access_key else "in CLEARML_AUTH_TOKEN"
    place = f" of {tree.file}" if tree.file else ""
    return (
        f"{settings.api_server} does not accept the credentials {whose}: {error}. Put a key and secret of that "
        f"server into api.credentials{place}, or into CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY; "
        "`clearml-agent init` asks for them, tries them and writes the file"
    )


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXAMPLES)
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


for command in COMMANDS:
    cli.add_command(command)
