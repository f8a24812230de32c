"""A pipeline of three copies of one task, which is made here too."""

import os
import sys

from clearml import PipelineController

CODE = """
import os
from clearml import OutputModel, Task
task = Task.init()
values = {"start": 0, "add": 1}
task.connect(values)
total = int(values["start"]) + int(values["add"])
task.upload_artifact("total", {"total": total}, wait_on_upload=True)
task.set_parameter("General/total", total)
task.get_logger().report_scalar("loss", "train", 1.0 / total, 1)
with open("weights.bin", "wb") as file:
    file.write(b"weights")
OutputModel(task=task, name="net").update_weights("weights.bin")
if values["add"] == 100:
    with open(os.path.join(os.environ["PIPELINE_OUT"], "result"), "a") as file:
        file.write(f"{total}\\n")
"""

if __name__ == "__main__":
    pipe = PipelineController(name="tasks", project="automation", version="1.0", abort_on_failure=True)
    base = sys.argv[1]
    pipe.set_default_execution_queue(os.environ["PIPELINE_STEPS"])
    pipe.add_parameter("start", 10)
    pipe.add_step(
        "one",
        base_task_id=base,
        parameter_override={"General/start": "${pipeline.start}"},
        monitor_metrics=[(("loss", "train"), ("losses", "one")), ("loss", "train")],
        monitor_artifacts=[("total", "total of one")],
        monitor_models=["net", ("net", "net of one")],
    )
    pipe.add_step("two", base_task_id=base, parameter_override={"General/start": "${one.parameters.General/total}"})
    pipe.add_step(
        "three",
        base_task_id=base,
        parameter_override={"General/start": "${two.parameters.General/total}", "General/add": 100},
        task_overrides={"comment": "after ${two.id}"},
    )
    if "here" in sys.argv:
        pipe.start_locally(run_pipeline_steps_locally=True)
    else:
        pipe.start(queue=os.environ["PIPELINE_SERVICES"])
    print("pipeline", pipe.id, pipe.is_successful())
