"""`ResourceMonitor` as scripts make it: of a task, with times in the official units.

`Task.init(auto_resource_monitoring=...)` takes this class or one made of it.
"""

from __future__ import annotations

from clearml_sdk.errors import UsageError
from clearml_sdk.reporting import resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

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
    _instances: ClassVar[list[ResourceMonitor]] = []
    _is_at_exit = False

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
        self._task_id = str(task.id)
        self._instances.append(self)
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

    def daemon(self) -> None:
        """Watch, in the thread that calls this, until `stop`."""
        self._run()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it has stopped, at most `timeout` seconds."""
        if self._thread is not None:
            self._thread.join(timeout)

    def post_execution(self) -> None:
        """Forget this one: it watches no more."""
        if self in self._instances:
            self._instances.remove(self)

    def stop(self) -> None:
        """End the thread."""
        super().stop()
        self.post_execution()

    @property
    def resource_monitor_instances(self) -> list[ResourceMonitor]:
        """Those of this process that have not been stopped."""
        return list(self._instances)

    @classmethod
    def get_logger_reported_titles(cls, task: Any) -> list[str]:
        """The titles of the scalars of a task, without those of the machine."""
        return [title for title in task.get_last_scalar_metrics() if not str(title).startswith(":monitor:")]

    @classmethod
    def start_all(cls, task: Any, wait_for_subprocess: bool = True) -> None:
        """Start those of a task that do not watch yet."""
        for monitor in cls._of(task):
            if not monitor.is_alive():
                monitor.start()

    @classmethod
    def clear_main_process(cls, task: Any) -> None:
        """Stop and forget those of a task."""
        for monitor in cls._of(task):
            monitor.stop()

    @classmethod
    def _of(cls, task: Any) -> list[ResourceMonitor]:
        return [monitor for monitor in cls._instances if monitor._task_id == str(task.id)]

    @classmethod
    def set_at_exit_state(cls, state: bool = True) -> None:
        """Note whether the process ends."""
        ResourceMonitor._is_at_exit = state

    @classmethod
    def get_at_exit_state(cls) -> bool:
        """What `set_at_exit_state` noted."""
        return ResourceMonitor._is_at_exit

    # A thread watches, never a process of its own: there is none to be in, to ask about or to wait for.

    def set_subprocess_mode(self) -> None:
        """Raises UsageError: a thread watches."""
        raise UsageError("this SDK watches the machine in a thread, never in a process of its own")

    def is_subprocess_mode(self) -> bool:
        """False: a thread watches."""
        return False

    def is_subprocess_mode_and_parent_process(self) -> bool:
        """False: a thread watches."""
        return False

    @classmethod
    def is_subprocess_enabled(cls, task: Any = None) -> bool:
        """False: a thread watches."""
        return False

    @classmethod
    def is_subprocess_alive(cls, task: Any = None) -> bool:
        """False: a thread watches."""
        return False

    @classmethod
    def wait_for_sub_process(cls, task: Any, timeout: float | None = None) -> None:
        """Returns at once: a thread watches."""


class MachineMemory(resources.MachineSampler):
    """The machine, its memory in use as a whole."""

    def _tree_bytes(self) -> int:
        return int(self._psutil.virtual_memory().used)
