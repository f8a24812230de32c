"""EC2 instances as tasks need them: up to four with a GPU for one queue, spot ones without for another."""

import logging
import os

from clearml.automation.auto_scaler import AutoScaler, ScalerConfig
from clearml.automation.aws_driver import AWSDriver

logging.basicConfig(level=logging.INFO)
disk = {"ebs_device_name": "/dev/sda1", "ebs_volume_size": 100, "ebs_volume_type": "gp3"}
machine = {"ami_id": os.environ.get("AMI", "ami-0123456789abcdef0"), "availability_zone": "us-east-1b", **disk}
config = {
    "hyper_params": {
        "cloud_credentials_key": "",
        "cloud_credentials_secret": "",
        "cloud_credentials_token": "",
        "cloud_credentials_region": "us-east-1",
        "use_credentials_chain": True,
        "use_iam_instance_profile": False,
        "iam_arn": "",
        "iam_name": "",
        "default_docker_image": None,
        "git_user": os.environ.get("GIT_USER"),
        "git_pass": os.environ.get("GIT_TOKEN"),
        "tags": "team=research",
        "max_idle_time_min": 15,
        "workers_prefix": "dynamic_aws",
    },
    "configurations": {
        "resource_configurations": {
            "gpu": {"instance_type": "g5.xlarge", "is_spot": False, **machine},
            "cpu": {"instance_type": "m6i.large", "is_spot": True, **machine},
        },
        "queues": {"gpu": [["gpu", 4]], "cpu": [["cpu", 10]]},
        "extra_clearml_conf": "",
        "extra_vm_bash_script": "",
    },
}
AutoScaler(ScalerConfig.from_config(config), AWSDriver.from_config(config)).start()
