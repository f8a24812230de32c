"""Which image a task gets."""

from __future__ import annotations

from typing import Any

import pytest

from clearml_agent.docker.choosing import Choice, Defaults, choose, fits

DEFAULTS = Defaults(image="configured", arguments=("--a",))


def chosen(task: dict[str, Any] | None = None, defaults: Defaults = DEFAULTS, project: str = "") -> Choice:
    return choose(task or {}, project, defaults)


def test_task_before_command_line_before_variable_before_configuration() -> None:
    task = {"container": {"image": "own", "arguments": "-e 'A=1 2'", "setup_shell_script": "x"}}
    given = Defaults(given=("given", "-v"), variable="variable --b", image="configured")
    assert chosen(task, given) == Choice("own", ("-e", "A=1 2"), "x", False, "the task's container")
    assert (chosen({}, given).image, chosen({}, given).arguments) == ("given", ("-v",))
    variable = Defaults(variable="variable --b", image="configured")
    assert (chosen({}, variable).image, chosen({}, variable).arguments) == ("variable", ("--b",))
    assert (chosen().image, chosen().arguments, chosen().update_back) == ("configured", ("--a",), True)


def test_arguments_behind_the_image_are_the_tasks() -> None:
    assert chosen({"container": {"image": "own --x", "arguments": "--y"}}).arguments == ("--x", "--y")


def test_arguments_without_an_image_go_with_the_default() -> None:
    found = chosen({"container": {"arguments": "--y", "setup_shell_script": "s"}})
    assert (found.image, found.arguments, found.setup) == ("configured", ("--a", "--y"), "s")


def test_override_can_be_switched_off_but_for_the_setup_script() -> None:
    task = {"container": {"image": "own", "arguments": "--y", "setup_shell_script": "s"}}
    found = chosen(task, Defaults(image="configured", ignores_task=True))
    assert (found.image, found.arguments, found.setup) == ("configured", (), "s")


RULES: tuple[dict[str, Any], ...] = (
    {"image": "first", "arguments": "--r", "match": {"script": {"binary": "python3.6$"}, "project": "vision"}},
    {"image": "second", "match": {"script": {"binary": "python3.6$"}}, "update_back_task": False},
)


def test_first_rule_that_fits_counts() -> None:
    task = {"script": {"binary": "/usr/bin/python3.6"}}
    defaults = Defaults(image="configured", rules=RULES)
    assert (chosen(task, defaults, "team/vision").image, chosen(task, defaults, "team/vision").arguments) == (
        "first",
        ("--r",),
    )
    assert (chosen(task, defaults).image, chosen(task, defaults).update_back) == ("second", False)
    assert chosen({"script": {"binary": "python3.7"}}, defaults).image == "configured"


def test_words_after_docker_switch_the_rules_off() -> None:
    task = {"script": {"binary": "python3.6"}}
    assert chosen(task, Defaults(given=("given",), rules=RULES)).image == "given"


def test_forced_rule_goes_before_the_task() -> None:
    forced = ({**RULES[1], "force_container_rules": True},)
    task = {"script": {"binary": "python3.6"}, "container": {"image": "own"}}
    assert chosen(task, Defaults(rules=forced)).image == "second"
    assert chosen(task, Defaults(rules=RULES)).image == "own"


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({}, True),
        ({"tags": ["gpu"]}, True),
        ({"tags": ["gpu", "none"]}, False),
        ({"container": "^nvidia/"}, True),
        ({"script": {"repository": "github.com/team", "branch": "^main$"}}, True),
        ({"script": {"branch": "^mai$"}}, False),
        ({"script": {"requirements": {"pip": {"torch": ">=2.0"}}}}, True),
        ({"script": {"requirements": {"pip": {"torch": "<2.0"}}}}, False),
        ({"script": {"requirements": {"pip": {"jax": ""}}}}, False),
        ({"no_such_field": "x"}, False),
    ],
)
def test_rules_over_a_tasks_fields(match: dict[str, Any], expected: bool) -> None:
    task = {
        "tags": ["my-gpu", "x"],
        "container": {"image": "nvidia/cuda"},
        "script": {
            "repository": "https://github.com/team/repo.git",
            "branch": "main",
            "requirements": {"pip": "torch==2.1.0\nnumpy\n"},
        },
    }
    assert fits({"match": match}, task, "") is expected
