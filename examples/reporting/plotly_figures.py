"""Figures of plotly: objects of the library, or dictionaries of the same form."""

import numpy as np
import plotly.graph_objects as go
from clearml import Task

task = Task.init(project_name="examples", task_name="plotly figures", reuse_last_task_id=False)
logger = task.get_logger()
figure = go.Figure(go.Scatter(x=np.arange(4), y=[1, 4, 9, 16], name="squares"))
figure.update_layout(title="squares", xaxis_title="n")
logger.report_plotly("plotly", "object", iteration=0, figure=figure)
logger.report_plotly(
    "plotly", "dictionary", iteration=0,
    figure={"data": [{"type": "bar", "x": ["a", "b"], "y": [1, 2]}], "layout": {"title": {"text": "bars"}}},
)  # fmt: skip
logger.report_plotly("plotly", "heat", iteration=1, figure=go.Figure(go.Heatmap(z=[[1, 2], [3, 4]])))
task.close()
