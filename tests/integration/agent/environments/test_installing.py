"""Which packages come first and last, which may fail, and when pip itself installs them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clearml_agent.environments import EnvironmentFailed
from clearml_agent.environments.settings import Torch

pytestmark = pytest.mark.timeout(180)


def settled(work: Any, **more: Any) -> Any:
    return msgspec.structs.replace(work.settings, **more)


@pytest.mark.rows("S3-041", "S3-043")
async def test_priority_packages_come_first_and_post_packages_last(work: Any, index: Any) -> None:
    for name in ("first", "late"):
        index.add(name, "1.0")
    settings = settled(work, priority=("first",), post=("late",))
    made = await work("late==1.0", "alpha==1.0", "first==1.0", settings=settings)
    order = [line.strip(" +").partition("==")[0] for line in work.lines if line.startswith(" + ") and "pip" not in line]
    assert [name for name in order if name in ("first", "alpha", "late")] == ["first", "alpha", "late"]
    assert work.run(made, "import first, alpha, late; print(late.VERSION)") == "1.0"
    assert made.key != (await work("late==1.0", "alpha==1.0", "first==1.0", name="other")).key


@pytest.mark.rows("S3-042", "S3-044")
async def test_optional_packages_may_fail(work: Any) -> None:
    settings = settled(work, priority_optional=("pygobject",), post_optional=("apex",))
    made = await work("pygobject==1.0", "alpha==1.0", "apex", settings=settings)
    assert work.run(made, "import alpha; print(alpha.VERSION)") == "1.0"
    assert "pygobject==1.0 is optional and is left out" in work.console
    assert "apex is optional and is left out" in work.console
    assert made.frozen == ["alpha==1.0"]


NEEDS_ALPHA = """
import alpha, setuptools
open("built_with.py", "w").write(f"VERSION = {alpha.VERSION!r}\\n")
setuptools.setup(name="needy", version="1.0", py_modules=["built_with"])
"""


def source_package(folder: Path, name: str, setup: str) -> Path:
    """A source distribution with nothing but a setup.py."""
    import io
    import tarfile

    path = folder / f"{name}-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for file, text in (("setup.py", setup), ("PKG-INFO", f"Metadata-Version: 1.0\nName: {name}\nVersion: 1.0\n")):
            entry = tarfile.TarInfo(f"{name}-1.0/{file}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


async def test_package_that_imports_another_to_be_built_is_built_beside_it(real_pip: Any, index: Any) -> None:
    source_package(index.folder, "needy", NEEDS_ALPHA)
    made = await real_pip("needy==1.0", "alpha==2.0")
    assert real_pip.run(made, "import built_with; print(built_with.VERSION)") == "2.0"
    assert "Building needy beside the installed packages" in real_pip.console
    assert made.frozen == ["alpha==2.0", "needy==1.0"]
    assert real_pip.unfinished() == []


@pytest.mark.rows("S3-034")
async def test_pip_has_the_configured_version(real_pip: Any) -> None:
    settings = settled(real_pip, pip_version=("pip<23 ; python_version >= '3'", "pip<10 ; python_version < '3'"))
    made = await real_pip("alpha==1.0", settings=settings)
    assert real_pip.run(made, "import pip; print(pip.__version__)").startswith("22.")


async def test_contradictions_are_left_to_an_old_pip_where_one_is_configured(real_pip: Any, index: Any) -> None:
    index.add("gamma", "1.0", requires=("alpha<2",), scripts={"gamma": "gamma:main"})
    with pytest.raises(EnvironmentFailed, match="cannot be installed together"):
        await real_pip("gamma==1.0", "alpha==2.0", name="strict")
    settings = settled(real_pip, pip_version=("pip<22.3",))
    made = await real_pip("gamma==1.0", "alpha==2.0", settings=settings)
    assert real_pip.run(made, "import gamma, alpha; print(gamma.VERSION, alpha.VERSION)") == "1.0 2.0"
    assert made.frozen == ["alpha==2.0", "gamma==1.0"]
    assert (Path(made.variables["VIRTUAL_ENV"]) / "bin" / "gamma").exists()
    assert (await real_pip("gamma==1.0", "alpha==2.0", name="again", settings=settings)).reused


async def test_pip_installs_what_has_options_of_its_own(real_pip: Any, index_server: Any) -> None:
    settings = settled(real_pip, flags=("--prefer-binary",))
    made = await real_pip("alpha==1.0", settings=settings)
    assert "pip installs the packages: uv does not know --prefer-binary" in real_pip.console
    assert real_pip.run(made, "import alpha; print(alpha.VERSION)") == "1.0"
    with pytest.raises(EnvironmentFailed, match="cannot install the packages"):
        await real_pip("alpha==9.0", settings=settings, name="none")
    assert real_pip.unfinished() == []


async def test_passwords_of_indexes_reach_neither_console_nor_disk(real_pip: Any, index_server: Any) -> None:
    extra = index_server.url("user:planted-secret@")
    indexes = msgspec.structs.replace(real_pip.settings.indexes, extra=(extra,))
    for flags in ((), ("--prefer-binary",)):
        settings = settled(real_pip, indexes=indexes, flags=flags)
        made = await real_pip("alpha==2.0", settings=settings, name=f"run{len(flags)}")
        assert real_pip.run(made, "import alpha; print(alpha.VERSION)") == "2.0"
        with pytest.raises(EnvironmentFailed) as failed:
            await real_pip("no-such-package-here==1", settings=settings, name="bad")
        assert "planted-secret" not in failed.value.message
    assert any(value.startswith("Basic ") for value in index_server.authorizations)
    assert "planted-secret" not in real_pip.console
    for path in real_pip.folder.rglob("*"):
        if path.is_file() and path.suffix in (".json", ".txt", ".cfg", ""):
            assert b"planted-secret" not in path.read_bytes(), path


@pytest.mark.rows("S3-045", "S3-064")
async def test_torch_comes_from_the_index_of_this_machines_cuda(work: Any, index: Any, index_server: Any) -> None:
    for build in ("2.1.0", "2.1.0+cu118", "2.2.0.dev1+cu118"):
        index.add("torch", build, {"torch/__init__.py": f"VERSION = {build!r}\n"})
    index_server.pages = {"cu118/torch": ["torch-2.1.0+cu118"], "nightly118/torch": ["torch-2.2.0.dev1+cu118"]}
    url = index_server.url().removesuffix("/simple")
    torch = Torch(cuda="12.1", index=f"{url}/cu{{}}/", nightly_index=f"{url}/nightly{{}}/")
    base = index_server.settings()
    settings = msgspec.structs.replace(base, torch=torch)
    version = "import torch; print(torch.VERSION)"
    made = await work("torch==2.1.0", settings=settings, name="cuda")
    assert work.run(made, version) == "2.1.0+cu118"
    assert f"PyTorch for CUDA 121 comes from {url}/cu118/" in work.console
    stable = await work("torch>=2.1", settings=settings, name="stable")
    assert work.run(stable, version) == "2.1.0+cu118"
    nightly = msgspec.structs.replace(base, torch=msgspec.structs.replace(torch, nightly=True))
    assert work.run(await work("torch>=2.1", settings=nightly, name="nightly"), version) == "2.2.0.dev1+cu118"
    none = msgspec.structs.replace(base, torch=msgspec.structs.replace(torch, cuda="0"))
    assert work.run(await work("torch==2.1.0", settings=none, name="cpu"), version) == "2.1.0"
    lost = msgspec.structs.replace(base, torch=msgspec.structs.replace(torch, cuda="10.0"))
    assert work.run(await work("torch==2.1.0", settings=lost, name="lost"), version) == "2.1.0"
    assert "no PyTorch index for CUDA 100 answers" in work.console


@pytest.mark.rows("S3-035")
async def test_system_packages_are_seen_only_when_asked_for(work: Any, tmp_path: Path) -> None:
    for wanted in (False, True):
        made = await work("alpha==1.0", name=f"{wanted}", settings=settled(work, system_site_packages=wanted))
        code = "import sys; print(any(p.startswith(sys.base_prefix) and p.endswith('site-packages') for p in sys.path))"
        assert work.run(made, code) == str(wanted)


@pytest.mark.rows("S3-036")
async def test_upgrades_and_extra_indexes(work: Any, index_server: Any) -> None:
    indexes = msgspec.structs.replace(work.settings.indexes, no_index=False, default=index_server.url())
    made = await work("alpha", settings=settled(work, force_upgrade=True, indexes=indexes))
    assert work.run(made, "import alpha; print(alpha.VERSION)") == "2.0"
    from clearml_agent.environments.installer import Installer

    assert "--upgrade" in Installer(settled(work, force_upgrade=True), {}, print).arguments()


@pytest.mark.rows("S3-052")
async def test_linked_wheels_are_fetched_once(work: Any, index: Any, index_server: Any, tmp_path: Path) -> None:
    index.add("torch", "2.0", {"torch.py": "VERSION = '2.0'\n"})
    link = f"{index_server.url('me:planted-secret@').removesuffix('/simple')}/files/torch-2.0-py3-none-any.whl"
    cache = settled(work, download_cache=str(tmp_path / "downloads"), torch=Torch(cuda="11.8"))
    made = await work(f"torch @ {link}", settings=cache, name="one")
    downloads = tmp_path / "downloads" / "cu118"
    assert [path.name for path in downloads.glob("*/*")] == ["torch-2.0-py3-none-any.whl"]
    assert made.frozen[0].startswith("torch @ http://127.0.0.1:")
    assert "planted-secret" not in work.console + made.frozen[0]
    index_server.stop()
    work.cache.rename(tmp_path / "gone")
    again = await work(f"torch @ {link}", settings=cache, name="two")
    assert not again.reused and work.run(again, "import torch; print(torch.VERSION)") == "2.0"
    assert again.frozen == made.frozen
    with pytest.raises(EnvironmentFailed):
        await work(f"other @ {link.replace('torch', 'other')}", settings=cache, name="three")
    assert [path.name for path in downloads.glob("*/*")] == ["torch-2.0-py3-none-any.whl"]


async def test_another_build_of_the_same_name_is_another_download(
    work: Any, index: Any, index_server: Any, tmp_path: Path
) -> None:
    cache = settled(work, download_cache=str(tmp_path / "downloads"))
    link = f"{index_server.url().removesuffix('/simple')}/files/built-1.0-py3-none-any.whl"

    def build(number: int) -> str:
        index.add("built", "1.0", {"built.py": f"NUMBER = {number}\n"})
        return hashlib.sha256((index.folder / "built-1.0-py3-none-any.whl").read_bytes()).hexdigest()

    for number in (1, 2):
        made = await work(f"built @ {link}#sha256={build(number)}", settings=cache, name=f"build{number}")
        assert work.run(made, "import built; print(built.NUMBER)") == str(number)
    with pytest.raises(EnvironmentFailed):
        await work(f"built @ {link}#sha256={'0' * 64}", settings=cache, name="other")
    assert "0000 is asked for: built-1.0-py3-none-any.whl is left to the installer" in work.console
