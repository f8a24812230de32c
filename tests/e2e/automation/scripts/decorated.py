"""The same three functions as components of a decorated pipeline."""

import os
import sys

from clearml import PipelineDecorator


@PipelineDecorator.component(return_values=["value", "data"], cache=False)
def load(start, scale=2):
    print("load", start)
    return int(start) * scale, {"rows": [1, 2, 3]}


@PipelineDecorator.component(return_values="score")
def train(value, data):
    assert data == {"rows": [1, 2, 3]}, data
    return value + sum(data["rows"])


@PipelineDecorator.component(return_values="done")
def report(value):
    with open(os.path.join(os.environ["PIPELINE_OUT"], "result"), "a") as file:
        file.write(f"{value}\n")
    return True


@PipelineDecorator.pipeline(
    name="decorated",
    project="automation",
    version="1.0",
    pool_frequency=0.01,
    pipeline_execution_queue=os.environ["PIPELINE_SERVICES"],
    return_value="score",
)
def main(start=5):
    value, data = load(start)
    score = train(value, data)
    if score > 0:
        report(score)
    return int(score)


if __name__ == "__main__":
    PipelineDecorator.set_default_execution_queue(os.environ["PIPELINE_STEPS"])
    if sys.argv[1:] == ["here"]:
        PipelineDecorator.run_locally()
    if sys.argv[1:] == ["debug"]:
        PipelineDecorator.debug_pipeline()
    print("returned", main(start=5))
