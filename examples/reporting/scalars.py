"""Curves by title and series, and single values."""

import math

from clearml import Task

task = Task.init(project_name="examples", task_name="scalars", reuse_last_task_id=False)
logger = task.get_logger()
for step in range(20):
    logger.report_scalar("loss", "train", value=1 / (step + 1), iteration=step)
    logger.report_scalar("loss", "validation", iteration=step, value=1.2 / (step + 1))
    logger.report_scalar(title="unit/accuracy", series="all classes", value=step / 20, iteration=step)
logger.report_scalar("out of order", "late", value=2.0, iteration=5)
logger.report_scalar("out of order", "late", value=1.0, iteration=3)
logger.report_scalar("twice", "the same", value=1.0, iteration=1)
logger.report_scalar("twice", "the same", value=3.0, iteration=1)
logger.report_scalar("not a number", "nan", value=math.nan, iteration=0)
logger.report_scalar("not a number", "infinite", value=math.inf, iteration=0)
logger.report_single_value("best accuracy", 0.95)
logger.report_single_value("parameters", 1_000_000)
task.close()
