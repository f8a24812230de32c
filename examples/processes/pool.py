"""Worker processes report to the task of the process that started them."""

from multiprocessing import get_context

from clearml import Task


def work(number):
    logger = Task.current_task().get_logger()
    for step in range(3):
        logger.report_scalar("work", f"worker {number}", value=number * 10 + step, iteration=step)
    return number * number


if __name__ == "__main__":
    task = Task.init(project_name="examples", task_name="pool", reuse_last_task_id=False)
    with get_context("spawn").Pool(2) as pool:
        results = pool.map(work, range(3), chunksize=1)
        pool.close()
        pool.join()
    print("results:", results)
    task.close()
