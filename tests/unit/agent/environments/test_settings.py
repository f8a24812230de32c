"""Where packages come from: the agent's configuration, pip's of this machine, and uv's own variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clearml_agent.environments import PackageSettings
from clearml_agent.environments.installer import Installer
from clearml_agent.environments.settings import pip_settings, read_indexes


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    (tmp_path / "links").mkdir()
    (tmp_path / ".config" / "pip" / "pip.conf").write_text(
        "[global]\nindex-url = https://u:p@mirror/simple\nextra-index-url =\n  https://one/simple\n  https://two/simple\n"
        f"find_links = {tmp_path}/links /nowhere\n[install]\ntrusted-host = one\n[freeze]\nindex-url = no\n"
    )
    return {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "none")}


def test_pip_files_are_read_and_variables_come_first(home: dict[str, str]) -> None:
    found = read_indexes(["https://agent/simple"], {**home, "PIP_TRUSTED_HOST": "two"})
    assert found.default == "https://u:p@mirror/simple"
    assert found.extra == ("https://agent/simple", "https://one/simple", "https://two/simple")
    assert found.find_links == (f"{home['HOME']}/links",)
    assert found.trusted_hosts == ("two",)


def test_pip_files_can_be_switched_off(home: dict[str, str]) -> None:
    assert "index-url" not in pip_settings({**home, "PIP_CONFIG_FILE": "/dev/null"})


def test_broken_pip_file_is_passed_over(home: dict[str, str]) -> None:
    (Path(home["HOME"]) / ".config" / "pip" / "pip.conf").write_text("index-url = no section\n")
    assert pip_settings({**home, "PIP_NO_INDEX": "1"})["no-index"] == "1"


def test_uv_variables_stand_in_place_of_pips(home: dict[str, str]) -> None:
    found = read_indexes(
        ["https://agent/simple"], {**home, "UV_INDEX_URL": "https://uv/simple", "UV_INDEX": "https://x"}
    )
    assert (found.default, found.extra) == ("https://uv/simple", ("https://agent/simple", "https://x"))


def test_passwords_of_indexes_are_on_no_command_line(home: dict[str, str]) -> None:
    settings = PackageSettings(indexes=read_indexes(["https://u:secret@agent/simple"], home))
    installer = Installer(settings, home, print)
    assert "secret" not in " ".join(installer.arguments())
    assert "secret" in installer.environment["UV_INDEX"]


def test_configuration_keys() -> None:
    tree: dict[str, Any] = {
        "agent.package_manager.extra_index_url": ["https://a"],
        "agent.package_manager.system_site_packages": "yes",
        "agent.package_manager.extra_pip_install_flags": "--no-deps",
        "agent.venvs_cache.max_entries": "3",
        "agent.venvs_cache.free_space_threshold_gb": 0.5,
        "agent.python_binary": "/usr/bin/python3",
    }
    environ = {"PIP_CONFIG_FILE": "/dev/null", "CLEARML_EXTRA_PIP_INSTALL_FLAGS": "--no-build"}
    found = PackageSettings.from_config(lambda key, default: tree.get(key, default), environ)
    assert found.indexes.extra == ("https://a",)
    assert (found.system_site_packages, found.max_entries, found.free_space_bytes) == (True, 3, 500_000_000)
    assert (found.flags, found.python_binary) == (("--no-deps", "--no-build"), "/usr/bin/python3")
