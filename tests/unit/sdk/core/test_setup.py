"""The `clearml` name, the command line, and the parts of `clearml-init` that need no server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.cli import main
from clearml_sdk.config.hocon import parse
from clearml_sdk.setup_wizard import conf_text, is_taken, normal_host, parse_block, write_conf

PASTED = """api {
  web_server: https://app.h
  api_server: https://api.h
  credentials {
    "access_key" = "K1"
    "secret_key" = "S1%/"
  }
}"""


def python(code: str, *options: str, path: Path | None = None) -> str:
    env = {**os.environ, **({"PYTHONPATH": str(path)} if path else {})}
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=env).stdout.strip()


def test_both_names_are_one_module() -> None:
    code = (
        "import clearml, clearml_sdk; import clearml.config.settings as a, clearml_sdk.config.settings as b;"
        "import clearml_sdk.values as d; from clearml import values as c;"
        "print(clearml is clearml_sdk, a is b, c is d, clearml.__spec__.name, a.__spec__.name)"
    )
    assert python(code) == "True True True clearml_sdk clearml_sdk.config.settings"


def test_missing_names_are_reported_under_the_name_that_was_used() -> None:
    code = "try:\n import clearml.nothing\nexcept ModuleNotFoundError as e: print(e)"
    assert python(code) == "No module named 'clearml.nothing'"


def test_the_official_package_wins(tmp_path: Path) -> None:
    (tmp_path / "clearml").mkdir()
    (tmp_path / "clearml" / "__init__.py").write_text("official = True\n")
    code = (
        "import clearml, clearml_sdk; print(clearml.official, clearml is clearml_sdk)\n"
        "try:\n import clearml.session\nexcept ModuleNotFoundError as e: print(e)"
    )
    assert python(code, path=tmp_path) == "True False\nNo module named 'clearml.session'"


def test_an_interpreter_starts_without_loading_anything_of_ours() -> None:
    assert python("import sys; print([m for m in sys.modules if m.startswith('clearml')])") == "[]"


def test_modules_run_under_either_name() -> None:
    for name in ("clearml.cli", "clearml_sdk.cli"):
        command = [sys.executable, "-m", name, "--version"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert answer.stdout.startswith("clearml-lean ")


def test_the_program_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clearml"]) == 2
    assert "server" in capsys.readouterr().out
    assert main(["clearml", "nonsense"]) == 2
    assert "unknown command: nonsense" in capsys.readouterr().err


def test_a_missing_extra_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['aiohttp'] = None\n"
        f"from clearml_sdk.cli import main; sys.exit(main(['clearml-server', '--data-dir', {str(tmp_path)!r}]))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 1 and "pip install 'clearml-lean[server]'" in answer.stderr, answer.stderr


@pytest.mark.parametrize(
    "text",
    [
        PASTED,
        PASTED.replace("{\n", "\n").replace("}", ""),
        '{"api": {"web_server": "https://app.h", "api_server": "https://api.h", '
        '"credentials": {"access_key": "K1", "secret_key": "S1%/"}}}',
    ],
)
def test_pasted_credentials_are_understood(text: str) -> None:
    found = parse_block(text)
    assert found == {
        "api_server": "https://api.h",
        "web_server": "https://app.h",
        "access_key": "K1",
        "secret_key": "S1%/",
    }


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("localhost", "http://localhost:8008"),
        ("10.0.0.5:8008", "http://10.0.0.5:8008"),
        ("api.acme.org", "https://api.acme.org"),
        ("http://h:1/", "http://h:1"),
    ],
)
def test_hosts_as_people_type_them(typed: str, host: str) -> None:
    assert normal_host(typed) == host


def test_the_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "clearml.conf"
    settings = ApiSettings("http://h:8008", access_key="k", secret_key='quo"te\\')
    write_conf(str(path), settings)
    assert path.stat().st_mode & 0o777 == 0o600
    assert parse("x", path.read_text())["api"]["credentials"]["secret_key"] == 'quo"te\\'
    with pytest.raises(FileExistsError):
        write_conf(str(path), settings)
    empty = tmp_path / "empty.conf"
    empty.touch(mode=0o644)
    assert not is_taken(str(empty))
    write_conf(str(empty), settings)
    assert empty.stat().st_mode & 0o777 == 0o600
    assert 'web_server: "http://h:8080"' in conf_text(settings)
