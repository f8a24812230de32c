"""Jobs: tasks that other tasks launch and look after."""
