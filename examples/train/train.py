"""Train a small softmax classifier on points drawn around three centres, and record everything about it.

python train.py --epochs 20 --learning-rate 0.5
"""

import argparse

import numpy as np
from clearml import OutputModel, Task
from points import CENTRES, draw_points


def train(points, labels, *, epochs, learning_rate, logger):
    """Gradient descent on the cross entropy; returns the weights, (features + 1, classes) float64."""
    inputs = np.hstack([points, np.ones((len(points), 1))])
    wanted = np.eye(len(CENTRES))[labels]
    weights = np.zeros((inputs.shape[1], len(CENTRES)))
    for epoch in range(epochs):
        scores = inputs @ weights
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        loss = float(-np.log(chances[np.arange(len(labels)), labels]).mean())
        accuracy = float((chances.argmax(axis=1) == labels).mean())
        weights -= learning_rate * inputs.T @ (chances - wanted) / len(inputs)
        logger.report_scalar("loss", "train", value=loss, iteration=epoch)
        logger.report_scalar("accuracy", "train", value=accuracy, iteration=epoch)
        print(f"epoch {epoch}: loss {loss:.4f}, accuracy {accuracy:.3f}")
    return weights, {"loss": loss, "accuracy": accuracy}


def decision_plot(points, labels):
    """The points in the colours of their classes, as a plotly figure."""
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"class {k}",
                "x": points[labels == k, 0].round(3).tolist(),
                "y": points[labels == k, 1].round(3).tolist(),
            }
            for k in range(len(CENTRES))
        ],
        "layout": {"title": {"text": "training points"}},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--learning-rate", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=1)

    task = Task.init(project_name="examples", task_name="three classes", output_uri=True)
    arguments = parser.parse_args()
    logger = task.get_logger()

    points, labels = draw_points(300, seed=arguments.seed)
    logger.report_plotly("data", "points", iteration=0, figure=decision_plot(points, labels))
    weights, result = train(
        points, labels, epochs=arguments.epochs, learning_rate=arguments.learning_rate, logger=logger
    )
    task.upload_artifact("result", {**result, "epochs": arguments.epochs})
    np.savez("weights.npz", weights=weights)
    OutputModel(task=task, name="softmax").update_weights("weights.npz", auto_delete_file=False)
    print("done")
    task.close()


if __name__ == "__main__":
    main()
