"""`SeriesInfo`: one named line of a plot, for `Logger.report_line_plot`."""

from clearml_sdk.reporting.figures import SeriesInfo

__all__ = ["SeriesInfo"]
