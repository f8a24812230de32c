"""Standalone mode: what the caches hold is used, however old, and no index is asked for what they lack."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clearml_agent.environments import EnvironmentFailed
from clearml_agent.environments.interpreters import uv_program
from clearml_agent.environments.layout import entries
from clearml_agent.environments.settings import PackageSettings, Torch

pytestmark = pytest.mark.timeout(120)
VERSION = "import alpha; print(alpha.VERSION)"


@pytest.fixture
def alone(index_server: Any) -> PackageSettings:
    return msgspec.structs.replace(index_server.settings(), is_offline=True)


def test_option_reaches_the_packages() -> None:
    values = {"agent.standalone_mode": True}
    assert PackageSettings.from_config(lambda key, default=None: values.get(key, default), {}).is_offline


async def test_kept_environment_serves_also_when_it_has_expired(work: Any, index_server: Any, alone: Any) -> None:
    first = await work("alpha", settings=index_server.settings(), name="one")
    (entry,) = entries(work.cache, first.key)
    record = msgspec.structs.replace(entry.record, expires_at=time.time() - 1)
    (entry.path / "entry.json").write_bytes(msgspec.json.encode(record))
    index_server.authorizations.clear()
    second = await work("alpha", settings=alone, name="two")
    assert (second.reused, work.run(second, VERSION)) == (True, "2.0")
    other = await work("alpha==2.0", settings=alone, name="three")  # its building evicts nothing that is needed
    assert (other.reused, work.run(other, VERSION)) == (False, "2.0")
    assert (await work("alpha", settings=alone, name="four")).reused
    assert index_server.authorizations == set()


async def test_packages_that_no_cache_holds_fail_with_advice_and_without_a_question(
    work: Any, index_server: Any, alone: Any, tmp_path: Path
) -> None:
    with pytest.raises(EnvironmentFailed, match="standalone mode") as failed:
        await work("alpha==1.0", settings=alone, name="one")
    assert "start the task once without --standalone-mode" in failed.value.message
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "setup.py").write_text("raise SystemExit('must not be built')\n")
    with pytest.raises(EnvironmentFailed, match="standalone mode"):
        await work(str(tmp_path / "local"), settings=alone, name="two")
    link = f"{index_server.url().removesuffix('/simple')}/files/alpha-1.0-py3-none-any.whl"
    downloads = msgspec.structs.replace(alone, download_cache=str(tmp_path / "downloads"))
    with pytest.raises(EnvironmentFailed, match="standalone mode"):
        await work(f"alpha @ {link}", settings=downloads, name="three")
    assert index_server.authorizations == set() and index_server.downloads == []
    await work(f"alpha @ {link}", settings=msgspec.structs.replace(downloads, is_offline=False), name="four")
    work.cache.rename(tmp_path / "gone")
    made = await work(f"alpha @ {link}", settings=downloads, name="five")
    assert work.run(made, VERSION) == "1.0" and len(index_server.downloads) == 1


async def test_lock_file_is_installed_from_the_caches_alone(work: Any, index_server: Any, tmp_path: Path) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        "[project]\nname = 'mine'\nversion = '1'\nrequires-python = '>=3.11'\ndependencies = ['alpha']\n"
        f"[[tool.uv.index]]\nurl = '{index_server.url()}'\ndefault = true\n"
    )
    work.environ.pop("UV_NO_CONFIG")
    subprocess.run([uv_program(), "lock", "--quiet"], cwd=folder, env=work.environ, check=True)  # noqa: ASYNC221 - once
    work.environ["UV_CACHE_DIR"] = str(tmp_path / "empty")
    settings = msgspec.structs.replace(work.settings, is_offline=True)
    with pytest.raises(EnvironmentFailed, match="standalone mode"):
        await work(root=folder, settings=settings, name="one")
    first = await work(root=folder, name="two")
    index_server.stop()
    again = await work(root=folder, settings=settings, name="three")
    assert (first.reused, again.reused, work.run(again, VERSION)) == (False, True, "2.0")


async def test_index_of_pytorch_is_remembered_and_not_asked_for(work: Any, index: Any, index_server: Any) -> None:
    index.add("torch", "2.1.0+cu118", {"torch/__init__.py": "VERSION = 'cu118'\n"})
    index_server.pages = {"cu118/torch": ["torch-2.1.0+cu118"]}
    url = index_server.url().removesuffix("/simple")
    settings = msgspec.structs.replace(
        index_server.settings(), torch=Torch(cuda="12.1", index=f"{url}/cu{{}}/", nightly_index=f"{url}/nightly{{}}/")
    )
    first = await work("torch==2.1.0", settings=settings, name="one")
    (known,) = (work.cache / "torch").glob("*.json")
    known.write_text(json.dumps({**json.loads(known.read_text()), "at": 0.0}))
    index_server.stop()
    begun_at = time.monotonic()
    again = await work("torch==2.1.0", settings=msgspec.structs.replace(settings, is_offline=True), name="two")
    assert (again.key, again.reused) == (first.key, True)
    print("seconds without an index:", time.monotonic() - begun_at)
    assert work.run(again, "import torch; print(torch.VERSION)") == "cu118"


async def test_poetry_and_conda_say_that_they_cannot(work: Any, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(work.settings, is_offline=True)
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("[project]\nname = 'mine'\nversion = '1'\n[tool.poetry]\n")
    (folder / "poetry.lock").write_text("[[package]]\nname = 'alpha'\nversion = '1.0'\n[metadata]\n")
    with pytest.raises(EnvironmentFailed, match="standalone mode, and poetry"):
        await work(root=folder, settings=settings, name="poetry")
    (folder / "environment.yml").write_text("dependencies:\n  - python\n")
    conda = msgspec.structs.replace(settings, manager="conda")
    with pytest.raises(EnvironmentFailed, match="standalone mode, and this conda environment"):
        await work(root=folder, settings=conda, name="conda")
