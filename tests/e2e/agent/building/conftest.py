"""An agent that builds tasks instead of running them."""

from __future__ import annotations

from tests.e2e.agent.core.conftest import agent, agent_cache, new_agent, tasks
from tests.integration.agent.environments.conftest import index, index_server

__all__ = ["agent", "agent_cache", "index", "index_server", "new_agent", "tasks"]
