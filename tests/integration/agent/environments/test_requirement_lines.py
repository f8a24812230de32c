"""What people write into requirements: each form installs what it means, or fails with a message."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clearml_agent.environments.settings import Indexes
from clearml_agent.errors import EnvironmentFailed

VERSION = "import alpha; print(alpha.VERSION)"


def without_index(work: Any) -> Any:
    """Settings under which nothing is found but what the lines themselves name."""
    return msgspec.structs.replace(work.settings, indexes=Indexes(no_index=True))


@pytest.fixture
def code(tmp_path: Path, index: Any) -> Path:
    """A repository that brings wheels, in `wheels` and `deps/more`."""
    root = tmp_path / "code"
    for name in ("wheels", "deps/more"):
        (root / name).mkdir(parents=True)
        shutil.copy(index.add("alpha", "3.0" if name == "wheels" else "4.0"), root / name)
    for version in ("3.0", "4.0"):
        (index.folder / f"alpha-{version}-py3-none-any.whl").unlink()
    return root


async def test_folder_of_wheels_in_the_code_is_found(work: Any, code: Path) -> None:
    made = await work("--find-links ./wheels", "alpha", root=code, settings=without_index(work))
    assert work.run(made, VERSION) == "3.0"


async def test_folder_of_wheels_beside_a_requirements_file_is_found(work: Any, code: Path) -> None:
    (code / "deps" / "requirements.txt").write_text("--find-links=more\nalpha\n")
    made = await work("-r deps/requirements.txt", root=code, settings=without_index(work))
    assert work.run(made, VERSION) == "4.0"


async def test_wheel_in_the_code_is_installed(work: Any, code: Path) -> None:
    made = await work("./wheels/alpha-3.0-py3-none-any.whl", root=code)
    assert work.run(made, VERSION) == "3.0"


async def test_index_in_the_lines_is_asked_and_its_password_left_nowhere(work: Any, index_server: Any) -> None:
    work.environ["TOKEN"] = "planted-secret"
    default = Indexes(default=index_server.url().replace("/simple", "/nothing"))
    settings = msgspec.structs.replace(work.settings, indexes=default)
    for number, userinfo in enumerate(("user:planted-secret@", "user:${TOKEN}@")):
        line = f"--extra-index-url {index_server.url(userinfo)}"
        made = await work(line, "alpha==1.0", settings=settings, name=f"run{number}")
        assert work.run(made, VERSION) == "1.0"
        assert any(value.startswith("Basic ") for value in index_server.authorizations)
        index_server.authorizations.clear()
        with pytest.raises(EnvironmentFailed) as failed:
            await work(line, "nothing==1.0", settings=settings, name="bad")
        assert "planted-secret" not in failed.value.message
        for path in (*work.cache.rglob("*"), *(work.folder / "runs").rglob("*")):
            assert not path.is_file() or b"planted-secret" not in path.read_bytes(), path
        shutil.rmtree(work.environ["UV_CACHE_DIR"])
        shutil.rmtree(work.cache)
    assert "planted-secret" not in work.console


async def test_hashes_are_looked_at(work: Any, index: Any) -> None:
    digest = hashlib.sha256((index.folder / "alpha-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    made = await work(f"alpha==1.0 \\\n    --hash=sha256:{digest}")
    assert work.run(made, VERSION) == "1.0"
    with pytest.raises(EnvironmentFailed, match=r"(?i)hash"):
        await work(f"alpha==1.0 --hash=sha256:{'0' * 64}", name="wrong")


async def test_lines_of_windows_and_a_byte_order_mark_change_nothing(work: Any, code: Path) -> None:
    made = await work("\ufeffalpha==1.0\r\n# a remark\r\n\r\n")
    assert work.run(made, VERSION) == "1.0"
    (code / "requirements.txt").write_bytes("\ufeffalpha==2.0  # ä\r\n".encode())
    made = await work(root=code, name="file")
    assert work.run(made, VERSION) == "2.0"
    (code / "requirements.txt").write_bytes("alpha==1.0\r\n".encode("utf-16"))  # as PowerShell's `>` writes it
    made = await work(root=code, name="wide")
    assert work.run(made, VERSION) == "1.0"


async def test_versions_that_contradict_each_other_are_both_named(work: Any) -> None:
    with pytest.raises(EnvironmentFailed) as failed:
        await work("alpha==1.0", "alpha==2.0")
    assert "cannot be installed together" in failed.value.message
    assert "1.0" in failed.value.message and "2.0" in failed.value.message


async def test_package_that_cannot_be_built_ends_with_its_own_words(real_pip: Any, index: Any, tmp_path: Path) -> None:
    folder = tmp_path / "beta-1.0"
    folder.mkdir()
    text = (
        "print('\\n'.join('compiling %d' % n for n in range(500)))\nraise SystemExit('fatal error: jpeglib.h: none')\n"
    )
    (folder / "setup.py").write_text(text)
    (folder / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: beta\nVersion: 1.0\n")
    with tarfile.open(index.folder / "beta-1.0.tar.gz", "w:gz") as archive:
        archive.add(folder, "beta-1.0")
    with pytest.raises(EnvironmentFailed) as failed:
        await real_pip("beta==1.0")
    assert "could not be built from source" in failed.value.message
    assert "fatal error: jpeglib.h: none" in failed.value.message
    assert "fatal error: jpeglib.h: none" in real_pip.console
    assert len(failed.value.message) < 4000
