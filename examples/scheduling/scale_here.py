"""Agents on this machine as tasks need them: at most two, gone after five minutes without a task."""

import logging

from clearml_sdk.automation.auto_scaler import AutoScaler, ScalerConfig
from clearml_sdk.automation.local_driver import LocalDriver

logging.basicConfig(level=logging.INFO)
config = ScalerConfig(
    max_idle_time_min=5,
    polling_interval_time_min=0.1,
    workers_prefix="here",
    resource_configurations={"small": {"instance_type": "process"}},
    queues={"default": [["small", 2]]},
)
AutoScaler(config, LocalDriver.from_config({})).start()
