"""Triggers: launching tasks and calling functions when models, datasets and tasks become something."""
