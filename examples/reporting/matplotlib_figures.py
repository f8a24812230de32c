"""Figures of matplotlib, reported by hand: as a plot that can be zoomed, as a picture, as a debug sample."""

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from clearml import Task

task = Task.init(
    project_name="examples", task_name="matplotlib figures", reuse_last_task_id=False,
    auto_connect_frameworks={"matplotlib": False},
)  # fmt: skip
logger = task.get_logger()
figure, axes = plt.subplots()
axes.plot([1, 2, 3], [1, 4, 9], label="squares")
axes.bar([1, 2, 3], [3, 2, 1])
axes.set_xlabel("n")
axes.legend()
axes.set_title("numbers")
logger.report_matplotlib_figure("matplotlib", "plot", figure=figure, iteration=0, report_interactive=True)
logger.report_matplotlib_figure("matplotlib", "picture", figure=figure, iteration=0, report_interactive=False)
logger.report_matplotlib_figure("matplotlib", "sample", figure=figure, iteration=0, report_image=True)
task.close()
