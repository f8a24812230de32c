"""Pipelines: `PipelineController`, made of steps that are added, and `PipelineDecorator`, made of functions."""

from clearml_sdk.automation.pipeline.controller import PipelineController
from clearml_sdk.automation.pipeline.decorator import PipelineDecorator

__all__ = ["PipelineController", "PipelineDecorator"]
