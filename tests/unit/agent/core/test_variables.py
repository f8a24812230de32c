"""What the task's process is given, and above all what it is not."""

from __future__ import annotations

import json

from clearml_agent.execution.variables import Surroundings, configuration, task_environment, variables

SECRETS = {
    "CLEARML_API_ACCESS_KEY": "key-of-the-agent",
    "CLEARML_API_SECRET_KEY": "secret-of-the-agent",
    "TRAINS_API_SECRET_KEY": "secret-of-the-agent",
    "CLEARML_AUTH_TOKEN": "token-of-the-agent",
    "CLEARML_AGENT_GIT_USER": "git-user",
    "CLEARML_AGENT_GIT_PASS": "git-pass",
    "CLEARML__API__CREDENTIALS__SECRET_KEY": "secret-of-the-agent",
}
RUN = Surroundings(
    task="t1",
    directory="/runs/t1.3",
    worker="host:0",
    token="claim-token",
    api_server="http://api",
    web_server="http://web",
    files_server="http://files",
    config_file="/runs/t1.3/clearml.conf",
    journal="/runs/t1.3/journal",
    tags=("a", "b"),
    python_path=("/code", "/code/src"),
)


def test_the_agents_credentials_are_not_passed_on() -> None:
    found = variables({**SECRETS, "HOME": "/home/u"}, RUN, {})
    text = json.dumps({k: v for k, v in found.items() if k != "CLEARML_AUTH_TOKEN"})
    for value in SECRETS.values():
        assert value not in text
    assert found["CLEARML_AUTH_TOKEN"] == "claim-token"
    assert found["HOME"] == "/home/u"


def test_the_documented_variables_are_there() -> None:
    found = variables({"PYTHONPATH": "/own"}, RUN, {"VIRTUAL_ENV": "/env"})
    for prefix in ("CLEARML", "TRAINS"):
        assert found[f"{prefix}_TASK_ID"] == "t1"
        assert found[f"{prefix}_CONFIG_FILE"] == "/runs/t1.3/clearml.conf"
        assert found[f"{prefix}_LOG_TASK_TO_BACKEND"] == "0"
    assert found["CLEARML_WORKER_ID"] == "host:0"
    assert found["CLEARML_WORKER_TAGS"] == "a b"
    assert found["PYTHONPATH"] == "/own:/code:/code/src"
    assert found["VIRTUAL_ENV"] == "/env"
    assert found["CLEARML_API_HOST"] == "http://api"


def test_the_agents_own_environment_is_left_behind() -> None:
    base = {"VIRTUAL_ENV": "/agent", "PATH": "/agent/bin:/usr/bin", "PYTHONHOME": "/x", "UV_CACHE_DIR": "/uv"}
    found = variables(base, RUN, {})
    assert found["PATH"] == "/usr/bin"
    assert not {"VIRTUAL_ENV", "PYTHONHOME", "UV_CACHE_DIR"} & set(found)


def test_the_configuration_file_has_the_users_sdk_section_and_no_credentials() -> None:
    tree = {
        "api": {"credentials": {"access_key": "K", "secret_key": "S"}, "verify_certificate": False},
        "sdk": {"aws": {"s3": {"key": "AK"}}},
        "agent": {"git_pass": "P"},
    }
    found = configuration(tree, RUN)
    assert found["api"]["api_server"] == "http://api"
    assert found["api"]["verify_certificate"] is False
    assert found["sdk"] == tree["sdk"]
    text = json.dumps(found)
    assert '"K"' not in text
    assert '"S"' not in text
    assert '"P"' not in text


def test_the_environment_section_of_a_task() -> None:
    section = {"Environment": {"A": {"value": "1"}}, "Args": {"B": {"value": "2"}}}
    assert task_environment(section) == {"A": "1"}
