"""Wrapping functions of libraries: the script gets what it would have got, ours fails quietly, and all is undone."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from clearml_sdk import notices
from clearml_sdk.bindings.wrapping import Call, Wraps


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.delenv("CLEARML_RAISE_ERRORS", raising=False)
    monkeypatch.setattr(notices, "_said", set())

    def save(model: object, path: str = "default", *, fast: bool = False, **more: Any) -> str:
        if model is None:
            raise ValueError("the library's")
        return f"{model} {path} {fast} {more}"

    return SimpleNamespace(save=save)


def test_arguments_are_found_however_they_were_given(library: SimpleNamespace) -> None:
    calls: list[Call] = []
    Wraps().after(library, "save", calls.append, doing="noting")
    assert library.save("m", "p", extra=1) == "m p False {'extra': 1}"
    assert library.save(model="m", fast=True) == "m default True {}"
    first, second = calls
    assert (first.get("model"), first.get("path"), first.get("extra"), first.get("none", 7)) == ("m", "p", 1, 7)
    assert (second.get("path"), second.get("fast"), second.result) == ("default", True, "m default True {}")
    assert first.caller == __name__


def test_arguments_can_be_changed_before_the_call(library: SimpleNamespace) -> None:
    def change(call: Call) -> None:
        call.set("path", "changed")
        call.set("extra", 1)

    Wraps().before(library, "save", change, doing="changing")
    assert library.save("m", "p") == library.save("m", path="p") == "m changed False {'extra': 1}"


def test_our_errors_are_one_warning_and_the_librarys_reach_the_script(
    library: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(call: Call) -> None:
        raise KeyError("ours")

    wraps = Wraps()
    wraps.after(library, "save", broken, doing="recording a model")
    assert library.save("m") == library.save("m") == "m default False {}"
    with pytest.raises(ValueError, match="the library's"):
        library.save(None)
    assert capsys.readouterr().err.count("warning: recording a model failed") == 1
    wraps.undo()
    wraps = Wraps()
    wraps.before(library, "save", broken, doing="preparing")
    assert library.save("m", "p") == "m p False {}", "the script's own arguments"


def test_everything_is_put_back(library: SimpleNamespace) -> None:
    class Base:
        def save(self) -> str:
            return "base"

        @staticmethod
        def load() -> str:
            return "loaded"

    class Model(Base):
        pass

    original, seen = library.save, []
    wraps = Wraps()
    wraps.after(library, "save", seen.append, doing="noting")
    wraps.after(Model, "save", seen.append, doing="noting")
    wraps.after(Base, "load", seen.append, doing="noting")
    assert Model().save() == "base" and Base().load() == Base.load() == "loaded" and len(seen) == 3
    held = library.save
    wraps.undo()
    assert library.save is original and "save" not in vars(Model) and Base().load() == "loaded"
    assert held("m") == "m default False {}" and len(seen) == 3, "who kept the wrapped one calls through it"


def test_what_others_wrapped_since_is_left_to_them(library: SimpleNamespace) -> None:
    seen: list[Call] = []
    wraps = Wraps()
    wraps.after(library, "save", seen.append, doing="noting")
    ours = library.save
    library.save = theirs = lambda *args, **kwargs: "theirs " + ours(*args, **kwargs)
    wraps.undo()
    assert library.save is theirs and library.save("m") == "theirs m default False {}" and not seen


def test_a_function_that_the_script_imported_by_its_name_is_followed_and_put_back(
    library: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, script, installed = ModuleType("a_library"), ModuleType("a_script"), ModuleType("another_library")
    module.__dict__["save"] = original = library.save
    script.__dict__.update(__file__="/home/me/a_script.py", keep=original, other=1)
    installed.__dict__.update(__file__="/usr/lib/python3/site-packages/another_library.py", keep=original)
    for one in (script, installed):
        monkeypatch.setitem(sys.modules, one.__name__, one)
    calls: list[Call] = []
    wraps = Wraps()
    wraps.after(module, "save", calls.append, doing="noting")
    assert vars(script)["keep"]("m") == "m default False {}" and len(calls) == 1
    assert vars(installed)["keep"] is original, "what libraries do among themselves is left to them"
    wraps.undo()
    assert vars(script)["keep"] is vars(module)["save"] is original and vars(script)["other"] == 1
