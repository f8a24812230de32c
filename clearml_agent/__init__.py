"""The agent: pulls tasks from queues, builds their environments and runs them."""
