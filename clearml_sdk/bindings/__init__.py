"""What the SDK learns from other libraries while they run, by wrapping a few of their functions."""
