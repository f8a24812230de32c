"""Launching tasks at given times: `TaskScheduler`, and the entries it has."""

from clearml_sdk.automation.schedules.by_time import TaskScheduler
from clearml_sdk.automation.schedules.entry import BaseScheduleJob, ExecutedJob
from clearml_sdk.automation.schedules.job import ScheduleJob
from clearml_sdk.automation.schedules.service import BaseScheduler

__all__ = ["BaseScheduleJob", "BaseScheduler", "ExecutedJob", "ScheduleJob", "TaskScheduler"]
