"""A pipeline whose controller is killed: four steps, two of them side by side, each notes that it ran."""

import os
import sys

from clearml import PipelineController


def work(name, before=None, other=None):
    import os
    import time

    with open(os.path.join(os.environ["PIPELINE_OUT"], "result"), "a") as file:
        file.write(f"{name}\n")
    if name == "c" and os.path.exists(os.path.join(os.environ["PIPELINE_OUT"], "fails")):
        raise SystemExit(1)
    time.sleep(0.5)
    return f"{before or ''}{other or ''}{name}"


if __name__ == "__main__":
    pipe = PipelineController(name="chain", project="automation")
    pipe.set_default_execution_queue(os.environ["PIPELINE_STEPS"])
    pipe.add_function_step("a", work, function_kwargs={"name": "a"}, function_return=["out"])
    for name in "bc":
        pipe.add_function_step(
            name, work, function_kwargs={"name": name, "before": "${a.out}"}, function_return=["out"]
        )
    pipe.add_function_step(
        "d", work, function_kwargs={"name": "d", "before": "${b.out}", "other": "${c.out}"}, function_return=["out"]
    )
    pipe.start(queue=os.environ["PIPELINE_SERVICES"])
    sys.exit(0 if pipe.is_successful() else 3)
