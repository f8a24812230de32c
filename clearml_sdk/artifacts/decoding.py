"""From the file of an artifact to the object that was stored, by the recorded type."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

from clearml_sdk.artifacts import npz

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PICKLES = (".pkl", ".pickle")


def is_pickle(kind: str, content_type: str, path: str) -> bool:
    """Whether reading it would run what a pickle says."""
    return kind == "pickle" or content_type == "application/pickle" or (kind == "pandas" and path.endswith(PICKLES))


def decode(name: str, kind: str, content_type: str, path: str) -> Any:
    """The object in the file at `path`; the path itself for types that are files.

    Raises ImportError when the library of the type is not installed, and what the library raises for a broken file.
    """
    if kind == "numpy":
        return _numpy(name, content_type, path)
    if kind == "data-audit-table":
        import pandas as pd

        return pd.read_csv(path)
    if kind == "pandas":
        return _pandas(content_type, path)
    if kind == "image":
        from PIL import Image

        with Image.open(path) as image:
            image.load()
            return image
    if kind in ("dict", "JSON"):
        return _mapping(content_type, path)
    if kind == "string":
        return Path(path).read_text(encoding="utf-8", errors="replace")
    if kind == "pickle":
        with open(path, "rb") as file:
            return pickle.load(file)
    return Path(path)


def _numpy(name: str, content_type: str, path: str) -> Any:
    if content_type == "text/csv":
        import numpy as np

        return np.genfromtxt(path, delimiter=",")
    return npz.read(path, name)


def _pandas(content_type: str, path: str) -> Any:
    import pandas as pd

    if content_type == "application/parquet":
        return pd.read_parquet(path)
    if content_type == "application/feather":
        return pd.read_feather(path)
    if content_type == "application/pickle":
        return pd.read_pickle(path)
    return pd.read_csv(path, index_col=0)


def _mapping(content_type: str, path: str) -> Any:
    text = Path(path).read_text(encoding="utf-8")
    if content_type == "application/yaml":
        import yaml

        return yaml.safe_load(text)
    return json.loads(text)
