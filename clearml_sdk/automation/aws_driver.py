"""`AWSDriver`: machines of an `AutoScaler` on Amazon EC2. Needs `boto3`."""

from __future__ import annotations

import base64
import binascii

from clearml_sdk.automation.cloud_driver import CloudDriver, _get

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Self

RESOURCE_TAG = "clearml-resource"
GONE = "InvalidInstanceID.NotFound"


class AWSDriver(CloudDriver):
    """Starts EC2 instances, on demand or spot."""

    FIELDS = (
        *CloudDriver.FIELDS,
        *("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_region", "use_credentials_chain"),
        *("use_iam_instance_profile", "iam_arn", "iam_name"),
    )

    def __init__(
        self,
        git_user: Any,
        git_pass: Any,
        extra_clearml_conf: Any,
        api_server: Any,
        web_server: Any,
        files_server: Any,
        access_key: Any,
        secret_key: Any,
        auth_token: Any,
        extra_vm_bash_script: Any,
        docker_image: Any,
        tags: Any = "",
        session: Any = None,
        aws_access_key_id: Any = "",
        aws_secret_access_key: Any = "",
        aws_session_token: Any = "",
        aws_region: Any = "",
        use_credentials_chain: Any = False,
        use_iam_instance_profile: Any = False,
        iam_arn: Any = "",
        iam_name: Any = "",
    ) -> None:
        """See `CloudDriver`.

        Args:
            use_credentials_chain: find AWS credentials as every tool of theirs does, instead of the given ones.
            use_iam_instance_profile: give the instances the profile `iam_arn` or `iam_name`.
        """
        super().__init__(
            git_user,
            git_pass,
            extra_clearml_conf,
            api_server,
            web_server,
            files_server,
            access_key,
            secret_key,
            auth_token,
            extra_vm_bash_script,
            docker_image,
            tags,
            session,
        )
        self.aws_access_key_id, self.aws_secret_access_key = aws_access_key_id, aws_secret_access_key
        self.aws_session_token, self.aws_region = aws_session_token, aws_region
        self.use_credentials_chain, self.use_iam_instance_profile = use_credentials_chain, use_iam_instance_profile
        self.iam_arn, self.iam_name = iam_arn, iam_name
        if not use_credentials_chain and bool(aws_access_key_id) != bool(aws_secret_access_key):
            raise ValueError("AWS credentials are a key and a secret: give both, or use_credentials_chain")
        if use_iam_instance_profile and not (iam_arn or iam_name):
            raise ValueError("use_iam_instance_profile needs iam_arn or iam_name")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """See `CloudDriver.from_config`; `hyper_params` has `cloud_credentials_key`, `_secret`, `_region`, `_token`."""
        values = config.get("hyper_params") or {}
        return cls(
            **cls._values(config),
            aws_access_key_id=_get(values, "cloud_credentials_key") or "",
            aws_secret_access_key=_get(values, "cloud_credentials_secret") or "",
            aws_session_token=_get(values, "cloud_credentials_token") or "",
            aws_region=_get(values, "cloud_credentials_region") or "",
            use_credentials_chain=bool(_get(values, "use_credentials_chain")),
            use_iam_instance_profile=bool(_get(values, "use_iam_instance_profile")),
            iam_arn=_get(values, "iam_arn") or "",
            iam_name=_get(values, "iam_name") or "",
        )

    def creds(self) -> dict[str, str | None]:
        """Region and credentials as `boto3.client` takes them."""
        found: dict[str, str | None] = {"region_name": self.aws_region or None}
        if not self.use_credentials_chain:
            found["aws_secret_access_key"] = self.aws_secret_access_key or None
            found["aws_access_key_id"] = self.aws_access_key_id or None
            found["aws_session_token"] = self.aws_session_token or None
        return found

    def _ec2(self) -> Any:
        try:
            import boto3  # type: ignore[import-untyped]  # publishes no types
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("AWSDriver needs boto3: pip install 'clearml-lean[aws]'", name="boto3") from error
        return boto3.client("ec2", **self.creds())

    def spin_up_worker(self, resource_conf: dict[str, Any], worker_prefix: str, queue_name: str, task_id: str) -> str:
        """Start an instance and return its id. It ends for good when its agent ends.

        resource_conf: `instance_type`, `ami_id`, `availability_zone`, `key_name`, `security_group_ids`, `subnet_id`,
        `ebs_device_name`, `ebs_volume_size`, `ebs_volume_type`, `is_spot`, `cpu_only`.
        """
        script = self.gen_user_data(worker_prefix, queue_name, task_id, bool(resource_conf.get("cpu_only")))
        request = instance_request(resource_conf, script, self._machine_tags(worker_prefix), self._profile())
        instance = self._ec2().run_instances(**request)["Instances"][0]
        return str(instance["InstanceId"])

    def _machine_tags(self, worker_prefix: str) -> list[dict[str, str]]:
        own = {"Name": worker_prefix, RESOURCE_TAG: ":".join(worker_prefix.split(":")[:2])}
        return [{"Key": key, "Value": value} for key, value in {**dict(self.tags), **own}.items()]

    def _profile(self) -> dict[str, str] | None:
        if not self.use_iam_instance_profile:
            return None
        return {"Arn": self.iam_arn} if self.iam_arn else {"Name": self.iam_name}

    def spin_down_worker(self, instance_id: str) -> None:
        """Terminate an instance. One that is gone is no error."""
        from botocore.exceptions import ClientError  # type: ignore[import-untyped]  # publishes no types

        try:
            self._ec2().terminate_instances(InstanceIds=[instance_id])
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != GONE:
                raise

    def started_machines(self, workers_prefix: str) -> dict[str, str]:
        """The instances of this autoscaler that are starting or running."""
        wanted = [
            {"Name": f"tag:{RESOURCE_TAG}", "Values": [f"{workers_prefix}:*"]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
        found = {}
        for page in self._ec2().get_paginator("describe_instances").paginate(Filters=wanted):
            for instance in [item for group in page["Reservations"] for item in group["Instances"]]:
                tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags") or []}
                found[str(instance["InstanceId"])] = tags[RESOURCE_TAG].partition(":")[2]
        return found

    def instance_id_command(self) -> str:
        """Asks the metadata service (version 2: with a token)."""
        where = "http://169.254.169.254/latest"
        token = f"$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' {where}/api/token)"
        return f'curl -s -H "X-aws-ec2-metadata-token: {token}" {where}/meta-data/instance-id'

    def instance_type_key(self) -> str:
        """`instance_type`."""
        return "instance_type"

    def kind(self) -> str:
        """`AWS`."""
        return "AWS"

    def console_log(self, instance_id: str) -> str:
        """What the instance has printed so far; "" while EC2 has nothing."""
        text = self._ec2().get_console_output(InstanceId=instance_id).get("Output") or ""
        try:
            return base64.b64decode(text, validate=True).decode("utf-8", "replace")
        except binascii.Error:
            return str(text)  # decoded already


def instance_request(
    resource: Mapping[str, Any], script: str, tags: list[dict[str, str]], profile: Mapping[str, str] | None
) -> dict[str, Any]:
    """The arguments of `run_instances` for one machine. Pure."""
    request: dict[str, Any] = {
        "MinCount": 1,
        "MaxCount": 1,
        "ImageId": resource["ami_id"],
        "InstanceType": resource["instance_type"],
        "InstanceInitiatedShutdownBehavior": "terminate",
        "UserData": script,
        "TagSpecifications": [{"ResourceType": "instance", "Tags": tags}],
    }
    if resource.get("ebs_device_name") and resource.get("ebs_volume_size"):
        disk = {"VolumeSize": int(resource["ebs_volume_size"]), "VolumeType": resource.get("ebs_volume_type") or "gp3"}
        request["BlockDeviceMappings"] = [{"DeviceName": resource["ebs_device_name"], "Ebs": disk}]
    for key, name in (("key_name", "KeyName"), ("subnet_id", "SubnetId")):
        if resource.get(key):
            request[name] = resource[key]
    groups = resource.get("security_group_ids")
    if groups:
        request["SecurityGroupIds"] = (
            [group.strip() for group in groups.split(",")] if isinstance(groups, str) else groups
        )
    if resource.get("availability_zone"):
        request["Placement"] = {"AvailabilityZone": resource["availability_zone"]}
    if profile:
        request["IamInstanceProfile"] = dict(profile)
    if resource.get("is_spot"):
        spot = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        request["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": spot}
    return request
