"""The agents and tasks of the tests of the agent's core, and a second interpreter."""

from __future__ import annotations

from tests.e2e.agent.core.conftest import agent, agent_cache, new_agent, tasks
from tests.e2e.browser.conftest import browser, context, page, watched
from tests.integration.agent.environments.conftest import index, index_server, other_python

__all__ = [
    "agent",
    "agent_cache",
    "browser",
    "context",
    "index",
    "index_server",
    "new_agent",
    "other_python",
    "page",
    "tasks",
    "watched",
]
