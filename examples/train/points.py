"""The data of the example: points drawn around three centres."""

import numpy as np

CENTRES = np.array([[0.0, 0.0], [3.0, 0.5], [1.0, 3.0]])


def draw_points(count, *, seed):
    """Returns points (count, 2) float64 and their classes (count,) int64."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(CENTRES), size=count)
    return CENTRES[labels] + random.normal(scale=0.8, size=(count, 2)), labels
