"""A pipeline of three functions, on this machine. `pipe.start()` in place of `start_locally` leaves it to agents."""

from clearml import PipelineController


def load(start, scale=2):
    return start * scale, {"rows": [1, 2, 3]}


def train(value, data):
    return value + sum(data["rows"])


def report(score):
    print("the score is", score)


if __name__ == "__main__":
    pipe = PipelineController(name="functions", project="examples", version="1.0.0")
    pipe.add_parameter("start", 5, description="where it begins")
    pipe.add_function_step(
        "load", load, function_kwargs={"start": "${pipeline.start}"}, function_return=["value", "data"]
    )
    pipe.add_function_step(
        "train",
        train,
        function_kwargs={"value": "${load.value}", "data": "${load.data}"},
        function_return=["score"],
        cache_executed_step=True,
    )
    pipe.add_function_step("report", report, function_kwargs={"score": "${train.score}"})
    pipe.start_locally(run_pipeline_steps_locally=True)
    print("successful:", pipe.is_successful())
