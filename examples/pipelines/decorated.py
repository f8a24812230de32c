"""A function as a pipeline: the functions that it calls are its steps."""

from clearml import PipelineDecorator


@PipelineDecorator.component(return_values=["value", "data"], cache=True)
def load(start):
    return start * 2, {"rows": [1, 2, 3]}


@PipelineDecorator.component(return_values="score")
def train(value, data):
    return value + sum(data["rows"])


@PipelineDecorator.pipeline(name="decorated", project="examples", version="1.0.0")
def main(start=5):
    value, data = load(start)
    score = train(value, data)
    print("good" if score > 10 else "bad", score)  # waits for the step
    return int(score)


if __name__ == "__main__":
    PipelineDecorator.run_locally()  # without this line the controller goes to the queue `services`
    print("returned", main(start=5))
