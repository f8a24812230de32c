"""What makes two requests for an environment the same."""

from __future__ import annotations

from clearml_agent.environments.recipes import content_of


def test_a_wheel_is_known_by_its_hash_not_by_the_server_that_hands_it_out() -> None:
    lines = [f"clearml-lean @ http://127.0.0.1:{port}/simple/x-0.1-py3-none-any.whl#sha256=abc" for port in (1, 2)]
    assert content_of(lines[0]) == content_of(lines[1]) == "clearml-lean @ sha256=abc"


def test_without_a_hash_the_address_counts() -> None:
    assert content_of("pkg @ http://127.0.0.1/pkg.whl") == "pkg @ http://127.0.0.1/pkg.whl"
    assert content_of("numpy==2.0 ; python_version > '3.8'") == "numpy==2.0 ; python_version > '3.8'"
