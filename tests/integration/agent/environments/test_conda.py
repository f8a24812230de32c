"""Conda mode with a real solver (py-rattler) against a channel that the test builds."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from clearml_agent.environments import EnvironmentFailed, PackageSettings
from clearml_agent.environments.settings import Conda, Indexes

from .conda_channel import MINOR, Channel
from .conftest import Index, Work, machine_indexes

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    made = Channel(tmp_path_factory.mktemp("conda") / "channel")
    made.add_python()
    for version in ("1.0", "2.0"):
        made.add_module("alpha", version)
    made.add("hooked", "1.0", {"etc/conda/activate.d/hooked.sh": b"export HOOKED=yes:$CONDA_PREFIX\n"}, noarch=False)
    return made


@pytest.fixture(scope="module")
def conda_work(tmp_path_factory: pytest.TempPathFactory, channel: Channel) -> Work:
    """One cache for all of these, so that the solver is installed once."""
    folder = tmp_path_factory.mktemp("conda-work")
    index = Index(folder / "index")
    index.add("gamma", "3.0")
    for stand_in in ("pip-99.0", "setuptools-79.0"):
        (index.folder / f"{stand_in}-py3-none-any.whl").unlink()
    made = Work(folder / "work", index)
    links = (*machine_indexes().find_links, str(index.folder))
    found = machine_indexes()
    made.settings = PackageSettings(
        manager="conda",
        conda=Conda(channels=(channel.url,)),
        indexes=Indexes(found.default, found.extra, links, found.no_index, found.trusted_hosts, found.certificates),
        free_space_bytes=0,
    )
    made.environ.pop("UV_CACHE_DIR")
    return made


def index_links(work: Work) -> str:
    return str(work.folder.parent / "index")


@pytest.mark.rows("S3-032", "S3-081", "S3-038")
async def test_environment_file_is_solved_and_shared(conda_work: Work, tmp_path: Path) -> None:
    work, root = conda_work, tmp_path
    (root / "environment.yml").write_text("dependencies:\n  - alpha <2\n  - hooked\n  - pip:\n    - gamma==3.0\n")
    first = await work("alpha==2.0", root=root, name="one")
    second = await work("alpha==2.0", root=root, name="two")
    assert (first.reused, second.reused) == (False, True), work.console
    for made in (first, second):
        code = "import alpha, gamma, sys; print(alpha.VERSION, gamma.VERSION, sys.prefix, sys.base_prefix)"
        alpha, gamma, prefix, base = work.run(made, code).split()
        assert (alpha, gamma, prefix) == ("1.0", "3.0", made.variables["VIRTUAL_ENV"])
        assert Path(base).is_relative_to(work.cache)
        assert made.variables["HOOKED"] == f"yes:{made.variables['CONDA_PREFIX']}" == f"yes:{base}"
        assert any(line.startswith("alpha=1.0=") for line in made.frozen_conda)
        assert not made.is_recorded


async def test_what_a_task_installs_into_a_conda_environment_stays_its_own(conda_work: Work, tmp_path: Path) -> None:
    work = conda_work
    one = await work(name="own1", conda=("alpha=1.0",))
    two = await work(name="own2", conda=("alpha=1.0",))
    argv = [one.python, "-m", "pip", "install", "-q", "--no-index", "--find-links", index_links(work), "gamma"]
    done = await asyncio.create_subprocess_exec(*map(str, argv), env={**work.environ, **one.variables})
    assert await done.wait() == 0
    assert work.run(one, "import gamma; print(gamma.VERSION)") == "3.0"
    assert work.run(two, "import importlib.util as u; print(u.find_spec('gamma'))") == "None"
    assert all(entry.is_unchanged() for entry in two.shared)


async def test_recorded_lines_are_taken_from_conda_where_it_has_them_and_else_from_pip(conda_work: Work) -> None:
    made = await conda_work("alpha==2.0", "gamma==3.0", name="mixed", python=MINOR)
    said = conda_work.run(made, "import alpha, gamma; print(alpha.__file__, gamma.__file__, alpha.VERSION)").split()
    assert said[2] == "2.0"
    names = {line.partition("=")[0] for line in made.frozen_conda}
    assert names == {"python", "alpha"}


async def test_builds_of_another_platform_are_let_go(conda_work: Work) -> None:
    made = await conda_work(name="builds", conda=("alpha=1.0=py311h123_7", f"python={MINOR}"))
    assert conda_work.run(made, "import alpha; print(alpha.VERSION)") == "1.0"
    assert "the versions alone are asked for" in conda_work.console


async def test_impossible_environment_fails_with_the_solvers_words(conda_work: Work) -> None:
    with pytest.raises(EnvironmentFailed, match=r"(?s)agent.package_manager.conda_channels.*alpha"):
        await conda_work(name="impossible", conda=("alpha=9.9",))
    assert conda_work.unfinished() == []


async def test_environment_that_is_there_already_is_used_as_it_is(conda_work: Work, channel: Channel) -> None:
    made = await conda_work(name="base", conda=("alpha=1.0",))
    prefix = made.variables["CONDA_PREFIX"]
    settings = msgspec.structs.replace(conda_work.settings, conda=Conda(base=prefix))
    again = await conda_work("alpha==2.0", name="again", settings=settings)
    assert conda_work.run(again, "import alpha, sys; print(alpha.VERSION, sys.base_prefix)") == f"1.0 {prefix}"
