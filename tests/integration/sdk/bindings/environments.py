"""Environments with the frameworks that the SDK binds, each with our SDK in it and without the official one."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

from tests.compat.official import OFFICIAL, PROJECT, environment_with

SMALL = (
    "absl-py",
    "click",
    "fire",
    "hydra-core",
    "jsonargparse[signatures]",
    "lightgbm",
    "matplotlib",
    "plotly",
    "scikit-learn",
    "seaborn",
    "tensorboardX",
    "xgboost-cpu",
)
INSTALL_S = 900
"""Limit of a test that may have to install its environment first."""

LARGE = (
    "beartype",
    "catboost",
    "cloudpickle",
    "gradio",
    "keras",
    "lightning",
    "matplotlib",
    "python-fasthtml",
    "requests",
    "scikit-learn",
    "soundfile",
    "tensorboard",
)
FASTAI = ("--no-deps", "fastai", "fastcore", "fastdownload", "fastprogress", "fasttransform", "plum-dispatch")
"""Without what it asks for pictures: that has to fit PyTorch's build."""


def small() -> Path:
    """The python of an environment with what installs in seconds."""
    return environment_with("bindings-small", "--editable", str(PROJECT), *SMALL, compiled=False) / "python"


def large() -> Path:
    """The python of an environment with PyTorch and what stands on it."""
    python = environment_with("bindings-large", "--editable", str(PROJECT)) / "python"
    done = OFFICIAL / "bindings-large" / "frameworks"
    with (OFFICIAL / "bindings-large.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            # By pip, and PyTorch first: its settings may name a build without CUDA, which uv would not find.
            for packages in (("torch==2.13.0",), LARGE, FASTAI):
                pip = [str(python), "-m", "pip", "install", "--quiet", *packages]
                subprocess.run(pip, check=True, timeout=1200)
            done.touch()
    return python


def tensorflow() -> Path:
    """The python of an environment with TensorFlow."""
    packages = ("--editable", str(PROJECT), "tensorflow-cpu", "tensorboard")
    return environment_with("bindings-tensorflow", *packages, compiled=False) / "python"


def notebook() -> Path:
    """The python of an environment with the kernel of notebooks."""
    packages = ("--editable", str(PROJECT), "ipykernel", "nbclient")
    return environment_with("bindings-notebook", *packages, compiled=False) / "python"
