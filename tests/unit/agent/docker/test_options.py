"""`docker run` arguments as users write them."""

from __future__ import annotations

import pytest

from clearml_agent.docker.options import Option, parse, split
from clearml_agent.errors import UsageError


def pairs(text: str) -> list[tuple[str, str]]:
    return [(option.name, option.value) for option in parse(split(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (
            "-e A=1 --env B=2 --env=C=3 -eD=4 -e=E=5",
            [("env", f"{n}={v}") for n, v in zip("ABCDE", "12345", strict=True)],
        ),
        ("-v '/a b:/c' --volume=/d:/e:ro", [("volume", "/a b:/c"), ("volume", "/d:/e:ro")]),
        ("--privileged --init=false", [("privileged", "true"), ("init", "false")]),
        ("-it", [("interactive", "true"), ("tty", "true")]),
        ("-itp 80:80", [("interactive", "true"), ("tty", "true"), ("publish", "80:80")]),
        ("--net host", [("network", "host")]),
        ("--ipc=host --shm-size 8g", [("ipc", "host"), ("shm-size", "8g")]),
        ("--gpus '\"device=0,1\"'", [("gpus", '"device=0,1"')]),
    ],
)
def test_words_become_options(text: str, expected: list[tuple[str, str]]) -> None:
    assert pairs(text) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("--no-such", "--no-such"),
        ("-Z", "-Z"),
        ("-e", "-e needs a value"),
        ("--memory", "--memory needs a value"),
        ("ubuntu:22.04", "'ubuntu:22.04' among the container arguments"),
        ("-v 'a", "cannot be read"),
    ],
)
def test_what_is_not_understood_is_named(text: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        pairs(text)


def test_options_can_be_written_again() -> None:
    text = "-e A=1 --privileged --init=false -v /a:/b --net host"
    words = [word for option in parse(split(text)) for word in option.words]
    assert [(option.name, option.value) for option in parse(words)] == pairs(text)


def test_written_form_is_kept_for_filters() -> None:
    assert parse(["-e", "A=1"]) == [Option("env", "A=1", "-e")]
