"""The kinds of plots: histograms, lines, points, matrices, surfaces."""

import numpy as np
from clearml import Task

task = Task.init(project_name="examples", task_name="plots", reuse_last_task_id=False)
logger = task.get_logger()
random = np.random.default_rng(7)

logger.report_histogram(
    "grades", "by class", values=random.integers(0, 9, (2, 4)), iteration=1, labels=["a", "b"],
    xlabels=["one", "two", "three", "four"], xaxis="grade", yaxis="count", mode="stack",
)  # fmt: skip
logger.report_histogram("grades", "one row", values=[1, 2, 3], iteration=1)
logger.report_vector("lengths", "vector", values=[3.5, 1.25, 2.0], iteration=1, xaxis="word", yaxis="length")
logger.report_scatter2d(
    "points", "scatter", scatter=[[0, 1], [1, 3], [2, 2]], iteration=1, xaxis="x", yaxis="y", mode="markers",
    labels=["p", "q", "r"], comment="three points",
)  # fmt: skip
logger.report_scatter2d("points", "line", scatter=np.array([[0, 0], [1, 2]]), iteration=1)
logger.report_scatter3d("points 3d", "scatter", scatter=random.random((4, 3)).round(3), iteration=1, mode="markers")
logger.report_line_plot(
    "lines", series=[
        {"name": "first", "data": [[0, 1], [1, 2]]},
        {"name": "second", "data": [[0, 2], [1, 1]]},
    ], xaxis="x", yaxis="y", iteration=1,
)  # fmt: skip
logger.report_confusion_matrix(
    "confusion", "digits", matrix=[[9, 1], [2, 8]], iteration=1, xlabels=["0", "1"], ylabels=["0", "1"],
    xaxis="predicted", yaxis="true",
)  # fmt: skip
logger.report_matrix("matrix", "plain", matrix=np.arange(6).reshape(2, 3), iteration=1, yaxis_reversed=True)
logger.report_surface(
    "surface", "hill", matrix=np.arange(9).reshape(3, 3), iteration=1, xaxis="x", yaxis="y", zaxis="z", camera=(1, 1, 1)
)
logger.report_histogram(
    "titled", "with a layout", values=[1, 2], iteration=2, extra_layout={"xaxis": {"type": "category"}}
)
task.close()
