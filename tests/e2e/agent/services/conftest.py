"""A services agent and the idle tasks it looks after."""

from __future__ import annotations

from tests.e2e.agent.core.conftest import agent, agent_cache, new_agent, tasks

__all__ = ["agent", "agent_cache", "new_agent", "tasks"]
