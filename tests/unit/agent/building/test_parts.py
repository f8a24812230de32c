"""The parts of a build that need no engine."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest
from rich.console import Console

from clearml_agent.building.context import context
from clearml_agent.building.folder import claim_folder, starter
from clearml_agent.building.image import agent_requirements
from clearml_agent.building.installing import environment_file, install_script, local_places
from clearml_agent.building.prebuilt import FILE, VARIABLE, Built, prebuilt
from clearml_agent.building.progress import Progress
from clearml_agent.environments.settings import Indexes, PackageSettings
from clearml_agent.errors import RunFailed, UsageError

BUILT = Built(
    task="t1", python="/usr/bin/python3", root="/code/x", working_dir="/code/x/sub", argv=["a b.py", "--n", "1"]
)


def test_a_context_is_the_same_bytes_whoever_made_its_files_and_when(tmp_path: Path) -> None:
    packed = []
    for number, name in enumerate(("one", "two")):
        folder = tmp_path / name
        (folder / ".git").mkdir(parents=True)
        (folder / ".git" / "HEAD").write_text(name)
        (folder / "b.py").write_text("print(1)\n")
        (folder / "a.sh").write_text("true\n")
        (folder / "a.sh").chmod(0o775 if number else 0o700)
        (folder / "link").symlink_to("b.py")
        os.utime(folder / "b.py", (number, number))
        with context("FROM x\n", {"code": folder, "facts": b"{}"}) as file:
            packed.append(file.read())
    assert packed[0] == packed[1]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed[0]))) as tar:
        assert tar.getnames() == ["Dockerfile", "code", "code/a.sh", "code/b.py", "code/link", "facts"]
        assert tar.getmember("code/a.sh").mode == 0o755
        assert tar.getmember("code/link").linkname == "b.py"


def test_a_build_is_used_for_its_task_and_its_clones_alone(tmp_path: Path) -> None:
    import msgspec

    file = tmp_path / FILE
    file.write_bytes(msgspec.json.encode(BUILT))
    environ = {VARIABLE: str(file), "PATH": "/bin"}
    for task in ({"id": "t1"}, {"id": "t2", "parent": "t1"}):
        found = prebuilt(task, environ)
        assert found is not None
        code, environment = found
        assert (str(code.working_dir), code.entry_point_argv) == ("/code/x/sub", ["a b.py", "--n", "1"])
        assert (str(environment.python), environment.variables["PATH"]) == ("/usr/bin/python3", "/bin")
    assert prebuilt({"id": "t3", "parent": "t2"}, environ) is None
    assert prebuilt({"id": "t1"}, {"PATH": "/bin"}) is None
    file.write_text("{")
    with pytest.raises(RunFailed, match="Build the image again"):
        prebuilt({"id": "t1"}, environ)


def test_only_an_empty_folder_or_that_of_a_build_is_taken(tmp_path: Path) -> None:
    target = tmp_path / "target"
    claim_folder(target)  # made
    for name in ("env", "code"):
        (target / name).mkdir()
    (target / FILE).touch()
    claim_folder(target)
    assert [path.name for path in target.iterdir()] == [".building"]
    (target / "mine").touch()
    with pytest.raises(UsageError, match="mine"):
        claim_folder(target)
    other = tmp_path / "other"
    (other / "env").mkdir(parents=True)
    with pytest.raises(UsageError, match="not made by a build"):
        claim_folder(other)
    with pytest.raises(UsageError, match="is a file"):
        claim_folder(target / "mine")


def test_the_starter_quotes_what_it_runs() -> None:
    lines = starter(BUILT).splitlines()
    assert lines[-2:] == ["cd /code/x/sub || exit 1", "exec /usr/bin/python3 -u 'a b.py' --n 1 \"$@\""]


def test_passwords_of_indexes_are_in_the_mounted_file_and_not_in_the_script() -> None:
    indexes = Indexes(default="https://me:secret@index/simple", extra=("https://other/simple",), certificates="")
    settings = PackageSettings(indexes=indexes)
    environ = {"HOME": "/root", "AWS_SECRET_ACCESS_KEY": "mine", "HTTPS_PROXY": "http://proxy", "PATH": "/bin"}
    text = environment_file(settings, environ)
    assert "export PIP_INDEX_URL=https://me:secret@index/simple\n" in text
    assert "export HTTPS_PROXY=http://proxy\n" in text
    assert "AWS" not in text and "HOME" not in text
    assert "secret" not in install_script(
        "/usr/bin/python3", ["--upgrade"], folder="/clearml/code/a b", venv="/clearml/agent"
    )


def test_a_local_index_is_mounted_with_its_files(tmp_path: Path) -> None:
    (tmp_path / "index" / "simple").mkdir(parents=True)
    (tmp_path / "wheels").mkdir()
    indexes = Indexes(
        extra=((tmp_path / "index" / "simple").as_uri(), "https://x/simple"),
        find_links=(str(tmp_path / "wheels"), "https://y"),
    )
    assert local_places(PackageSettings(indexes=indexes)) == [tmp_path / "wheels", tmp_path / "index"]


def test_an_agent_in_an_image_brings_no_installer() -> None:
    names = {line.split(">")[0] for line in agent_requirements()}
    assert {"aiohttp", "click", "uvloop"} <= names
    assert "uv" not in names


def test_progress_names_its_steps_on_a_terminal_and_off() -> None:
    for is_terminal in (True, False):
        out = io.StringIO()
        progress = Progress(Console(file=out, force_terminal=is_terminal, width=60))
        with progress.step("packages"):
            progress.say("Downloading attrs\nInstalled 1 package")
        progress.say("done")
        text = out.getvalue()
        assert "packages: 0.0 s" in text
        assert "done" in text
        assert ("Downloading attrs\n" in text) is not is_terminal
