"""Configuration: which layer wins, the remembered parse, and whose local server is trusted."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.config import load_settings
from clearml_sdk.config.local_server import read_local_server
from clearml_sdk.errors import ConfigurationError, NotConfigured

CONF = """
api {
    # a comment
    web_server: http://web:8080
    api_server: "http://api:8008"
    credentials {"access_key" = "k", "secret_key" = ${?PLANTED}}
}
sdk.development.worker.log_stdout: no
sdk { development { default_output_uri: "s3://bucket/x" } }
agent.extra_docker_arguments: ["-v", "/a:/b"]
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "run").mkdir(mode=0o700)
    return {
        "CLEARML_CONFIG_FILE": str(tmp_path / "clearml.conf"),
        "CLEARML_CACHE_DIR": str(tmp_path / "cache"),
        "CLEARML_RUNTIME_DIR": str(tmp_path / "run"),
    }


def write_server(environ: dict[str, str], pid: int) -> Path:
    path = Path(environ["CLEARML_RUNTIME_DIR"]) / "server.json"
    facts = {"api_server": "http://l:1", "web_server": "http://l:2", "files_server": "http://l:3"}
    path.write_text(json.dumps({**facts, "access_key": "lk", "secret_key": "ls", "pid": pid}))
    path.chmod(0o600)
    return path


def test_file_is_read_over_defaults_and_under_the_environment(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "clearml.conf").write_text(CONF)
    config = load_settings(
        {**environ, "CLEARML_API_HOST": "http://e:1", "CLEARML__SDK__DEVELOPMENT__WORKER__PING_PERIOD_SEC": "7"}
    )
    assert config.get("api.api_server") == "http://e:1"
    assert config.get("sdk.development.worker.ping_period_sec") == 7
    assert config.get("sdk.development.default_output_uri") == "s3://bucket/x"
    assert config.flag("sdk.development.worker.log_stdout", True) is False
    assert config.get("sdk.metrics.file_history_size") == 100
    assert config.get("agent.extra_docker_arguments") == ["-v", "/a:/b"]
    assert config.get("no.such.key", 3) == 3


def test_parsed_file_is_remembered_privately_and_follows_the_environment(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    (tmp_path / "clearml.conf").write_text(CONF)
    assert load_settings({**environ, "PLANTED": "s1"}).get("api.credentials.secret_key") in ("s1", None)
    remembered = list((tmp_path / "cache" / "config").iterdir())
    assert len(remembered) == 1 and remembered[0].stat().st_mode & 0o77 == 0
    load_settings({**environ, "PLANTED": "s2"})
    assert len(list((tmp_path / "cache" / "config").iterdir())) == 2


def test_substitution_takes_the_environment(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED", "from-the-environment")
    (tmp_path / "clearml.conf").write_text(CONF)
    assert load_settings({**os.environ, **environ}).get("api.credentials.secret_key") == "from-the-environment"


def test_broken_file_is_named(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "clearml.conf").write_text("api { [")
    with pytest.raises(ConfigurationError, match=r"clearml\.conf is not valid"):
        load_settings(environ)


def test_nothing_configured_says_what_to_run(environ: dict[str, str]) -> None:
    with pytest.raises(NotConfigured, match="clearml-init"):
        ApiSettings.from_config(load_settings(environ), environ)


def test_local_server_is_found(environ: dict[str, str]) -> None:
    write_server(environ, os.getpid())
    config = load_settings(environ)
    settings = ApiSettings.from_config(config, environ)
    assert (settings.api_server, settings.files_server, settings.access_key) == ("http://l:1", "http://l:3", "lk")
    assert config.source == "local server"


def test_configured_server_beats_the_local_one(tmp_path: Path, environ: dict[str, str]) -> None:
    write_server(environ, os.getpid())
    (tmp_path / "clearml.conf").write_text(CONF)
    assert load_settings(environ).get("api.api_server") == "http://api:8008"


def test_file_of_a_dead_server_is_ignored(environ: dict[str, str]) -> None:
    write_server(environ, 2**22 + 1)
    assert read_local_server(environ) is None


def test_file_that_others_can_read_is_refused(environ: dict[str, str]) -> None:
    write_server(environ, os.getpid()).chmod(0o644)
    assert read_local_server(environ) is None


def test_link_and_open_directory_are_refused(tmp_path: Path, environ: dict[str, str]) -> None:
    path = write_server(environ, os.getpid())
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")
    assert read_local_server(environ) is None
    path.unlink()
    write_server(environ, os.getpid())
    Path(environ["CLEARML_RUNTIME_DIR"]).chmod(0o755)
    assert read_local_server(environ) is None
