"""Requests of `server.*`."""

from control_plane.schema.base import Request


class ConfigRequest(Request, kw_only=True):
    """The settings, or one of them."""

    path: str | None = None


class StatsRequest(Request, kw_only=True):
    """What was counted. `interval` is read and means nothing here: counters run from the process's start."""

    interval: int | None = None


class StatsOptionRequest(Request, kw_only=True):
    """Whether statistics are reported; `enabled` cannot switch on what there is not."""

    enabled: bool | None = None
