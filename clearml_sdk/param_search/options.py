"""The command line of `clearml-param-search`, and the parameters that it gives as JSON."""

from __future__ import annotations

import argparse
import json

from clearml_sdk._version import __version__
from clearml_sdk.automation import parameters
from clearml_sdk.automation.parameters import DiscreteParameterRange, Parameter
from clearml_sdk.command_line import Parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

SIGNS = ("min", "max", "min_global", "max_global")
OPTIMIZERS = {
    "OptimizerOptuna": "clearml_sdk.automation.optuna",
    "OptimizerBOHB": "clearml_sdk.automation.hpbandster",
    "GridSearch": "clearml_sdk.automation.optimization",
    "RandomSearch": "clearml_sdk.automation.optimization",
}
EXAMPLE = '{"type": "UniformParameterRange", "name": "Args/lr", "min_value": 0.01, "max_value": 0.1}'


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    made = Parser(
        prog="clearml-param-search", description="Search for the best values of a task's or a script's parameters."
    )
    add = made.add_argument
    add("--version", action="version", version=f"clearml-param-search {__version__}")
    add("--project-name", help="project of the search's task")
    add("--task-name", help="name of the search's task")
    of = made.add_mutually_exclusive_group(required=True)
    of.add_argument("--task-id", metavar="ID", help="the task whose copies are the trials")
    of.add_argument("--script", help="a script, of which such a task is made")
    add("--args", nargs="*", metavar="NAME=VALUE", help="values of the script's arguments")
    add("--queue", help="queue that the trials go to (default: default)")
    add("--local", action="store_true", help="run the trials on this machine, without an agent")
    space = made.add_argument_group("parameters")
    add = space.add_argument
    add("--params-search", nargs="*", default=[], metavar="JSON", help=f"what is searched, such as '{EXAMPLE}'")
    add(
        "--params-override",
        nargs="*",
        default=[],
        metavar="JSON",
        help='what is set, such as \'{"name": "Args/epochs", "value": 3}\'',
    )
    goal = made.add_argument_group("objective")
    add = goal.add_argument
    add("--objective-metric-title", required=True, metavar="TITLE", help="title of the scalar")
    add("--objective-metric-series", required=True, metavar="SERIES", help="its series")
    add(
        "--objective-metric-sign",
        required=True,
        choices=SIGNS,
        help="whether the last value, or any, is to be low or high",
    )
    limits = made.add_argument_group("limits")
    add = limits.add_argument
    add(
        "--optimizer-class",
        default="OptimizerOptuna",
        choices=tuple(OPTIMIZERS),
        help="how is searched (default: Optuna)",
    )
    add("--optimization-time-limit", type=float, metavar="MINUTES", help="of the whole search")
    add("--compute-time-limit", type=float, metavar="MINUTES", help="of all trials together")
    add("--time-limit-per-job", type=float, metavar="MINUTES", help="of one trial")
    add("--pool-period-min", type=float, default=0.2, metavar="MINUTES", help="between two looks at the trials")
    add("--total-max-jobs", type=int, metavar="N", help="so many trials in all")
    add("--min-iteration-per-job", type=int, metavar="N", help="iterations before a trial may be given up")
    add("--max-iteration-per-job", type=int, metavar="N", help="iterations after which a trial is stopped")
    add("--max-number-of-concurrent-tasks", type=int, metavar="N", help="trials at a time (default: 10)")
    add("--save-top-k-tasks-only", type=int, default=10, metavar="N", help="archive the trials but the best ones")
    return made


def read_space(searched: Sequence[str], fixed: Sequence[str]) -> list[Parameter]:
    """The parameters of `--params-search` and `--params-override`. Raises ValueError naming what cannot be read."""
    found = [_parameter(text) for text in searched]
    for text in fixed:
        given = _object(text, "--params-override")
        if set(given) != {"name", "value"}:
            raise ValueError(f'--params-override takes {{"name": ..., "value": ...}}, not {text}')
        found.append(DiscreteParameterRange(str(given["name"]), values=[given["value"]]))
    return found


def _parameter(text: str) -> Parameter:
    given = _object(text, "--params-search")
    kind = getattr(parameters, str(given.pop("type", "")), None)
    if not (isinstance(kind, type) and issubclass(kind, Parameter)):
        raise ValueError(f"--params-search: no such type of parameter in {text}; an example: {EXAMPLE}")
    try:
        return kind(**given)
    except TypeError as error:
        raise ValueError(f"--params-search {text}: {error}") from error


def _object(text: str, option: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{option} is not JSON: {text} ({error})") from error
    if not isinstance(found, dict):
        raise ValueError(f"{option} takes an object, not {text}")
    return found
