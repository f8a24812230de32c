"""The Python environment of a task: built once, kept in a cache, used in place under a thin one of the task's own.

`build` gives a task its environment; `byte_compile` may run beside the first task that uses a new one.
"""

from clearml_agent.environments.build import build, byte_compile
from clearml_agent.environments.request import Environment, EnvironmentRequest
from clearml_agent.environments.settings import PackageSettings
from clearml_agent.environments.sources import recorded_lines
from clearml_agent.errors import EnvironmentFailed

__all__ = [
    "Environment",
    "EnvironmentFailed",
    "EnvironmentRequest",
    "PackageSettings",
    "build",
    "byte_compile",
    "recorded_lines",
]
