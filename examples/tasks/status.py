"""The states of a task, set by hand: what a script that runs experiments elsewhere does."""

from clearml import Task

task = Task.init(project_name="examples", task_name="status")
for name, end in (
    ("completed", lambda made: made.mark_completed(status_message="all done")),
    ("stopped", lambda made: made.mark_stopped(status_message="enough seen")),
    ("failed", lambda made: made.mark_failed(status_reason="out of memory", status_message="at step 7")),
):
    made = Task.create(project_name="examples", task_name=f"status: {name}", task_type="testing")
    made.mark_started()
    end(made)
    print(made.name, "->", made.get_status(), "because:", made.get_status_message()[1])
    if name == "completed":
        made.wait_for_status(check_interval_sec=0.1)
        made.publish()
        print("then", made.get_status())
    elif name == "stopped":
        made.set_archived(True)
        print("archived:", made.get_archived())
        made.reset()
        print("after a reset:", made.get_status())
task.close()
