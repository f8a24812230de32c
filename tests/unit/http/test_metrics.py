"""What `/metrics` says has an explanation, on the page and in the documents."""

import re
from pathlib import Path

from control_plane.http.metrics import HELP, Metrics

PROJECT = Path(__file__).resolve().parents[3]
COUNTED = re.compile(r"counters\[\"(\w+)\"\]")


def test_every_metric_is_documented() -> None:
    page = (PROJECT / "docs" / "operation.md").read_text()
    assert not [name for name in HELP if f"`{name}`" not in page and f"`{name}{{" not in page]


def test_everything_that_services_count_is_explained() -> None:
    sources = [path.read_text() for path in (PROJECT / "control_plane").rglob("*.py")]
    counted = {name for text in sources for name in COUNTED.findall(text)}
    assert counted
    assert not [name for name in counted if f"{name}_total" not in HELP]


def test_times_are_counted_into_all_buckets_that_hold_them() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.001, 0.3, 100.0):
        metrics.observe("debug.ping", 200, seconds)
    lines = metrics.text({}, {}).splitlines()
    calls = [line for line in lines if line.startswith("clearml_call_seconds_bucket")]
    found = {line.partition('le="')[2].partition('"')[0]: int(line.rpartition(" ")[2]) for line in calls}
    assert (found["0.001"], found["0.25"], found["0.5"], found["10.0"], found["+Inf"]) == (2, 2, 3, 3, 4)
    assert 'clearml_call_seconds_count{endpoint="debug.ping"} 4' in lines
    assert 'clearml_calls_total{endpoint="debug.ping",code="200"} 4' in lines
