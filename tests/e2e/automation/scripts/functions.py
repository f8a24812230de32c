"""A pipeline of three functions, run by agents, (argument `here`) on this machine, or (`steps`) its steps by agents."""

import os
import sys

from clearml import PipelineController


def load(start, scale=2):
    print("load", start)
    return int(start) * scale, {"rows": [1, 2, 3]}


def train(value, data):
    assert data == {"rows": [1, 2, 3]}, data
    return value + sum(data["rows"])


def report(value):
    with open(os.path.join(os.environ["PIPELINE_OUT"], "result"), "a") as file:
        file.write(f"{value}\n")


if __name__ == "__main__":
    pipe = PipelineController(name="functions", project="automation", version="1.2.3", pool_frequency=0.01)
    pipe.add_parameter("start", 5, description="where it begins")
    pipe.set_default_execution_queue(os.environ["PIPELINE_STEPS"])
    pipe.add_function_step(
        "load", load, function_kwargs={"start": "${pipeline.start}"}, function_return=["value", "data"]
    )
    pipe.add_function_step(
        "train",
        train,
        function_kwargs={"value": "${load.value}", "data": "${load.data}"},
        function_return=["score"],
    )
    pipe.add_function_step("report", report, function_kwargs={"value": "${train.score}"})
    if sys.argv[1:] == ["here"]:
        pipe.start_locally(run_pipeline_steps_locally=True)
    elif sys.argv[1:] == ["steps"]:
        pipe.start_locally()
    else:
        pipe.start(queue=os.environ["PIPELINE_SERVICES"] or None)
    print("pipeline", pipe.id, pipe.is_successful())
