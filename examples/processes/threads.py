"""Threads report to the same task, each its own series."""

from concurrent.futures import ThreadPoolExecutor

from clearml import Logger, Task

task = Task.init(project_name="examples", task_name="threads", reuse_last_task_id=False)


def work(number):
    for step in range(5):
        Logger.current_logger().report_scalar("work", f"thread {number}", value=number + step / 10, iteration=step)


with ThreadPoolExecutor(3) as pool:
    list(pool.map(work, range(3)))
task.flush(wait_for_uploads=True)
print(sorted(task.get_reported_scalars()["work"]))
task.close()
