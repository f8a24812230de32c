"""Schedules: launching tasks and calling functions at given times."""
