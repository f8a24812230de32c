"""Why an environment was not reused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clearml_agent.environments.explain import differences, reasons
from clearml_agent.environments.layout import CHANGED, Entry, Record

FACTS: dict[str, Any] = {
    "interpreter": {"version": "3.11.7", "executable": "/usr/bin/python3.11"},
    "packages": ["numpy==2.0", "requests"],
    "installer": "uv 1",
}


def entry(folder: Path, name: str = "env-1", expires_at: float | None = None, **facts: Any) -> Entry:
    path = folder / name
    path.mkdir()
    record = Record(
        key=name,
        built_at=1.0,
        expires_at=expires_at,
        requirements=[],
        frozen=[],
        fingerprint="",
        scripts={},
        programs=[],
        data=[],
        facts=FACTS | facts,
    )
    return Entry(path, record)


def test_changed_packages_are_named(tmp_path: Path) -> None:
    kept = entry(tmp_path, packages=["numpy==1.0", "requests"])
    assert reasons(FACTS, [kept], now=5.0) == ["compared with env-1: the packages: not numpy==1.0 but numpy==2.0"]


def test_another_interpreter_is_named_by_what_differs(tmp_path: Path) -> None:
    kept = entry(tmp_path, interpreter={"version": "3.11.6", "executable": "/usr/bin/python3.11"})
    assert reasons(FACTS, [kept], now=5.0) == [
        "compared with env-1: the interpreter (version): 3.11.7 instead of 3.11.6"
    ]


def test_the_most_similar_environment_is_compared(tmp_path: Path) -> None:
    far = entry(tmp_path, "env-far", installer="uv 2", packages=["x"])
    near = entry(tmp_path, "env-near", packages=["numpy==2.0"])
    assert reasons(FACTS, [far, near], now=5.0) == ["compared with env-near: the packages: also requests"]


def test_age_and_changes_are_reasons(tmp_path: Path) -> None:
    assert reasons(FACTS, [], now=5.0) == ["no environment is in the cache"]
    assert "has expired" in reasons(FACTS, [entry(tmp_path, "env-old", expires_at=4.0)], now=5.0)[0]
    changed = entry(tmp_path, "env-changed")
    assert reasons(FACTS, [changed], now=5.0) == []
    (changed.path / CHANGED).touch()
    assert "was changed after it was built" in reasons(FACTS, [changed], now=5.0)[0]


VALUES = st.recursive(
    st.text(max_size=5) | st.lists(st.text(max_size=5), max_size=3),
    lambda inner: st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=4), VALUES), st.dictionaries(st.text(max_size=4), VALUES))
def test_equal_facts_differ_in_nothing_and_others_in_something(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert bool(differences(one, other)) == (one != other)
    assert all(str(difference) for difference in differences(one, other))
