"""Connected dictionaries and objects; configuration texts."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearml_sdk import hocon_text
from clearml_sdk.connecting import ConnectedDict, object_values, override_dict, override_object, plain
from clearml_sdk.parameters import flatten, item, merge_arguments, split

LEAVES = (
    st.none()
    | st.booleans()
    | st.sampled_from(["yes", "1 2", "# no", "a=b", " x", "1.5", "10 days", "null"])
    | st.integers(-(2**53), 2**53)
    | st.text()
    | st.lists(st.integers(-9, 9))
)
NAMES = st.sampled_from(["lr", "a-b", "include", "true", "null", "_x1"]) | st.text(min_size=1)
TREES = st.recursive(LEAVES, lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)


def entries(**values: Any) -> dict[str, dict[str, Any]]:
    return {name: item("General", name, value) for name, value in values.items()}


def test_every_kind_of_change_is_told() -> None:
    seen: list[dict[str, Any]] = []
    found = ConnectedDict({"a": 1, "n": {"b": 2}}, lambda: seen.append(plain(found)))
    assert seen == []
    found["a"] = 2
    found["n"]["b"] = 3
    found.update(c=4, d={"e": 5})
    found["d"]["e"] = 6
    found.setdefault("f", 7)
    found.pop("a")
    del found["c"]
    found |= {"g": 8}
    assert seen[-1] == {"n": {"b": 3}, "d": {"e": 6}, "f": 7, "g": 8}
    assert len(seen) == 8
    found.clear()
    assert seen[-1] == {}


def test_copies_and_pickles_are_plain_and_apart() -> None:
    calls: list[int] = []
    found = ConnectedDict({"n": {"b": 2}}, lambda: calls.append(1))
    for twin in (copy.deepcopy(found), pickle.loads(pickle.dumps(found)), found.copy()):
        assert type(twin) is dict and twin == {"n": {"b": 2}} and type(twin["n"]) is dict
        twin["n"]["b"] = 3
    assert calls == [] and found["n"]["b"] == 2


def test_remote_values_replace_the_scripts_in_their_types() -> None:
    values = {"lr": 0.1, "n": 3, "name": "x", "nested": {"flag": True, "sizes": [1]}, 5: "five", "none": None}
    recorded = {
        "lr": {"value": "1"},
        "n": {"value": "4"},
        "nested/flag": {"value": "false"},
        "nested/sizes": {"value": "[7, 8]"},
        "5": {"value": "fünf"},
        "none": {"value": "3", "type": "int"},
        "added": {"value": "2.5", "type": "float"},
        "new/inner": {"value": "t", "type": "str"},
    }
    found = override_dict(values, recorded)
    assert found == {
        "lr": 1.0,
        "n": 4,
        "name": "x",
        "nested": {"flag": False, "sizes": [7, 8]},
        5: "fünf",
        "none": 3,
        "added": 2.5,
        "new": {"inner": "t"},
    }
    assert type(found["lr"]) is float
    assert values["nested"] == {"flag": True, "sizes": [1]}, "the script's own dictionary is left alone"


def test_keys_with_slashes_are_found() -> None:
    assert override_dict({"a/b": 1, "c": {"d/e": 2}}, {"a/b": {"value": "3"}, "c/d/e": {"value": "4"}}) == {
        "a/b": 3,
        "c": {"d/e": 4},
    }


@settings(deadline=None)
@given(st.dictionaries(NAMES, TREES, max_size=5))
def test_configuration_text_is_the_inverse_of_reading_it(tree: dict[str, Any]) -> None:
    assert hocon_text.read(hocon_text.write(tree)) == tree


def test_json_is_read_too() -> None:
    assert hocon_text.read('{"a": [1, 2]}') == {"a": [1, 2]}
    assert hocon_text.read("[1, {a: 2}]") == [1, {"a": 2}]
    assert hocon_text.write({"k": "v"}) == 'k = "v"'


class Base:
    inherited = 1
    _hidden = 2

    def method(self) -> None: ...


class Settings(Base):
    rate = 0.1
    names = ("a",)

    @property
    def computed(self) -> int:
        return 1


def test_objects_and_classes_give_their_public_values() -> None:
    target = Settings()
    target.extra = "e"  # type: ignore[attr-defined]
    target.rate = 0.2
    assert object_values(target) == {"inherited": 1, "rate": 0.2, "names": ("a",), "extra": "e"}
    assert object_values(Settings) == {"inherited": 1, "rate": 0.1, "names": ("a",)}
    override_object(target, {"rate": {"value": "1"}, "names": {"value": "['b', 'c']"}, "unknown": {"value": "1"}})
    assert (target.rate, target.names, Settings.rate) == (1.0, ("b", "c"), 0.1)
    assert not hasattr(target, "unknown")


def test_flat_names() -> None:
    assert split("Args/lr") == ("Args", "lr")
    assert split("lr") == ("General", "lr")
    assert split("a/b/c") == ("a", "b/c")
    assert flatten({"a": {"b": {"c": 1}, "d": {}}}) == {"a/b/c": 1, "a/d": {}}
    assert merge_arguments([{"A/x": 1}, [("B/y", 2)]], {"z": {"w": 3}}) == {"A/x": 1, "B/y": 2, "z/w": 3}


@pytest.mark.parametrize("value", [3, "text", 2.5])
def test_parameters_have_types_and_descriptions(value: Any) -> None:
    found = item("S", "n", value, description="about")
    assert found == {
        "section": "S",
        "name": "n",
        "value": str(value),
        "type": type(value).__name__,
        "description": "about",
    }
