"""Tables: of a data frame, of rows, of a file."""

from pathlib import Path

import pandas as pd
from clearml import Task

task = Task.init(project_name="examples", task_name="tables", reuse_last_task_id=False)
logger = task.get_logger()
frame = pd.DataFrame(
    {"loss": [0.5, 0.25, None], "epochs": [1, 2, 3], "name": ["a", "b", "c d"]}, index=["first", "second", "third"]
)
frame.index.name = "run"
logger.report_table("runs", "data frame", iteration=0, table_plot=frame)
logger.report_table("runs", "rows", iteration=0, table_plot=[["name", "loss"], ["a", 0.5], ["b", 0.25]])
Path("runs.csv").write_text("name,loss\na,0.5\nb,0.25\n")
logger.report_table("runs", "file", iteration=1, csv="runs.csv")
logger.report_table("runs", "dates", iteration=2, table_plot=pd.DataFrame({"day": pd.to_datetime(["2026-01-01"])}))
task.close()
