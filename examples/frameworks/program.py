"""click: options are parameters of the task; a clone runs with edited ones."""

import click
from clearml import Task


@click.command()
@click.option("--lr", type=float, default=0.1, help="learning rate")
@click.option("--epochs", default=3)
@click.argument("name")
def main(lr: float, epochs: int, name: str) -> None:
    Task.init(project_name="examples", task_name="program")
    print(f"training {name} for {epochs} epochs at {lr}")


main()
