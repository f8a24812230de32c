"""The recorded script text: is it a diff or a whole file, and the diff made fit for `git apply`. Pure."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

import msgspec

_FIRST = re.compile(r"diff -|submodule \S+ (?:contains |\(|[0-9a-f]{7})", re.IGNORECASE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*[mK]")
_HUNK = re.compile(r"^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_NAMES = re.compile(r"^diff --git (?:\"?a/(?P<name>.*?)\"?) (?:\"?b/.*)$")
_POINTER = re.compile(r"^\+Subproject commit ([0-9a-f]{40,64})")


class Patch(msgspec.Struct, frozen=True):
    """A diff in the parts that are applied in different ways.

    text: what `git apply` takes, "" for nothing.
    submodules: path of a submodule -> commit that the diff moves it to.
    left_out: binary files whose new content was not recorded.
    """

    text: str = ""
    submodules: dict[str, str] = {}
    left_out: tuple[str, ...] = ()


def is_diff(text: str) -> bool:
    """Whether a recorded `script.diff` is a diff; otherwise it is a whole file. Source: agent_behaviour.md 6."""
    stripped = without_colour(text).lstrip()
    return _FIRST.match(stripped) is not None or re.match(r"--- .*\r?\n\+\+\+ ", stripped) is not None


def read_patch(diff: str) -> Patch:
    """Sort the sections of a diff by what can be done with them."""
    kept: list[str] = []
    submodules: dict[str, str] = {}
    left_out: list[str] = []
    diff = without_colour(diff)
    if "\n" in diff and diff.count("\r\n") == diff.count("\n"):
        diff = diff.replace("\r\n", "\n")  # converted on its way; where the file has them they come back
    for section in map(prefixed, re.split(r"(?m)^(?=diff --git )", diff)):
        match = _NAMES.match(section.partition("\n")[0].rstrip("\r"))
        name = match["name"] if match else ""
        if match and (commit := _pointer(section)):
            submodules[name] = commit
        elif match and re.search(r"(?m)^Binary files .* differ\r?$", section) and "\n@@ " not in section:
            left_out.append(name)
        else:
            kept.append(section)
    text = "".join(kept)
    return Patch(
        complete_last_hunk(text) if "\n@@ " in text or "GIT binary patch" in text else _if_any(text),
        submodules,
        tuple(left_out),
    )


def without_colour(text: str) -> str:
    """A diff as `color.ui = always` makes git write it, without the colours."""
    return _COLOUR.sub("", text) if text.lstrip().startswith("\x1b[") else text


def prefixed(section: str) -> str:
    """A section as it would be without `diff.noprefix` in its recorder's configuration: with `a/` and `b/`."""
    header, _, rest = section.partition("\n")
    names = header.removeprefix("diff --git ")
    half = len(names) // 2
    if names == header or names[:half] != names[half + 1 :] or names[half : half + 1] != " ":
        return section  # under prefixes the two are never the same
    head, hunks, body = rest.partition("\n@@ ")
    old, new = (_under(names[:half], prefix) for prefix in "ab")
    lines = [f"diff --git {old} {new}"]
    for line in head.split("\n"):
        mark, _, name = line.partition(" ")
        prefix = {"---": "a", "+++": "b"}.get(mark)
        lines.append(f"{mark} {_under(name, prefix)}" if prefix and name.rstrip() != "/dev/null" else line)
    return "\n".join(lines) + hunks + body


def _under(name: str, prefix: str) -> str:
    return f'"{prefix}/{name[1:]}' if name.startswith('"') else f"{prefix}/{name}"


def make_missing(diff: str, read: Callable[[str], bytes | None]) -> str:
    """A diff whose additions to files that are not there make those files.

    The official `clearml-task` adds a line to the requirements.txt of a repository that it has not seen.

    read: the content of a file before the change, None where there is none.
    """

    def made(found: re.Match[str]) -> str:
        is_there = read(found[1]) is not None
        return found[0] if is_there else f"new file mode 100644\n--- /dev/null\n+++ b/{found[1]}\n@@ -0,0 "

    return re.sub(r"(?m)^--- a/(.*)\n\+\+\+ b/\1\n@@ -0,0 ", made, diff)


def fit_line_ends(diff: str, read: Callable[[str], bytes | None]) -> str:
    """A diff whose carriage returns were lost, as web forms and text modes lose them, with those of its files.

    read: the content of a file before the change, None where there is none.
    """
    return "".join(_fitted(section, read) for section in re.split(r"(?m)^(?=diff --git )", diff))


def _fitted(section: str, read: Callable[[str], bytes | None]) -> str:
    found = re.search(r'(?m)^--- (?:a/(.*)|"a/(.*)")$', section)
    if found is None or "\r\n" in section:
        return section
    quoted: bytes = codecs.escape_decode(found[2].encode())[0] if found[2] else b""
    data = read(found[1].rstrip("\t") if found[1] else quoted.decode("utf-8", "surrogateescape")) or b""
    if not data or data.count(b"\r\n") != data.count(b"\n"):
        return section
    head, hunks, body = section.partition("\n@@ ")
    first, *lines = body.split("\n")  # the first is the rest of the hunk's header
    return head + hunks + "\n".join([first, *(f"{line}\r" if line[:1] in ("+", "-", " ") else line for line in lines)])


def complete_last_hunk(diff: str) -> str:
    """Give back the blank context lines and the line end that were stripped from the end of a diff.

    Recorders strip the text they read from `git diff`; a hunk that ends in blank lines is then shorter than its header
    says, and git refuses it as corrupt.
    """
    text = diff if diff.endswith("\n") else diff + "\n"
    lines = text.split("\n")[:-1]
    start = next((number for number in range(len(lines) - 1, -1, -1) if _HUNK.match(lines[number])), None)
    if start is None:
        return text + "\n"  # a binary patch ends with a blank line
    header = _HUNK.match(lines[start])
    assert header is not None
    old, new = (int(count) if count is not None else 1 for count in header.groups())
    for line in lines[start + 1 :]:
        if line.startswith("diff "):
            return text + "\n"
        old -= line[:1] in ("-", " ", "")
        new -= line[:1] in ("+", " ", "")
    missing = old if old == new else 0
    return text + " \n" * max(missing, 0)


def _pointer(section: str) -> str:
    """The commit that a section moves a submodule to, "" when it does something else."""
    for line in section.split("\n"):
        if match := _POINTER.match(line):
            return match[1]
    return ""


def _if_any(text: str) -> str:
    """Text with changes other than hunks (modes, renames, new empty files), "" when nothing is left to apply."""
    return text if re.search(r"(?m)^diff --git ", text) else ""
