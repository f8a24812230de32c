"""Our wheel, made from what is installed: deterministic, well formed, and good for a fresh environment."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import uv

from control_plane.http.wheel import build_wheel, index_page, root_page


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def test_same_code_gives_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    assert build_wheel(tmp_path).read_bytes() == wheel.read_bytes()
    assert list(tmp_path.iterdir()) == [tmp_path / wheel.name]


def test_record_names_every_file_with_its_hash(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    (record,) = (name for name in content if name.endswith(".dist-info/RECORD"))
    rows = {name: digest for name, digest, _ in csv.reader(io.StringIO(content[record].decode()))}
    assert rows.keys() == content.keys()
    for name, data in content.items():
        expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        assert name == record or rows[name] == f"sha256={expected}"
    tops = {name.partition("/")[0] for name in content if ".dist-info/" not in name}
    assert tops == {"clearml_agent", "clearml_sdk", "control_plane", "clearml_lean.pth"}
    assert not [name for name in content if name.endswith(".pyc")]


def test_index_page_links_to_the_file_by_its_hash(wheel: Path) -> None:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    links = re.findall(r'href="([^"]+)"', index_page(wheel))
    assert links == [f"{digest[:16]}/{wheel.name}#sha256={digest}"]
    assert 'href="clearml-lean/"' in root_page()


def installed(requirement: str, environment: Path) -> Path:
    """A fresh environment with the requirement and what it needs; returns the directory of its commands."""
    program = uv.find_uv_bin()
    subprocess.run([program, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
    install = [program, "pip", "install", "--quiet", "--python", str(environment / "bin" / "python"), requirement]
    if subprocess.run([*install, "--offline"], check=False, capture_output=True).returncode != 0:
        subprocess.run(install, check=True)
    return environment / "bin"


@pytest.mark.rows("S3-011")
def test_agent_is_installed_by_the_one_name_and_brings_its_command(wheel: Path, tmp_path: Path) -> None:
    commands = installed(f"clearml-lean[agent] @ {wheel.as_uri()}", tmp_path / "env")
    for words, said in ((["--version"], "clearml-agent"), (["daemon", "--help"], "--queue"), (["config"], "agent.")):
        done = subprocess.run(
            [commands / "clearml-agent", *words], check=True, capture_output=True, text=True, cwd=tmp_path
        )
        assert said in done.stdout


def test_wheel_installs_into_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    """A plain install, with dependencies; then `clearml` imports, and the commands are there."""
    environment = tmp_path / "env"
    python = installed(str(wheel), environment) / "python"
    code = "import clearml, clearml_sdk; print(clearml is clearml_sdk, clearml.Task.__name__, clearml.__file__)"
    done = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    same, name, file = done.stdout.split()
    assert (same, name, Path(file).is_relative_to(environment)) == ("True", "Task", True)
    again = subprocess.run(
        [python, "-I", "-c", f"from control_plane.http.wheel import *; from pathlib import Path;"
         f"print(build_wheel(Path({str(tmp_path)!r})))"],
        check=True, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert Path(again.stdout.strip()).read_bytes() == wheel.read_bytes()  # an installed one makes the same
    help_text = subprocess.run(
        [environment / "bin" / "clearml-init", "--help"], check=False, capture_output=True, text=True
    )
    assert "clearml" in (help_text.stdout + help_text.stderr).lower()
