"""A pipeline of copies of a task: each takes its input from the one before."""

from clearml import PipelineController, Task

CODE = """
from clearml import Task
task = Task.init()
values = task.connect({"start": 0, "add": 1})
task.set_parameter("General/total", values["start"] + values["add"])
"""

if __name__ == "__main__":
    base = Task.create(project_name="examples", task_name="adds", packages=["clearml"])
    base.set_script(entry_point="adds.py", diff=CODE, working_dir=".")
    pipe = PipelineController(name="copies", project="examples")
    pipe.add_step("one", base_task_id=base.id, parameter_override={"General/start": 10})
    pipe.add_step(
        "two",
        base_task_id=base.id,
        parameter_override={"General/start": "${one.parameters.General/total}", "General/add": 5},
    )
    pipe.start_locally(run_pipeline_steps_locally=True)
    last = Task.get_task(task_id=pipe.get_pipeline_dag()["two"].executed)
    print("total", last.get_parameter("General/total"))
