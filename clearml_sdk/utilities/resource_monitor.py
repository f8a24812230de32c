"""`ResourceMonitor` as scripts make it: of a task, with times in the official units.

`Task.init(auto_resource_monitoring=...)` takes this class or one made of it.
"""

from __future__ import annotations

from clearml_sdk.reporting import resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ResourceMonitor"]


class ResourceMonitor(resources.ResourceMonitor):
    """Watches the machine for a task.

    Args:
        sample_frequency_per_sec: samples a second.
        report_frequency_sec: how often their means are reported, in seconds.
        first_report_sec: when for the first time; None: after one such period.
        wait_for_first_iteration_to_start_sec, max_wait_for_first_iteration_to_start_sec: None: as
            `Task.set_resource_monitor_iteration_timeout` says.
        report_mem_used_per_process: False: the memory in use on the whole machine in place of this process's.
    """

    takes_task = True

    def __init__(
        self,
        task: Any,
        sample_frequency_per_sec: float = 2.0,
        report_frequency_sec: float = 30.0,
        first_report_sec: float | None = None,
        wait_for_first_iteration_to_start_sec: float | None = None,
        max_wait_for_first_iteration_to_start_sec: float | None = None,
        report_mem_used_per_process: bool = True,
    ) -> None:
        super().__init__(
            task.get_logger()._reporter,
            sample_s=1.0 / sample_frequency_per_sec,
            report_s=report_frequency_sec,
            samplers=None if report_mem_used_per_process else [MachineMemory(), *resources.default_samplers()[1:]],
        )
        self.first_report_s = report_frequency_sec if first_report_sec is None else first_report_sec
        if wait_for_first_iteration_to_start_sec is not None:
            self._axis.wait_s = wait_for_first_iteration_to_start_sec
        if max_wait_for_first_iteration_to_start_sec is not None:
            self._axis.back_s = max_wait_for_first_iteration_to_start_sec

    def is_alive(self) -> bool:
        """Whether it watches."""
        return self._thread is not None and self._thread.is_alive()


class MachineMemory(resources.MachineSampler):
    """The machine, its memory in use as a whole."""

    def _tree_bytes(self) -> int:
        return int(self._psutil.virtual_memory().used)
