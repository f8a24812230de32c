"""One call turns a script into a task: its code, packages, console and machine are recorded from there on."""

from clearml import Task

task = Task.init(
    project_name="examples", task_name="first task", task_type=Task.TaskTypes.data_processing, tags=["first", "short"]
)
task.set_comment("What a task looks like")
task.add_tags("kept")
for step in range(4):
    print(f"step {step} of 4")
    task.set_progress(25 * (step + 1))
task.get_logger().report_single_value("steps", 4)
task.close()
