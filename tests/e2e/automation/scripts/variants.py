"""Ways to decorate a pipeline: sections of its arguments, several runs, a step that fails."""

import sys

from clearml import PipelineDecorator


@PipelineDecorator.component(return_values="doubled")
def double(value):
    return value * 2


@PipelineDecorator.component(return_values="never")
def broken(value):
    raise RuntimeError("broken on purpose")


@PipelineDecorator.pipeline(
    name="several", project="automation", args_map={"Data": ["value"]}, multi_instance_support=True
)
def several(value=1, other="x"):
    assert PipelineDecorator.get_current_pipeline() is not None
    return double(value) + 1


@PipelineDecorator.pipeline(name="broken", project="automation")
def failing():
    first = double(1)
    second = double(first)
    value = broken(second)
    return value + 1


if __name__ == "__main__":
    PipelineDecorator.run_locally()
    if sys.argv[1] == "several":
        several(value=2)
        several(value=5)
        print("all", PipelineDecorator.wait_for_multi_pipelines())
    else:
        try:
            failing()
        except RuntimeError as error:
            print("raised", error)
