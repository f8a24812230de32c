"""`AWSDriver` against an EC2 of the test's own (moto)."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from clearml_sdk.automation.auto_scaler import AutoScaler, ScalerConfig
from clearml_sdk.automation.aws_driver import AWSDriver
from clearml_sdk.session import Session
from tests.integration.sdk.members.conftest import session

__all__ = ["session"]

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import boto3  # type: ignore[import-untyped]  # publishes no types

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    _, port = moto.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    yield boto3.client("ec2", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
    moto.stop()


def driver_of(ec2: Any, **values: Any) -> AWSDriver:
    keys = {"cloud_credentials_key": "k", "cloud_credentials_secret": "s", "cloud_credentials_region": "us-east-1"}
    git = {"git_user": "me", "git_pass": "it's secret", "tags": "team=ml"}
    objects = {"extra_clearml_conf": "agent.x: 1", "extra_vm_bash_script": "echo first"}
    return AWSDriver.from_config({"hyper_params": {**keys, **git, **values}, "configurations": objects})


def instances(ec2: Any) -> dict[str, dict[str, Any]]:
    groups = ec2.describe_instances()["Reservations"]
    return {item["InstanceId"]: item for group in groups for item in group["Instances"]}


def test_an_instance_is_started_known_and_ended(session: Session, ec2: Any, tmp_path: Path) -> None:
    driver = driver_of(ec2, default_docker_image="python:3.11")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    resource = {"instance_type": "t3.micro", "ami_id": image, "ebs_device_name": "/dev/sda1", "ebs_volume_size": 30}
    machine = driver.spin_up_worker(resource, "wp:small:t3.micro", "a queue", "")
    found = instances(ec2)[machine]
    tags = {tag["Key"]: tag["Value"] for tag in found["Tags"]}
    assert (found["InstanceType"], tags["Name"], tags["team"]) == ("t3.micro", "wp:small:t3.micro", "ml")
    attribute = ec2.describe_instance_attribute(InstanceId=machine, Attribute="userData")["UserData"]["Value"]
    script = base64.b64decode(attribute).decode()
    for line in (
        f"export CLEARML_API_HOST={session.settings.api_server}",
        f"export CLEARML_API_SECRET_KEY={session.settings.secret_key}",
        "clearml-agent daemon --foreground --queue 'a queue' --docker python:3.11",
        'agent.git_pass="it\'s secret"',
        "agent.x: 1",
        "echo first",
        "trap 'shutdown -h now' EXIT",
    ):
        assert f"\n{line}\n" in script
    assert f"{session.settings.api_server}/simple/" in script
    path = tmp_path / "user-data.sh"
    path.write_text(script)
    subprocess.run(["bash", "-n", str(path)], check=True)  # it is bash

    assert driver.started_machines("wp") == {machine: "small"}
    assert driver.started_machines("w") == {}
    assert isinstance(driver.console_log(machine), str)
    driver.spin_down_worker(machine)
    assert instances(ec2)[machine]["State"]["Name"] in ("shutting-down", "terminated")
    assert driver.started_machines("wp") == {}
    driver.spin_down_worker("i-0123456789abcdef0")  # gone: no error


def test_an_autoscaler_ends_instances_on_which_no_agent_appears(session: Session, ec2: Any) -> None:
    driver = driver_of(ec2)
    image = ec2.describe_images()["Images"][0]["ImageId"]
    queue = "aws-queue"
    config = ScalerConfig(
        workers_prefix="aws",
        resource_configurations={"r": {"instance_type": "t3.micro", "ami_id": image}},
        queues={queue: [["r", 2]]},
        max_spin_up_time_min=0,
    )
    scaler = AutoScaler(config, driver)
    scaler.ensure_queues()
    _, ids = scaler.queue_mapping()
    for number in range(3):
        task = session.call("tasks.create", {"name": f"task {number}", "type": "training"})["id"]
        session.call("tasks.enqueue", {"task": task, "queue": ids[queue]})
    scaler._look({})
    begun = driver.started_machines("aws")
    assert len(begun) == 2  # three wait, two are allowed
    assert AutoScaler(config, driver).driver.started_machines("aws") == dict.fromkeys(begun, "r")
    scaler.queues = {}
    scaler._look({})
    assert driver.started_machines("aws") == {}
    assert {instances(ec2)[machine]["State"]["Name"] for machine in begun} <= {"shutting-down", "terminated"}
    scaler.stop()


def test_wrong_configurations_are_refused(session: Session, ec2: Any) -> None:
    driver = driver_of(ec2)
    with pytest.raises(ValueError, match="there is no resource 'b'"):
        AutoScaler(ScalerConfig(resource_configurations={"a": {}}, queues={"q": [["b", 1]]}), driver)
    with pytest.raises(ValueError, match="is given to the queues"):
        queues = {"q": [["a", 1]], "r": [["a", 1]]}
        AutoScaler(ScalerConfig(resource_configurations={"a": {}}, queues=queues), driver)
    with pytest.raises(ValueError, match="a key and a secret"):
        driver_of(ec2, cloud_credentials_secret="")
    assert not AutoScaler(ScalerConfig(), driver).sanity_check()
    assert driver == driver_of(
        ec2,
    ) and driver != driver_of(ec2, cloud_credentials_region="eu-west-1")
