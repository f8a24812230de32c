"""What a container is made of, where that is decided from values alone."""

from __future__ import annotations

from typing import Any, cast

import pytest

from clearml_agent.docker.engine import Engine
from clearml_agent.docker.options import parse, split
from clearml_agent.docker.plan import refuse_mapped, unexportable
from clearml_agent.errors import RunFailed

NO_CLIENT = cast(Any, None)


def test_engine_that_maps_users_is_refused_unless_the_arguments_switch_that_off() -> None:
    mapping = Engine(NO_CLIENT, {"SecurityOptions": ["name=seccomp,profile=default", "name=userns"]})
    with pytest.raises(RunFailed, match="--userns=host"):
        refuse_mapped(parse(split("--memory 1g")), mapping)
    refuse_mapped(parse(split("--userns=host")), mapping)
    refuse_mapped([], Engine(NO_CLIENT, {"SecurityOptions": ["name=seccomp,profile=default"]}))


def test_variables_that_no_shell_can_set_are_told_apart() -> None:
    given = {"PLAIN": "1", "with.dot": "2", "with-dash": "3", "1st": "4"}
    assert set(unexportable(given)) == {"with.dot", "with-dash", "1st"}
