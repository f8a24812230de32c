"""Jobs: `ClearmlJob` runs a copy of a task through a queue, `LocalClearmlJob` on this machine."""

from clearml_sdk.automation.jobs.base import BaseJob, RunningJob
from clearml_sdk.automation.jobs.cloned import ClearmlJob, TrainsJob
from clearml_sdk.automation.jobs.local import LocalClearmlJob

__all__ = ["BaseJob", "ClearmlJob", "LocalClearmlJob", "RunningJob", "TrainsJob"]
