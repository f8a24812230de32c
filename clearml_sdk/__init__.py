"""The SDK: `from clearml import Task` finds this package where the official one is not installed.

Names are imported when they are first used (PEP 562): `import clearml` itself loads nothing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from clearml_sdk._version import __version__
    from clearml_sdk.automation.controller import PipelineController, PipelineDecorator
    from clearml_sdk.datasets.dataset import Dataset
    from clearml_sdk.errors import UsageError
    from clearml_sdk.logger import Logger
    from clearml_sdk.model import InputModel, Model, OutputModel
    from clearml_sdk.notebook_login import browser_login
    from clearml_sdk.storage.manager import StorageManager
    from clearml_sdk.task import Task, TaskTypes

_HOMES = {
    "Dataset": "clearml_sdk.datasets.dataset",
    "InputModel": "clearml_sdk.model",
    "Logger": "clearml_sdk.logger",
    "Model": "clearml_sdk.model",
    "OutputModel": "clearml_sdk.model",
    "PipelineController": "clearml_sdk.automation.controller",
    "PipelineDecorator": "clearml_sdk.automation.controller",
    "StorageManager": "clearml_sdk.storage.manager",
    "Task": "clearml_sdk.task",
    "TaskTypes": "clearml_sdk.task",
    "UsageError": "clearml_sdk.errors",
    "__version__": "clearml_sdk._version",
    "browser_login": "clearml_sdk.notebook_login",
}
_HOMES |= dict.fromkeys(
    (
        "DataEntry",
        "DataEntryImage",
        "DataSubEntry",
        "DataSubEntryImage",
        "DataView",
        "HyperDataset",
        "HyperDatasetManagement",
        "HyperDatasetQuery",
    ),
    "clearml_sdk.hyperdatasets",
)

__all__ = [
    "Dataset",
    "InputModel",
    "Logger",
    "Model",
    "OutputModel",
    "PipelineController",
    "PipelineDecorator",
    "StorageManager",
    "Task",
    "TaskTypes",
    "UsageError",
    "__version__",
    "browser_login",
]


def __getattr__(name):  # type: ignore[no-untyped-def]  # typing would be imported for it
    if name not in _HOMES:
        from clearml_sdk._submodules import submodule

        return submodule(__name__, name)
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__():  # type: ignore[no-untyped-def]
    return sorted({*globals(), *__all__})
