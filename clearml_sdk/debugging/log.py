"""Loggers for scripts: below `clearml`, silent ones, into files that are cut, and their option of a command line."""

from __future__ import annotations

import inspect
import logging
import logging.handlers
import os

from clearml_sdk.debugging.progress_log import TqdmLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

__all__ = [
    "LoggerRoot",
    "TqdmLog",
    "add_log_options",
    "add_options",
    "add_rotating_file_handler",
    "add_time_rotating_file_handler",
    "apply_logging_args",
    "get_logger",
    "get_null_logger",
    "parse_log_args",
]

FORMAT = "%(asctime)s %(name)s [%(levelname)s] %(message)s"
_COLOURS = {"WARNING": "33", "ERROR": "31", "CRITICAL": "1;31", "DEBUG": "36", "INFO": "32"}


def get_logger(
    path: str | None = None, level: int | None = None, stream: Any = None, colored: bool = False
) -> logging.Logger:
    """The logger `clearml.<path>`; path None: of the caller's file.

    level: None: as its parent's. stream: where it writes as well. colored: names of levels in colours, there.
    """
    return _prepared(logging.getLogger(f"clearml.{path or _caller()}"), level, stream, colored)


def _prepared(logger: logging.Logger, level: int | None, stream: Any, colored: bool) -> logging.Logger:
    if level is not None:
        logger.setLevel(level)
    if stream is not None:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(_ColouredFormatter(FORMAT) if colored else logging.Formatter(FORMAT))
        logger.addHandler(handler)
    return logger


def get_null_logger(name: str | None = None) -> logging.Logger:
    """A logger that nobody hears."""
    logger = logging.getLogger(name or "null")
    if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
        logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Add `--log-level` to a command line."""
    parser.add_argument("--log-level", "-l", default="INFO", help="Log level (default is INFO)")


def parse_log_args(args: argparse.Namespace) -> None:
    """Give the logger `clearml` the level of `--log-level`, a name or a number. Raises ValueError for neither."""
    level = str(args.log_level).strip()
    logging.getLogger("clearml").setLevel(int(level) if level.isdigit() else level.upper())


add_options, apply_logging_args = add_log_options, parse_log_args


def add_rotating_file_handler(
    logger: logging.Logger,
    log_dir: str | os.PathLike[str],
    log_file_prefix: str,
    max_bytes: int = 10 * 1024 * 1024,
    backup_count: int = 20,
    formatter: logging.Formatter | None = None,
) -> None:
    """Write to `<log_dir>/<log_file_prefix>.log` too, which is put aside at `max_bytes`; `backup_count` are kept."""
    path = os.path.join(log_dir, f"{log_file_prefix}.log")
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=max_bytes, backupCount=backup_count)
    handler.setFormatter(formatter or logging.Formatter(FORMAT))
    logger.addHandler(handler)


def add_time_rotating_file_handler(
    logger: logging.Logger,
    log_dir: str | os.PathLike[str],
    log_file_prefix: str,
    when: str = "midnight",
    formatter: logging.Formatter | None = None,
) -> None:
    """Write to `<log_dir>/<log_file_prefix>.log` too, which is put aside at times that `when` says."""
    handler = logging.handlers.TimedRotatingFileHandler(os.path.join(log_dir, f"{log_file_prefix}.log"), when=when)
    handler.setFormatter(formatter or logging.Formatter(FORMAT))
    logger.addHandler(handler)


class LoggerRoot:
    """The logger above all of the SDK's."""

    @classmethod
    def get_base_logger(cls, level: int | None = None, stream: Any = None, colored: bool = False) -> logging.Logger:
        """The logger `clearml`. level: None: as it is. stream, colored: as for `get_logger`."""
        return _prepared(logging.getLogger("clearml"), level, stream, colored)


class _ColouredFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        colour = _COLOURS.get(record.levelname)
        return (
            text.replace(f"[{record.levelname}]", f"[\033[{colour}m{record.levelname}\033[0m]", 1) if colour else text
        )


def _caller() -> str:
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return os.path.splitext(os.path.basename(frame.f_code.co_filename))[0] if frame is not None else "clearml"
