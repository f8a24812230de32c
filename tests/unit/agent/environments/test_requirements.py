"""Requirement lines: what goes into the shared environment, what is the task's own, and what is rewritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearml_agent.environments import recorded_lines
from clearml_agent.environments.requirements import Plan, is_own, is_pinned, logical_lines, read_plan, requirement_name
from clearml_agent.environments.sources import chosen_lines, requirement_files

WHEEL = "http://server/simple/clearml-lean/ab/clearml_lean-0.1.0-py3-none-any.whl#sha256=ab"


def plan(*lines: str, root: Path | None = None, wheel: str | None = None) -> tuple[Plan, str]:
    said: list[str] = []
    return read_plan(lines, root, sdk_wheel_url=wheel, log=said.append), "\n".join(said)


def test_comments_blanks_and_continuations() -> None:
    text = "# all\nnumpy==1.0  # here\n\n  requests \\\n  >=2\nx @ http://h/x.whl#sha256=ab\n"
    assert logical_lines(text) == ["numpy==1.0", "requests    >=2", "x @ http://h/x.whl#sha256=ab"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("git+https://h/x.git@main#egg=x", True),
        ("x @ git+ssh://git@h/x.git", True),
        ("-e git+https://h/x.git", True),
        ("--editable=.", True),
        (".", True),
        ("./pkg[extra]", True),
        ("/home/me/pkg", True),
        ("x @ file:///home/me/x.whl", True),
        ("dist/x-1.0-py3-none-any.whl", True),
        ("x==1.0", False),
        ("x @ https://h/x-1.0-py3-none-any.whl", False),
        ("https://h/x-1.0.tar.gz", False),
        ("x.y-z", False),
    ],
)
def test_git_editable_and_local_lines_are_the_tasks_own(line: str, expected: bool) -> None:
    assert is_own(line) is expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x==1.0", True),
        ("x[a,b] == 1.0 ; python_version > '3'", True),
        ("x===1.0", True),
        ("x @ https://h/x.whl", True),
        ("x", False),
        ("x>=1", False),
        ("x==1.*", False),
        ("x==1.0,<2", False),
    ],
)
def test_only_exact_versions_are_pinned(line: str, expected: bool) -> None:
    assert is_pinned(line) is expected


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Foo_Bar.baz>=1", "foo-bar-baz"),
        ("foo[extra]==1", "foo"),
        ("git+https://h/x.git#egg=My_X&subdirectory=y", "my-x"),
        ("https://h/x.whl", ""),
        ("foo @ https://h/x.whl", "foo"),
    ],
)
def test_names_are_normalised(line: str, name: str) -> None:
    assert requirement_name(line) == name


def test_our_wheel_takes_the_place_of_clearml() -> None:
    found, _ = plan("numpy==1.0", "clearml==2.0", wheel=WHEEL)
    assert found.shared == ("numpy==1.0", f"clearml-lean @ {WHEEL}")
    found, _ = plan("git+https://h/clearml.git#egg=clearml", wheel=WHEEL)
    assert (found.shared, found.own) == ((f"clearml-lean @ {WHEEL}",), ())
    found, _ = plan("clearml==1.0", "clearml==2.0")
    assert found.shared == ("clearml==2.0",)


def test_build_of_a_vendor_is_taken_by_its_version() -> None:
    found, said = plan("torch==2.1.0+cu118", "torchvision == 0.16.0+cpu ; sys_platform == 'linux'", "other==1+x")
    assert found.shared == ("torch==2.1.0", "torchvision == 0.16.0 ; sys_platform == 'linux'", "other==1+x")
    assert "cu118" in said


def test_options_go_where_the_installer_takes_them() -> None:
    found, _ = plan("--extra-index-url https://h/simple", "--pre", "--trusted-host h", "x==1")
    assert found.options == ("--extra-index-url https://h/simple",)
    assert found.arguments == ("--prerelease", "allow", "--allow-insecure-host", "h")


def test_included_files_are_read_from_the_code(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "base.txt").write_text("a==1\n-r sub/more.txt\n-c limits.txt\n")
    (tmp_path / "sub" / "more.txt").write_text("b==2\n-r ../base.txt\n")
    (tmp_path / "limits.txt").write_text("c<3\n")
    found, said = plan("-r base.txt", "-r gone.txt", "--requirement=base.txt", root=tmp_path)
    assert found.shared == ("a==1", "b==2")
    assert set(found.constraints) == {"c<3"}
    assert "gone.txt" in said


def test_paths_of_the_recording_machine_are_left_out_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    found, said = plan("x @ file:///croot/x_1/work", "/home/other/x.whl", "./pkg", "-e ./pkg[dev]", root=tmp_path)
    assert found.own == ("./pkg", "-e ./pkg[dev]")
    assert said.count("left out") == 2


def test_recorded_packages_in_every_form() -> None:
    assert recorded_lines({"pip": "a==1\n# x\nb"}) == ["a==1", "b"]
    assert recorded_lines({"pip": ["a==1", "", "b"], "org_pip": "c"}) == ["a==1", "b"]
    assert recorded_lines({"pip": ["a==1"], "orig_pip": "c"}, original=True) == ["c"]
    assert recorded_lines({"pip": "a"}, original=True) == ["a"]
    assert recorded_lines("a\nb") == ["a", "b"]
    assert recorded_lines(None) == recorded_lines({}) == recorded_lines({"pip": None}) == []


def test_files_of_the_code_count_when_nothing_is_recorded(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "requirements.txt").write_text("x\n")
    (deep / "requirements.txt").write_text("y\n")
    said: list[str] = []
    expected = [tmp_path / "requirements.txt", deep / "requirements.txt"]
    assert requirement_files(tmp_path, deep) == expected
    assert chosen_lines([], tmp_path, deep, force_file=False, log=said.append) == [f"-r {path}" for path in expected]
    assert chosen_lines(["z"], tmp_path, deep, force_file=False, log=said.append) == ["z"]
    assert chosen_lines(["z"], tmp_path, tmp_path, force_file=True, log=said.append) == [f"-r {expected[0]}"]
    assert requirement_files(tmp_path, Path("/")) == [expected[0]]
    said.clear()
    assert chosen_lines([], tmp_path / "a", tmp_path / "a", force_file=False, log=said.append) == []
    assert "WARNING" in said[0]
