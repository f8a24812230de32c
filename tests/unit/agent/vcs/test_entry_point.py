"""What a task's entry point, working directory and binary mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearml_agent.vcs import CheckoutFailed
from clearml_agent.vcs.entry_point import EntryPoint, inside, read_entry_point, words


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ({"entry_point": "train.py"}, EntryPoint("train.py")),
        ({"entry_point": "train.py", "working_dir": "."}, EntryPoint("train.py")),
        ({"entry_point": "train.py", "working_dir": "src", "binary": "python3.9"}, EntryPoint("train.py", "src")),
        ({"entry_point": "train.py:src/x"}, EntryPoint("train.py", "src/x")),
        ({"entry_point": "train.py:src", "working_dir": "."}, EntryPoint("train.py:src")),
        ({"entry_point": "-m a.b", "binary": "/opt/py/bin/python"}, EntryPoint("-m a.b")),
        ({"entry_point": "go.sh", "binary": "/bin/bash"}, EntryPoint("go.sh", "", "/bin/bash")),
        ({}, EntryPoint("")),
        ({"entry_point": None, "working_dir": None, "binary": None}, EntryPoint("")),
    ],
)
def test_forms(script: dict[str, object], expected: EntryPoint) -> None:
    assert read_entry_point(script) == expected


def test_other_binaries_are_refused() -> None:
    with pytest.raises(CheckoutFailed, match="neither a Python nor a shell"):
        read_entry_point({"binary": "/usr/bin/node"})


def test_words(tmp_path: Path) -> None:
    (tmp_path / "with blank.py").write_text("")
    assert words(EntryPoint("with blank.py"), tmp_path, {}) == ["with blank.py"]
    assert words(EntryPoint("a.py --x 'y z'"), tmp_path, {}) == ["a.py", "--x", "y z"]
    assert words(EntryPoint("a.py $X"), tmp_path, {"X": "1"}) == ["a.py", "$X"]
    assert words(EntryPoint("-m mod $X ${Y} $Z"), tmp_path, {"X": "1", "Y": "2"}) == ["-m", "mod", "1", "2", "$Z"]
    assert words(EntryPoint("with blank.py --x 1"), tmp_path, {}) == ["with blank.py", "--x", "1"]
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "train.py").write_text("")
    assert words(EntryPoint("sub\\train.py --x 1"), tmp_path, {}) == ["sub/train.py", "--x", "1"]
    with pytest.raises(CheckoutFailed, match="cannot be read"):
        words(EntryPoint("a.py 'open"), tmp_path, {})


def test_nothing_leads_out_of_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "link").symlink_to(tmp_path)
    assert inside(root, "sub") == root / "sub"
    assert inside(root, "") is not None
    for path in ("..", "sub/../..", "link", "link/x", "sub\\..\\..\\x"):
        assert inside(root, path) is None
