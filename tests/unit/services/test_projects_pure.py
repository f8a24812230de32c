"""What is computed about projects, tables and settings, without a store."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.services import deletion, organization_download, project_paths, project_stats, serving_stats, storage
from control_plane.services.errors import ApiError
from control_plane.services.projects_ex import of_state
from control_plane.store.aggregates import stamps, totals
from control_plane.store.documents import project, split_path
from control_plane.store.fields import FieldRef
from control_plane.store.names import path_of
from control_plane.store.table import Found, Table


class TestStatistics:
    def test_counts_of_projects_add_up(self) -> None:
        counts = project_stats.count(
            [
                ("a", "created", 2, 0.0, None),
                ("a", "completed", 2, 5.0, "2026-01-02"),
                ("a", "failed", 1, 2.0, "2026-01-01"),
                ("b", "created", 1, 0.0, None),
            ],
            [("a", "completed", 1), ("a", "failed", 4)],
        )
        assert counts["a"]["status_count"]["completed"] == 2
        assert counts["a"]["completed_tasks_24h"] == 1
        both = project_stats.total(counts.values())
        assert both["status_count"]["created"] == 3
        assert (both["total_tasks"], both["total_runtime"], both["last_task_run"]) == (6, 7, "2026-01-02")

    def test_nothing_counted_is_zeros(self) -> None:
        assert project_stats.total([]) == project_stats.blank()

    def test_a_state_is_asked_beside_what_the_query_says(self) -> None:
        asked = of_state({"filters": {"system_tags": {"all": {"exclude": ["x"]}}, "tags": {}}}, "active")
        assert asked["filters"] == {"system_tags": {"all": {"exclude": ["x", "archived"]}}, "tags": {}}
        assert of_state({}, "archived")["filters"] == {"system_tags": {"all": {"include": ["archived"]}}}


PROJECT, STATUS = FieldRef("core", "project"), FieldRef("core", "status")
SECONDS, STARTED = FieldRef("core", "active_duration"), FieldRef("core", "started")
moments = st.integers(0, 20).map(lambda day: f"2026-01-{day + 1:02}T00:00:00.000000+00:00")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", None]),
            st.sampled_from(["created", "failed"]),
            st.integers(0, 10_000) | st.none(),
            moments | st.none(),
        ),
        max_size=30,
    )
)
def test_totals_are_those_of_a_plain_loop(rows: list[tuple[str | None, str, int | None, str | None]]) -> None:
    table = Table()
    refs = [PROJECT, STATUS, SECONDS, STARTED]
    table.begin(refs)
    numbers = table.add([f"id{position}" for position in range(len(rows))])
    for ref, values in zip(refs, zip(*rows, strict=True), strict=False):
        table.put(ref, numbers, values)
    table.finish(refs)
    found = Found(np.array(numbers, np.intp))
    wanted = set()
    for group in {row[:2] for row in rows}:
        held = [row[2:] for row in rows if row[:2] == group]
        seconds = [one for one, _ in held if one is not None]
        started = [one for _, one in held if one is not None]
        most = max(seconds, default=None), max(started, default=None)
        wanted.add((*group, len(held), float(sum(seconds)), *most))
    answered = totals(table, found, [PROJECT, STATUS], sums=[SECONDS], greatest=[SECONDS, STARTED])
    assert len(answered) == len(wanted)
    assert set(answered) == wanted
    assert table.counts(found, [PROJECT, STATUS]) == [row[:3] for row in answered]
    assert [id for id, _ in stamps(table, found, [SECONDS])] == [f"id{position}" for position in range(len(rows))]


@given(st.lists(st.text(alphabet="ab.%$_24E", min_size=1), min_size=1, max_size=3))
def test_a_path_of_names_is_read_back(names: list[str]) -> None:
    assert split_path(path_of("hyperparams", names)) == ["hyperparams", *names]


DOCUMENT = {
    "id": "1",
    "models": {"input": [], "output": [{"name": "a", "model": "m"}, {"name": "b", "model": "n"}]},
    "execution": {"artifacts": [{"key": "k"}], "queue": "q"},
}


class TestProjection:
    def test_a_path_reaches_into_the_items_of_a_list(self) -> None:
        found = project(DOCUMENT, ["models.output.model", "models.output.name"])
        assert found["models"] == {"output": [{"model": "m", "name": "a"}, {"model": "n", "name": "b"}]}
        assert DOCUMENT["models"]["output"][0] == {"name": "a", "model": "m"}  # type: ignore[index]

    def test_whole_and_part_together_are_the_whole(self) -> None:
        whole = project(DOCUMENT, ["models", "models.output.model"])["models"]
        assert whole == DOCUMENT["models"]
        assert project(DOCUMENT, ["execution", "execution.artifacts.key"])["execution"]["artifacts"] == [{"key": "k"}]

    def test_artifacts_are_closed_to_paths(self) -> None:
        assert project(DOCUMENT, ["execution.artifacts.key"])["execution"] == {"artifacts": []}


class TestPaths:
    @pytest.mark.parametrize("name", ["", "  ", "/", "//", "/a/b", " /lead/ "])
    def test_refused(self, name: str) -> None:
        with pytest.raises(ApiError) as refused:
            project_paths.clean_path(name)
        assert (refused.value.code, refused.value.subcode) == (400, 407)

    def test_empty_parts_are_left_out(self) -> None:
        assert project_paths.clean_path("a//b/ ") == "a/b"


class TestCells:
    COLUMN = ("Name", ["name"], {"created": "Draft"})

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            (None, ""),
            (0, "0"),
            (-1.5, "-1.5"),
            ("-1.5", "-1.5"),
            ("created", "Draft"),
            (["a", "created"], "a, Draft"),
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            (["@x"], "'@x"),
            ("a,b", "a,b"),
        ],
    )
    def test_a_value_as_text(self, value: object, shown: str) -> None:
        assert organization_download.cell({"name": value}, self.COLUMN) == shown

    def test_a_path_that_leads_nowhere_is_empty(self) -> None:
        assert organization_download.cell({"name": "x"}, ("A", ["name", "deeper"], {})) == ""

    def test_commas_and_quotes_are_kept_apart(self) -> None:
        assert organization_download.lines([['a,"b', "c\nd"]]) == b'"a,""b","c\nd"\r\n'


STORED = {"key": "k", "secret": "s", "buckets": [{"bucket": "b", "secret": "t"}, {"bucket": "c", "secret": "u"}]}


class TestSecrets:
    def test_no_secret_comes_out(self) -> None:
        assert storage.masked(STORED) == {
            "key": "k",
            "secret": storage.MASK,
            "buckets": [{"bucket": "b", "secret": storage.MASK}, {"bucket": "c", "secret": storage.MASK}],
        }
        assert storage.masked({"secret": "", "token": None}) == {"secret": "", "token": None}

    def test_a_mask_sent_back_keeps_the_secret_of_its_bucket(self) -> None:
        back = {
            "secret": storage.MASK,
            "buckets": [{"bucket": "c", "secret": storage.MASK}, {"bucket": "new", "secret": "v"}],
        }
        assert storage.unmasked(back, STORED) == {
            "secret": "s",
            "buckets": [{"bucket": "c", "secret": "u"}, {"bucket": "new", "secret": "v"}],
        }

    def test_a_mask_for_nothing_is_no_secret(self) -> None:
        assert storage.unmasked({"secret": storage.MASK}, None) == {"secret": ""}


@pytest.mark.parametrize(
    ("plot", "sources"),
    [
        ('{"layout": {"images": [{"source": "s3://a/b"}, {"source": "data:x"}, {}]}}', ["s3://a/b"]),
        ('{"layout": {}}', []),
        ('{"layout": {"images": "no"}}', []),
        ("[]", []),
        ("no json", []),
    ],
)
def test_images_inside_a_plot(plot: str, sources: list[str]) -> None:
    assert deletion.image_sources(plot) == sources


class TestServing:
    def test_a_report_is_kept_as_measures(self) -> None:
        machine = {"cpu_usage": [10, 30], "memory_used": 1, "memory_free": 3, "gpu_memory_used": [1, 2]}
        kept = serving_stats.sample(5.0, {"requests_num": 7, "latency_ms": None, "machine_stats": machine})
        assert kept == {
            "at_s": 5.0,
            "requests": 7,
            "cpu_count": 2,
            "cpu_util": 20,
            "ram_used": 1,
            "ram_free": 3,
            "ram_total": 4,
            "gpu_ram_used": 3,
        }

    def test_a_curve_is_the_mean_of_each_interval(self) -> None:
        samples = [{"at_s": at, "latency_ms": value} for at, value in ((0, 1), (4, 3), (10, 5), (99, 7))]
        samples.append({"at_s": 11})
        assert serving_stats.curve(samples, "latency_ms", from_s=0, to_s=20, interval_s=5) == {0: 2, 10: 5}

    def test_containers_of_an_endpoint_are_summed_or_averaged(self) -> None:
        curves = [{0: 1.0, 5: 2.0}, {0: 3.0}]
        assert serving_stats.combined(curves, "requests") == {0: 4.0, 5: 2.0}
        assert serving_stats.combined(curves, "cpu_util") == {0: 2.0, 5: 2.0}

    def test_long_times_get_long_intervals(self) -> None:
        assert serving_stats.interval_of(0, 100, 10) == 10
        assert serving_stats.interval_of(0, 1_000_000, 1) == 1001
