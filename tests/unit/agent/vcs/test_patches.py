"""The recorded script text: a diff or a file, and what of a diff git can apply."""

from __future__ import annotations

import pytest

from clearml_agent.vcs.patches import complete_last_hunk, fit_line_ends, is_diff, make_missing, read_patch

HUNK = "diff --git a/x.py b/x.py\nindex 1..2 100644\n--- a/x.py\n+++ b/x.py\n@@ -1,4 +1,4 @@\n-a\n+b\n \n \n \n"
BINARY = "diff --git a/w.bin b/w.bin\nindex 1..2 100644\nBinary files a/w.bin and b/w.bin differ\n"
POINTER = (
    "diff --git a/lib b/lib\nindex 1..2 160000\n--- a/lib\n+++ b/lib\n@@ -1 +1 @@\n"
    f"-Subproject commit {'1' * 40}\n+Subproject commit {'2' * 40}\n"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HUNK, True),
        ("\n" + HUNK, True),
        ("Submodule lib contains modified content\n" + HUNK, True),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n", True),
        ("import os\nprint('diff --git')\n", False),
        ("--- not a diff\n", False),
        ("", False),
        ("#!/bin/sh\n", False),
        ("diff = 3\nprint(diff)\n", False),
        ("submodule = __import__('os')\n", False),
        ("Submodule lib 0123456..89abcde:\n" + HUNK, True),
        ("\x1b[1mdiff --git a/x.py b/x.py\x1b[m\n\x1b[1m--- a/x.py\x1b[m\n", True),
    ],
)
def test_diff_or_whole_file(text: str, expected: bool) -> None:
    assert is_diff(text) is expected


def test_blank_lines_stripped_from_the_end_come_back() -> None:
    assert complete_last_hunk(HUNK.strip()) == HUNK
    assert complete_last_hunk(HUNK) == HUNK
    two = HUNK + HUNK.replace("x.py", "y.py")
    assert complete_last_hunk(two.strip()) == two


def test_complete_hunks_get_nothing_added() -> None:
    for body in (
        "@@ -0,0 +1,2 @@\n+a\n+b\n",
        "@@ -1,2 +0,0 @@\n-a\n-b\n",
        "@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n",
    ):
        assert complete_last_hunk("diff --git a/x b/x\n" + body) == "diff --git a/x b/x\n" + body


def test_sections_are_sorted_by_what_can_be_done() -> None:
    found = read_patch(BINARY + HUNK + POINTER)
    assert (found.text, found.submodules, found.left_out) == (HUNK, {"lib": "2" * 40}, ("w.bin",))


def test_changes_without_lines_are_kept() -> None:
    mode = "diff --git a/x b/x\nold mode 100644\nnew mode 100755\n"
    assert read_patch(mode).text == mode
    assert read_patch(BINARY).text == ""
    assert read_patch("").text == ""


def test_diff_without_prefixes_gets_them() -> None:
    plain = HUNK.replace("a/x.py", "x.py").replace("b/x.py", "x.py")
    assert read_patch(plain).text == HUNK
    bare = BINARY.replace("a/w", "w").replace("b/w", "w")
    assert read_patch(bare + plain) == read_patch(BINARY + HUNK)
    added = (
        'diff --git "{0}x \\303\\244" "{1}x \\303\\244"\nnew file mode 100644\n--- /dev/null\n+++ "{1}x \\303\\244"\n'
    )
    assert read_patch(added.format("", "") + "@@ -0,0 +1 @@\n+a\n").text == (
        added.format("a/", "b/") + "@@ -0,0 +1 @@\n+a\n"
    )


def test_colours_are_no_part_of_a_diff() -> None:
    coloured = "".join(f"\x1b[32m{line}\x1b[m\n" for line in HUNK.splitlines())
    assert read_patch(coloured).text == HUNK


def test_carriage_returns_lost_on_the_way_come_back_for_files_that_have_them() -> None:
    files = {"x.py": b"a\r\n\r\n", "y.py": b"a\n"}
    diff = "diff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -1,2 +1,2 @@\n-a\n+b\n \n"
    both = diff.format("x.py") + diff.format("y.py")
    assert fit_line_ends(both, files.get) == diff.format("x.py").replace(
        "-a\n+b\n \n", "-a\r\n+b\r\n \r\n"
    ) + diff.format("y.py")
    assert read_patch(both.replace("\n", "\r\n")).text == both


def test_lines_added_to_a_file_that_is_not_there_make_it() -> None:
    """As the official clearml-task records a remote repository: it has not seen whether the file is there."""
    added = "diff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -0,0 +1,1 @@\n+clearml\n"
    both = added.format("requirements.txt") + added.format("train.py")
    new = added.format("requirements.txt").replace("--- a/requirements.txt", "new file mode 100644\n--- /dev/null")
    assert make_missing(both, {"train.py": b"pass\n"}.get) == new + added.format("train.py")
    assert make_missing(HUNK, {}.get) == HUNK, "what changes lines needs the file"
