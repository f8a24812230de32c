"""Small decisions of the installers: versions, flags, groups, CUDA numbers, lines of conda."""

from __future__ import annotations

from typing import Any

import pytest

from clearml_agent.environments import PackageSettings, torch
from clearml_agent.environments.conda import name_of
from clearml_agent.environments.conda_tool import as_conda, without_build
from clearml_agent.environments.harvest import relocated
from clearml_agent.environments.installer import for_uv
from clearml_agent.environments.interpreters import version_in
from clearml_agent.environments.order import facts, groups
from clearml_agent.environments.pip_engine import legacy_flags, why_not_uv
from clearml_agent.environments.requirements import Plan


def settings(environ: dict[str, str] | None = None, **tree: Any) -> PackageSettings:
    known = {f"agent.{name.replace('__', '.')}": value for name, value in tree.items()}
    return PackageSettings.from_config(lambda key, default: known.get(key, default), environ or {"HOME": "/nowhere"})


def test_pip_versions_of_the_configuration() -> None:
    found = settings(package_manager__pip_version=["<20.2 ; python_version < '3.10'", "22.3", "", ">=23,<26"])
    assert found.pip_version == ("pip<20.2 ; python_version < '3.10'", "pip==22.3", "pip>=23,<26")
    assert settings(package_manager__pip_version="").pip_version == ()


@pytest.mark.parametrize(
    ("version", "is_legacy"), [("20.2.4", False), ("20.3", True), ("22.2.2", True), ("24.3", False), ("26.0", False)]
)
def test_old_resolver_is_asked_of_pips_that_have_it(version: str, is_legacy: bool) -> None:
    assert bool(legacy_flags(version, (">=20.3,<24.3",))) == is_legacy
    assert legacy_flags(version, ("nonsense",)) == []


@pytest.mark.parametrize(
    ("plan", "word"),
    [
        (Plan(shared=("numpy==1.0",)), ""),
        (Plan(own=("git+https://x/y.git",)), ""),
        (Plan(own=("pkg @ hg+https://x/y",)), "hg+"),
        (Plan(own=("-e svn+https://x/y#egg=z",)), "svn+"),
        (Plan(options=("--use-feature=fast-deps",)), "--use-feature"),
        (Plan(shared=('x==1 --global-option="a"',)), "--global-option"),
    ],
)
def test_what_only_pip_can_do(plan: Plan, word: str) -> None:
    assert (word in why_not_uv(plan, PackageSettings())) and bool(word) == bool(why_not_uv(plan, PackageSettings()))


def test_uv_gets_no_flags_of_pips_own() -> None:
    flags = ["--prefer-binary", "--global-option", "-j4", "--no-deps", "--use-deprecated=legacy-resolver", "--pre"]
    assert for_uv(["--global-option", "build", *flags]) == ["--no-deps", "--pre"]


def test_groups_follow_the_configuration() -> None:
    found = settings(
        package_manager__priority_packages=["Cython", "numpy"],
        package_manager__post_packages=["horovod"],
        package_manager__post_optional_packages=["apex"],
    )
    lines = ["apex", "horovod==1", "requests", "cython<3", "pygobject"]
    assert groups(lines, found) == (["pygobject"], ["cython<3"], ["requests"], ["horovod==1"], ["apex"])
    assert facts(["requests"], found) == {}


@pytest.mark.parametrize(
    ("text", "number"),
    [("118", 118), ("11.8", 118), ("12", 120), ("cu121", 121), ("12.4.1", 124), ("0", 0), ("", 0), ("none", 0)],
)
def test_cuda_numbers(text: str, number: int) -> None:
    assert torch.parse_cuda(text) == number


async def test_cuda_number_of_the_environment_comes_first() -> None:
    assert settings({"CUDA_VERSION": "11.8", "HOME": "/"}, cuda_version="12.1").torch.cuda == "11.8"
    assert settings(cuda_version=121).torch.cuda == "121"
    assert await torch.cuda_number("", {"NVIDIA_VISIBLE_DEVICES": "none"}) == 0


def test_exact_build_of_torch() -> None:
    assert (
        torch.exact_build("torch==2.1.0 ; python_version > '3'", "118") == "torch==2.1.0+cu118 ; python_version > '3'"
    )
    assert torch.exact_build("torch>=2", "118") == "torch>=2"
    assert torch.number_of("https://x/whl/cu118/", "https://x/whl/cu{}/") == "118"
    assert torch.candidates(121)[:3] == [121, 120, 119] and len(torch.candidates(121)) == 15


@pytest.mark.parametrize(
    ("line", "spec"),
    [
        ("numpy==1.26.4", ("numpy", "numpy ==1.26.4")),
        ("torch>=2,<3", ("pytorch", "pytorch >=2,<3")),
        ("Typing_Extensions", ("typing-extensions", "typing-extensions")),
        ("x===1", ("x", "x ==1")),
        ("x[extra]==1", None),
        ("x==1 ; python_version > '3'", None),
        ("x @ https://y/x.whl", None),
    ],
)
def test_pip_lines_as_conda_lines(line: str, spec: tuple[str, str] | None) -> None:
    assert as_conda(line) == spec


def test_conda_lines() -> None:
    assert without_build("numpy=1.26=py311_0") == "numpy=1.26"
    assert without_build("python >=3.9") == "python >=3.9"
    assert [name_of(line) for line in ("conda-forge::numpy=1", "python=3.11", "Alpha >2")] == [
        "numpy",
        "python",
        "alpha",
    ]


def test_files_of_a_package_are_found_after_the_move() -> None:
    record = 'x/__init__.py,sha256=a,1\n../../../bin/x,sha256=b,2\n"../../../share/a,b.txt",,\n'
    assert relocated(record, "../../../") == 'x/__init__.py,sha256=a,1\nbin/x,sha256=b,2\n"share/a,b.txt",,\n'


@pytest.mark.parametrize(
    ("binary", "version"),
    [("python3.11", "3.11"), ("/usr/bin/python3.9", "3.9"), ("python3.9.1", "3.9.1"), ("python3", ""), ("python", "")],
)
def test_version_in_the_name_of_a_binary(binary: str, version: str) -> None:
    assert version_in(binary) == version


def test_interpreter_that_is_there_already() -> None:
    import sys

    assert settings({"CLEARML_AGENT_SKIP_PIP_VENV_INSTALL": "1"}).existing == sys.executable
    assert settings({"CLEARML_AGENT_SKIP_PIP_VENV_INSTALL": "/opt/x/bin/python"}).existing == "/opt/x/bin/python"
    assert settings({"CLEARML_AGENT_SKIP_PIP_VENV_INSTALL": "false"}).existing == ""


def test_manager_is_forced_by_the_environment() -> None:
    assert settings().manager == "pip"
    assert settings({"CLEARML_AGENT_FORCE_POETRY": "1"}, package_manager__type="conda").manager == "poetry"
    assert settings({"CLEARML_AGENT_FORCE_UV": "1"}).manager == "uv"
    assert settings({"CLEARML_CONDA_ENV_PACKAGE": "/opt/env"}).conda.base == "/opt/env"
    assert settings({"CLEARML_USE_CONDA_BASE_ENV": "1", "CONDA_PREFIX": "/opt/conda"}).conda.base == "/opt/conda"
