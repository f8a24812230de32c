"""`agent.reload_config`: the configuration file is read again for the next task when it has changed."""

from __future__ import annotations

import logging
import os
from dataclasses import replace

from clearml_agent.config import AgentConfig, load
from clearml_agent.errors import UsageError
from clearml_sdk.errors import ConfigurationError

log = logging.getLogger("clearml_agent")

Stamp = tuple[int, int, int]


class Reloader:
    """Gives the configuration for each new task. What the command line says stays; so do identity, slots and queues."""

    def __init__(self, config: AgentConfig) -> None:
        self._config = config
        self._stamp = stamp(config.config.file)

    def current(self) -> AgentConfig:
        """The configuration as it is now; one that cannot be read any more leaves what was read before."""
        config = self._config
        path = config.config.file
        if path is None or not config.config.flag("agent.reload_config"):
            return config
        now = stamp(path)
        if now == self._stamp:
            return config
        self._stamp = now
        try:
            tree = load(path, config.environ)
        except (ConfigurationError, UsageError, OSError) as error:
            log.error(
                "%s was changed and cannot be read, the next tasks run with what was read before: %s", path, error
            )
            return config
        for key, value in config.given.items():
            tree.set(key, value)
        tree.set("agent.reload_config", True)  # else nobody would notice when it is switched on again
        log.info("%s was changed: the next tasks run with what it says now", path)
        self._config = replace(
            config,
            config=tree,
            grace_s=tree.number("agent.stop_grace_sec", config.grace_s),
            ping_s=tree.number("agent.task_ping_interval_sec", config.ping_s),
        )
        return self._config


def stamp(path: str | None) -> Stamp | None:
    """What changes with a file's content; None when there is none."""
    if path is None:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
