"""What scripts measure and log with: timers, loggers, progress as log lines."""

from __future__ import annotations

from clearml_sdk.debugging.log import (
    add_log_options,
    add_rotating_file_handler,
    add_time_rotating_file_handler,
    get_logger,
    get_null_logger,
    parse_log_args,
)
from clearml_sdk.debugging.progress_log import TqdmLog
from clearml_sdk.debugging.timer import Timer

__all__ = [
    "Timer",
    "TqdmLog",
    "add_log_options",
    "add_rotating_file_handler",
    "add_time_rotating_file_handler",
    "get_logger",
    "get_null_logger",
    "parse_log_args",
]
