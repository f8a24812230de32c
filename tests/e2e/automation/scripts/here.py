"""A pipeline whose steps are processes of the controller's machine; each says that it runs and waits to be let go."""

import os

from clearml import PipelineController


def work(name, before=None):
    import os
    import time

    out = os.environ["PIPELINE_OUT"]
    with open(os.path.join(out, "result"), "a") as file:
        file.write(f"{name}\n")
    while not os.path.exists(os.path.join(out, f"let go {name}")):
        time.sleep(0.05)
    return f"{before or ''}{name}"


if __name__ == "__main__":
    pipe = PipelineController(name="here", project="automation")
    pipe.add_function_step("first", work, function_kwargs={"name": "a"}, function_return=["out"])
    pipe.add_function_step(
        "second", work, function_kwargs={"name": "b", "before": "${first.out}"}, function_return=["out"]
    )
    pipe.add_function_step(
        "third", work, function_kwargs={"name": "c", "before": "${second.out}"}, function_return=["out"]
    )
    pipe.start_locally(run_pipeline_steps_locally=True)
    print("successful:", pipe.is_successful(), os.getpid())
