"""Which machines an autoscaler starts, and what it asks clouds for: pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_sdk.automation.auto_scaler import ScalerConfig, WorkerId
from clearml_sdk.automation.aws_driver import instance_request
from clearml_sdk.automation.cloud_driver import parse_tags
from clearml_sdk.automation.scaling.planning import machines_to_start

QUEUES = {"large": [("a", 2), ("b", 1)], "small": [("c", 3)]}


def test_the_preferred_resource_comes_first_up_to_its_limit() -> None:
    found = machines_to_start(QUEUES, {"large": 5, "small": 1}, up=[], idle=[], starting=[])
    assert found == [("large", "a"), ("large", "a"), ("large", "b"), ("small", "c")]


def test_idle_and_starting_machines_count() -> None:
    assert machines_to_start(QUEUES, {"large": 2}, up=["a"], idle=["a"], starting=["b"]) == []
    assert machines_to_start(QUEUES, {"large": 3}, up=["a"], idle=["a"], starting=["b"]) == [("large", "a")]


counts = st.lists(st.sampled_from("abc"), max_size=6)


@given(st.integers(0, 20), st.integers(0, 20), counts, counts)
def test_no_limit_is_passed_and_no_task_has_two_machines(large: int, small: int, up: list[str], new: list[str]) -> None:
    waiting = {"large": large, "small": small}
    found = machines_to_start(QUEUES, waiting, up=up, idle=[], starting=new)
    for queue, resources in QUEUES.items():
        begun = [resource for at, resource in found if at == queue]
        there = [*up, *new, *begun]
        assert len(begun) <= max(0, waiting[queue] - sum(new.count(resource) for resource, _ in resources))
        for resource, limit in resources:
            assert not begun.count(resource) or there.count(resource) <= limit


def test_worker_ids_have_four_parts() -> None:
    worker = WorkerId("prefix:gpu:g4dn.xlarge:i-07cf")
    assert (worker.prefix, worker.name, worker.instance_type, worker.cloud_id) == (
        *("prefix", "gpu", "g4dn.xlarge", "i-07cf"),
    )
    for other in ("tester:0", "a:b:c:d:0"):
        with pytest.raises(ValueError, match="bad worker ID"):
            WorkerId(other)


def test_tags_are_pairs() -> None:
    assert parse_tags("a=b, c = d=e") == [("a", "b"), ("c", "d=e")]
    assert parse_tags("") == []
    with pytest.raises(ValueError, match="alone"):
        parse_tags("alone")


def test_the_configuration_is_read() -> None:
    config = {
        "hyper_params": {"max_idle_time_min": 1, "workers_prefix": "w"},
        "configurations": {"resource_configurations": {"a": {}}, "queues": {"q": [["a", 1]]}},
    }
    assert ScalerConfig.from_config(config) == ScalerConfig(
        max_idle_time_min=1, workers_prefix="w", resource_configurations={"a": {}}, queues={"q": [["a", 1]]}
    )


def test_a_request_for_an_instance_says_all_of_its_resource() -> None:
    resource = {
        "ami_id": "ami-1",
        "instance_type": "m",
        "is_spot": True,
        "ebs_device_name": "/dev/sda1",
        "ebs_volume_size": "100",
        "security_group_ids": "sg-1, sg-2",
        "key_name": "k",
        "availability_zone": "z",
    }
    request = instance_request(resource, "#!", [], {"Name": "profile"})
    assert request["InstanceMarketOptions"]["SpotOptions"]["InstanceInterruptionBehavior"] == "terminate"
    assert request["BlockDeviceMappings"][0]["Ebs"] == {"VolumeSize": 100, "VolumeType": "gp3"}
    assert request["SecurityGroupIds"] == ["sg-1", "sg-2"]
    assert (request["KeyName"], request["Placement"], request["IamInstanceProfile"]) == (
        *("k", {"AvailabilityZone": "z"}, {"Name": "profile"}),
    )
