"""`make_deterministic`: the same random numbers in each run."""

from __future__ import annotations

import sys

from clearml_sdk import seeding


def make_deterministic(seed: int = seeding.DEFAULT_SEED, cudnn_deterministic: bool = False) -> None:
    """Seed Python's generator and those of numpy, torch and TensorFlow where they are imported already.

    cudnn_deterministic: also have PyTorch choose algorithms that give the same results each time, which are slower.
    """
    seeding.seed_all(seed)
    torch = sys.modules.get("torch")
    if torch is not None and cudnn_deterministic:
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
