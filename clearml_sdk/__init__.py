"""The SDK: `from clearml import Task` finds this package where the official one is not installed."""
