"""Answers of a person at the terminal: texts, numbers, yes or no, lists."""

from __future__ import annotations

__all__ = ["get_input", "input_bool", "input_int", "input_list", "multiline_input"]

_YES, _NO = ("y", "yes", "true", "1"), ("n", "no", "false", "0")


def get_input(
    key: str,
    description: str = "",
    question: str = "Enter",
    required: bool = False,
    default: str | None = None,
    new_line: bool = False,
) -> str | None:
    """The line that is typed; for an empty one `default`, or where one is `required` the question again."""
    if new_line:
        print()
    while True:
        answer = input(f"{question} {key} {description}: ").strip()
        if answer:
            return answer
        if default is not None or not required:
            return default
        print(f"{key} is required")


def input_int(
    key: str, description: str = "", required: bool = False, default: int | None = None, new_line: bool = False
) -> int | None:
    """`get_input`, until it is a number."""
    while True:
        answer = get_input(key, description, required=required and default is None, new_line=new_line)
        if answer is None:
            return default
        try:
            return int(answer)
        except ValueError:
            print(f"{answer!r} is not a whole number: enter one as {key}")


def input_bool(question: str, default: bool = False) -> bool:
    """Whether the answer is yes; `default` for none."""
    while True:
        answer = input(f"{question}: ").strip().lower()
        if not answer:
            return default
        if answer in _YES or answer in _NO:
            return answer in _YES
        print("Answer 'yes' or 'no'")


def input_list(
    key: str,
    description: str = "",
    question: str = "Enter",
    required: bool = False,
    default: str | None = None,
    new_line: bool = False,
) -> list[str] | None:
    """Answers one after another (`default` for an empty one), until there are no more; None for none at all."""
    found: list[str] = []
    while True:
        answer = get_input(key, description, question, required and not found, default, new_line)
        if answer is None:
            return found or None
        found.append(answer)
        if not input_bool(f"\nDefine another {key}? [y/N]"):
            return found


def multiline_input(description: str = "") -> tuple[str, int]:
    """The lines that are typed, each with its end, up to two empty ones in a row; and how many they are."""
    print(description, "\nTwo empty lines in a row, or the end of the input, end it:")
    lines: list[str] = []
    while lines[-2:] != ["", ""]:
        try:
            lines.append(input())
        except EOFError:
            break
    else:
        del lines[-2:]
    return "".join(f"{line}\n" for line in lines), len(lines)
