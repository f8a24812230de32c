"""`PipelineController`: what the pipeline's own task shows and stores."""

from __future__ import annotations

from clearml_sdk.automation.pipeline import plots, running
from clearml_sdk.automation.pipeline.base import ControllerBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from clearml_sdk.logger import Logger
    from clearml_sdk.models.output import OutputModel


class Output(ControllerBase):
    """Plots, configuration, logger, artifacts and models of the pipeline itself."""

    def update_execution_plot(self) -> None:
        """Draw the steps as they are now."""
        self._draw()

    def _draw(self) -> None:
        from clearml_sdk.web_pages import task_page

        nodes, logger, session = dict(self._nodes), self._task.get_logger(), self._task._record.session
        logger.report_plotly(*plots.FLOW, plots.flow(nodes), iteration=0)
        logger.report_plotly(
            *plots.TABLE, plots.table(nodes, lambda task: task_page(session, task, self._task.project)), iteration=0
        )
        over = sum(node.is_over for node in nodes.values())
        if nodes:
            self._task.set_progress(int(100 * over / len(nodes)))

    def connect_configuration(self, configuration: Any, name: str | None = None, description: str | None = None) -> Any:
        """As `Task.connect_configuration`, for the pipeline's task."""
        return self._task.connect_configuration(configuration, name=name, description=description)

    @classmethod
    def get_logger(cls) -> Logger:
        """The logger of the pipeline's task; also in a step."""
        return running.pipeline_task().get_logger()

    @classmethod
    def upload_model(cls, model_name: str, model_local_path: str, upload_uri: str | None = None) -> OutputModel:
        """Store a model as an output of the pipeline; also in a step."""
        from clearml_sdk.model import OutputModel

        model = OutputModel(task=running.pipeline_task(), name=model_name)
        model.update_weights(weights_filename=model_local_path, upload_uri=upload_uri)
        return model

    @classmethod
    def upload_artifact(
        cls,
        name: str,
        artifact_object: Any,
        metadata: Mapping[str, Any] | None = None,
        delete_after_upload: bool = False,
        auto_pickle: bool | None = None,
        preview: Any = None,
        wait_on_upload: bool = False,
        serialization_function: Callable[[Any], bytes | bytearray] | None = None,
        sort_keys: bool = True,
    ) -> bool:
        """Store an artifact of the pipeline; also in a step. As `Task.upload_artifact`."""
        return running.pipeline_task().upload_artifact(
            name=name,
            artifact_object=artifact_object,
            metadata=metadata,
            delete_after_upload=delete_after_upload,
            auto_pickle=auto_pickle,
            preview=preview,
            wait_on_upload=wait_on_upload,
            serialization_function=serialization_function,
            sort_keys=sort_keys,
        )
