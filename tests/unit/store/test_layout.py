"""Documents as flat fields: cutting, reading back, and where a path lies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.store import layout
from control_plane.store.documents import project, split_path
from control_plane.store.layout import KINDS, Extent

TASK = KINDS["task"]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.text(min_size=0, max_size=8) | st.sampled_from(["a.b", "a\0b", "\x01", "\x01\x02", "\0", "."])
present = json_values.filter(lambda value: value is not None)

tasks = st.fixed_dictionaries(
    {},
    optional={
        "name": st.text(),
        "tags": st.lists(st.text()),
        "last_iteration": st.integers(),
        "script": st.dictionaries(st.sampled_from(["diff", "repository", "requirements"]), present),
        "execution": st.dictionaries(st.sampled_from(["queue", "artifacts"]), present),
        "runtime": st.dictionaries(names, json_values),
        "configuration": st.dictionaries(names, json_values),
        "hyperparams": st.dictionaries(names, st.dictionaries(names, json_values, max_size=3), max_size=3),
        "last_metrics": st.dictionaries(names, st.dictionaries(names, json_values, max_size=3), max_size=3),
        "report": st.text(),
    },
)


def read_back(document, wanted=()):
    hashes = {
        part: {name.encode("utf-8", "surrogatepass"): leaf for name, leaf in fields.items()}
        for part, fields in layout.flatten(TASK, document).items()
    }
    return layout.unflatten(TASK, hashes, wanted)


@given(tasks)
def test_a_document_reads_back_as_it_was_written(document):
    kept = {name: value for name, value in document.items() if not (isinstance(value, dict) and not value)}
    assert read_back(kept) == kept


def test_containers_are_there_even_when_nothing_is_stored():
    assert read_back({"name": "x"}, None) == {
        "name": "x",
        **{key: {} for key in ("execution", "script", "output", "models", "container")},
        **{key: {} for key in ("hyperparams", "configuration", "runtime", "last_metrics")},
        "tags": [],
        "system_tags": [],
    }


def test_an_empty_section_stays():
    assert read_back({"hyperparams": {"Args": {}}}) == {"hyperparams": {"Args": {}}}


def test_none_is_absent_except_as_a_users_own_value():
    assert read_back({"name": None, "script": {"diff": None}, "runtime": {"x": None}}) == {"runtime": {"x": None}}


def test_an_integer_beyond_64_bits_survives_writing():
    assert layout.encode(2**80) == str(2**80).encode()


@pytest.mark.parametrize(
    ("path", "extents"),
    [
        ("status", [Extent("core", "status")]),
        ("execution.queue", [Extent("core", "execution.queue")]),
        ("script.diff", [Extent("texts", "script.diff")]),
        ("script", [Extent("core", prefix="script."), Extent("texts", prefix="script.")]),
        ("runtime", [Extent("runtime")]),
        ("runtime.a.b", [Extent("runtime", "a.b")]),
        (("runtime", "a.b"), [Extent("runtime", "a.b")]),
        ("hyperparams.Args", [Extent("hyperparams", "Args", "Args\0")]),
        (("hyperparams", "Args", "x.y"), [Extent("hyperparams", "Args\0x.y")]),
    ],
)
def test_what_a_path_covers(path, extents):
    assert layout.extents(TASK, path) == extents


@pytest.mark.parametrize("path", ["tags.0", "script.requirements.pip", ("hyperparams", "A", "b", "value"), "name.x"])
def test_a_path_inside_a_value_is_refused(path):
    with pytest.raises(ValueError, match="written whole"):
        layout.extents(TASK, path)


def test_reading_a_few_paths_reads_only_their_fields():
    plan = layout.read_plan(TASK, ["status", "execution.queue", "runtime.x", "script.requirements.pip"])
    assert plan.hashes == {
        "core": ("execution.queue", "id", "status"),
        "runtime": ("x",),
        "texts": ("script.requirements",),
    }


def test_reading_a_container_reads_its_hash():
    assert layout.read_plan(TASK, ["hyperparams.Args"]).hashes == {"core": ("id",), "hyperparams": None}


def test_project_keeps_only_what_was_asked_and_empty_containers():
    document = {"id": "1", "name": "n", "tags": [], "execution": {}, "runtime": {"a.b": 1, "c": 2}}
    assert project(document, ["tags", "execution.queue", "runtime.a%2Eb"]) == {
        "id": "1",
        "tags": [],
        "execution": {},
        "runtime": {"a.b": 1},
    }


def test_project_leaves_excluded_paths_out():
    assert project({"id": "1", "a": {"b": 1, "c": 2}}, ["-a.b"]) == {"id": "1", "a": {"c": 2}}


def test_escapes_in_a_clients_path():
    assert split_path("hyperparams.a%2Eb.x%24%%") == ["hyperparams", "a.b", "x$%"]
