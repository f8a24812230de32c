"""The random seed that every run begins with, so that it can be repeated: `Task.set_random_seed`."""

from __future__ import annotations

import random
import sys

DEFAULT_SEED = 1337
"""What runs are seeded with unless they say otherwise (so do official clients)."""

_seed: int | None = DEFAULT_SEED


def choose(seed: int | bool | None) -> None:
    """Seed new runs with `seed`: True for the default, None or False not at all. ValueError for anything else."""
    global _seed
    given = DEFAULT_SEED if seed is True else seed
    _seed = int(given) if given is not None and given is not False else None


def chosen() -> int | None:
    """The seed of new runs; None: they are not seeded."""
    return _seed


def apply() -> None:
    """Seed the generators of this process as new runs are; nothing where they are not seeded."""
    if _seed is not None:
        seed_all(_seed)


def seed_all(seed: int) -> None:
    """Seed Python's generator and those of numpy, torch and TensorFlow where they are imported already."""
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed % (1 << 32))
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None:
        tensorflow.random.set_seed(seed)
