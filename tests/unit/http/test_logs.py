"""The one processor that keeps secrets out of the logs."""

import json
import logging
import sys

import pytest

from control_plane.logs import BLANK, JsonLines, redact, redact_text

SECRET = "s3cr3tvalue"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}",
        f"basic {SECRET}==",
        f"GET /tasks.get_all?token={SECRET} HTTP/1.1",
        f"https://user:{SECRET}@git.example/r.git",
        f"secret_key = {SECRET}",
        f'{{"password": "{SECRET}"}}',
        f"AWS_SECRET_ACCESS_KEY={SECRET}",
        f"eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyIjoi{SECRET}.c2lnbmF0dXJl",
    ],
)
def test_texts_lose_what_looks_like_a_secret(text: str) -> None:
    assert SECRET not in redact_text(text)


@pytest.mark.parametrize(
    "name",
    ["authorization", "Cookie", "set_cookie", "secret_key", "access_key", "token", "query", "query_string", "env"],
)
def test_fields_that_mean_secrets_are_blanked(name: str) -> None:
    assert redact({name: SECRET, "task": "0123"}) == {name: BLANK, "task": "0123"}
    assert SECRET not in json.dumps(redact({"headers": {name: SECRET}, "list": [{name: SECRET}]}))


def test_ordinary_fields_stay() -> None:
    fields = {"api": "http://127.0.0.1:8008", "status": 200, "seconds": 0.5, "worker": "host:gpu0"}
    assert redact(fields) == fields


def _line(**extra: object) -> str:
    record = logging.LogRecord("name", logging.ERROR, "path", 1, "it %s", ("failed",), extra.pop("exc_info", None))  # type: ignore[arg-type]
    vars(record).update(extra)
    return JsonLines().format(record)


def test_an_exception_of_others_keeps_its_kind_and_place_and_loses_its_words() -> None:
    try:
        {}[SECRET]
    except KeyError:
        line = _line(exc_info=sys.exc_info())
    assert SECRET not in line
    fields = json.loads(line)
    assert fields["error"] == "KeyError"
    assert "test_logs.py" in fields["at"][-1]
    assert fields["event"] == "it failed"


def test_causes_are_named_in_order() -> None:
    try:
        try:
            raise ValueError(SECRET)
        except ValueError as error:
            raise RuntimeError(SECRET) from error
    except RuntimeError:
        line = _line(exc_info=sys.exc_info())
    assert json.loads(line)["error"] == "RuntimeError <- ValueError"
    assert SECRET not in line


def test_every_line_is_json_whatever_is_in_it() -> None:
    assert json.loads(_line(odd=object(), body=b"bytes", nested={1: {2, 3}}))["body"] == "5 bytes"
