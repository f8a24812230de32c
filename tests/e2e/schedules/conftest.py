"""Schedules, triggers and autoscalers with real agents."""

from tests.e2e.agent.core.conftest import agent, agent_cache, new_agent, tasks
from tests.integration.sdk.members.conftest import session
from tests.integration.sdk.schedules.conftest import place, workplace

__all__ = ["agent", "agent_cache", "new_agent", "place", "session", "tasks", "workplace"]
