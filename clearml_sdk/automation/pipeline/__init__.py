"""Pipelines: steps that depend on one another, and the controller that runs them."""
