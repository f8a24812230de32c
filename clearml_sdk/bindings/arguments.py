"""argparse: what a parser understood becomes the parameters `Args/...`, and in a remote run the other way round.

The parser is watched from the import of the SDK on, so that arguments parsed before `Task.init` are known as well.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading

from clearml_sdk.bindings import command_lines
from clearml_sdk.bindings.on_import import when_imported
from clearml_sdk.values import like, parse_literal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Action, ArgumentParser, Namespace
    from collections.abc import Callable, Iterator, Mapping
    from types import ModuleType
    from typing import Any

_WITH_OWN_BINDINGS = ("fire", "hydra", "jsonargparse", "absl")
_OF_NOTEBOOKS = ("IPython", "ipykernel")
"""They parse the arguments of magics."""
_NOT_VALUES = ("_HelpAction", "_VersionAction", "_SubParsersAction")


class ArgumentBinding:
    """What to do with parsed arguments.

    parsed: called with (parser, namespace) after each outermost `parse_args`.
    overrides: the values by which a remote run replaces what was parsed, `{name: text}`; None for a local run.
    """

    def __init__(
        self,
        parsed: Callable[[ArgumentParser, Namespace], None],
        overrides: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        self.parsed, self.overrides = parsed, overrides


_binding: ArgumentBinding | None = None
_last: tuple[ArgumentParser, Namespace] | None = None
_depth = threading.local()


def watch() -> None:
    """Watch argparse and its likes from now on, or from their import on; calling again changes nothing."""
    when_imported("argparse", _wrap)
    command_lines.watch()


def bind(binding: ArgumentBinding) -> None:
    """Hand arguments to `binding` from now on, beginning with what was parsed last before this call."""
    global _binding
    _binding = binding
    if _last is not None:
        parser, namespace = _last
        if binding.overrides is not None:
            override(parser, namespace, binding.overrides())
        binding.parsed(parser, namespace)


def unbind() -> None:
    """Hand arguments to nobody any more; the next `bind` begins with what was parsed last, as any."""
    global _binding
    _binding = None
    command_lines.unbind()


def last_parsed() -> tuple[ArgumentParser, Namespace] | None:
    """The parser and the namespace of the last outermost `parse_args` of this process."""
    return _last


def _wrap(argparse: ModuleType) -> None:
    parser_class = argparse.ArgumentParser
    original = parser_class.parse_known_args
    if hasattr(original, "__clearml_original__"):
        return

    @functools.wraps(original)
    def parse_known_args(self: ArgumentParser, args: Any = None, namespace: Any = None) -> Any:
        if getattr(_depth, "value", 0) or _is_a_librarys():
            return original(self, args, namespace)  # a subparser, a parser that parses in steps, a library's own
        _depth.value = 1
        try:
            return _parse(original, self, args, namespace)
        finally:
            _depth.value = 0

    parse_known_args.__clearml_original__ = original  # type: ignore[attr-defined]  # marks what is already wrapped
    parser_class.parse_known_args = parse_known_args


def _is_a_librarys() -> bool:
    """Whether a library parses that has a binding of its own, or a magic: these arguments are none of the script's."""
    caller = sys._getframe(2)
    while caller.f_back is not None and caller.f_globals.get("__name__") == "argparse":
        caller = caller.f_back
    return str(caller.f_globals.get("__name__")).partition(".")[0] in (*_WITH_OWN_BINDINGS, *_OF_NOTEBOOKS)


def _parse(original: Callable[..., Any], parser: ArgumentParser, args: Any, namespace: Any) -> Any:
    global _last
    binding = _binding
    overrides = binding.overrides() if binding is not None and binding.overrides is not None else {}
    if overrides:
        with _nothing_required(parser, overrides):
            found, rest = original(parser, _with_subcommand(parser, args, overrides), namespace)
        override(parser, found, overrides)
    else:
        found, rest = original(parser, args, namespace)
    _last = (parser, found)
    if binding is not None:
        binding.parsed(parser, found)
    return found, rest


def actions(parser: ArgumentParser) -> dict[str, Action]:
    """The actions that give a value to a name, those of all subparsers included."""
    found: dict[str, Action] = {}
    for action in parser._actions:
        if type(action).__name__ == "_SubParsersAction":
            if isinstance(action.dest, str) and action.dest != "==SUPPRESS==":
                found.setdefault(action.dest, action)
            for inner in _subparsers(action):
                for name, value in actions(inner).items():
                    found.setdefault(name, value)
        elif type(action).__name__ not in _NOT_VALUES and isinstance(action.dest, str):
            found.setdefault(action.dest, action)
    return found


def _subparsers(action: Action) -> list[ArgumentParser]:
    """The parsers of the subcommands, each once (a subcommand may have aliases)."""
    choices: Any = action.choices or {}
    return list(dict.fromkeys(choices.values()))


def override(parser: ArgumentParser, namespace: Namespace, values: Mapping[str, str]) -> None:
    """Set the attributes of `namespace` that `values` names, converted as the parser would have converted them."""
    known = actions(parser)
    for name, text in values.items():
        if name in known and hasattr(namespace, name):
            setattr(namespace, name, convert(known[name], text, getattr(namespace, name)))


def convert(action: Action, text: str, parsed: Any) -> Any:
    """The value of an action out of its text; `parsed`, what the command line gave, shows the type if nothing does.

    A text that the parser's own type function refuses is left as the command line gave it.
    """
    counted = isinstance(action.nargs, int) and action.nargs > 0  # 0: a flag
    many = counted or action.nargs in ("*", "+", "...") or "Append" in type(action).__name__
    if text == "" and parsed is None:
        return None
    if action.type is None or not callable(action.type):
        sample = parsed if parsed is not None else action.default
        if many and not isinstance(sample, list):
            sample = []
        return like(text, sample if sample is not None else _constant(action))
    kind: Callable[[str], Any] = action.type
    try:
        if many:
            if text == "":
                return None
            items = parse_literal(text, None)
            parts = items if isinstance(items, list | tuple) else [part.strip() for part in text.strip("[]").split(",")]
            return [kind(str(part)) for part in parts]
        if kind is bool:
            return like(text, True)
        if text in ("", "None") and kind is not str:
            return None
        return kind(text)
    except Exception:  # noqa: BLE001  # the user's type function: whatever it raises means "not this text"
        return like(text, parsed)


def _constant(action: Action) -> Any:
    """A sample of what a flag stores: True for `store_true`, a number for `count`."""
    return action.const if isinstance(action.const, bool | int | float) else None


def _with_subcommand(parser: ArgumentParser, args: Any, overrides: Mapping[str, str]) -> Any:
    """The arguments with the recorded subcommand put in front, when the agent gave none."""
    given = list(sys.argv[1:] if args is None else args)
    for action in parser._actions:
        if type(action).__name__ == "_SubParsersAction" and (chosen := overrides.get(str(action.dest))):
            choices = action.choices or {}
            if chosen in choices and not any(argument in choices for argument in given):
                return [*given, chosen]
    return args


@contextlib.contextmanager
def _nothing_required(parser: ArgumentParser, overrides: Mapping[str, str]) -> Iterator[None]:
    """Have the parser accept a command line without the arguments whose values come from the server."""
    changed: list[tuple[Any, str, Any]] = []

    def change(item: Any, attribute: str, value: Any) -> None:
        changed.append((item, attribute, getattr(item, attribute)))
        setattr(item, attribute, value)

    def relax(one: ArgumentParser) -> None:
        for action in one._actions:
            if type(action).__name__ == "_SubParsersAction":
                for inner in _subparsers(action):
                    relax(inner)
                continue
            if action.dest not in overrides:
                continue
            if action.required:
                change(action, "required", False)
            if not action.option_strings and action.nargs in (None, "+"):
                change(action, "nargs", "?" if action.nargs is None else "*")
            elif not action.option_strings and isinstance(action.nargs, int):
                change(action, "nargs", "*")
        for group in one._mutually_exclusive_groups:
            if group.required and any(action.dest in overrides for action in group._group_actions):
                change(group, "required", False)

    relax(parser)
    try:
        yield
    finally:
        for item, attribute, value in reversed(changed):
            setattr(item, attribute, value)
