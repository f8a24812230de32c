"""Reports of a running task: scalars, texts, plots and images, through the journal to the server."""

from clearml_sdk.reporting.reporter import Reporter

__all__ = ["Reporter"]
