"""`Task`: runs elsewhere - handed over to an agent, one function of them, or on several machines at once."""

from __future__ import annotations

from clearml_sdk.facade.base import TaskBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from clearml_sdk.task import Task


class TaskRemote(TaskBase):
    """What a run starts on other machines."""

    def execute_remotely(
        self, queue_name: str | None = None, clone: bool = False, exit_process: bool = True
    ) -> Task | None:
        """Hand this run over to an agent: enqueue this task (or its clone) and leave the process.

        Args:
            queue_name: None: do not enqueue; the task is left as a draft.
            exit_process: False needs `clone`.

        In a remote run nothing happens. Returns the clone, where this process goes on.
        """
        from clearml_sdk.remote_execution import hand_over

        return hand_over(
            self,  # type: ignore[arg-type]  # Task is the one class made of these parts
            queue_name=queue_name,
            clone=clone,
            exit_process=exit_process,
        )

    def create_function_task(
        self, func: Callable[..., Any], func_name: str | None = None, task_name: str | None = None, **kwargs: Any
    ) -> Task | None:
        """A draft that runs one function of this script, with the environment of this task.

        Its run goes through this script up to this call, calls `func` with the values of its section `Function` (at
        first `kwargs`), and ends.

        Args:
            func_name: by which the run finds the function; None: its own name.
            task_name: None: this task's name and the function's.

        Returns the draft; None in the run of a function task. Raises UsageError outside of the run of this task, and
        inside of the function of a function task.
        """
        from clearml_sdk.functions import create_function_task

        return create_function_task(self, func, func_name, task_name, kwargs)  # type: ignore[arg-type]  # as above

    def launch_multi_node(
        self,
        total_num_nodes: int,
        port: int | None = 29500,
        queue: str | None = None,
        wait: bool = False,
        addr: str | None = None,
        devices: int | Sequence[int] | None = None,
        hide_children: bool = False,
    ) -> dict[str, Any]:
        """Run this task on several machines: an agent's run of it enqueues a clone for each further node.

        Sets MASTER_ADDR, MASTER_PORT, WORLD_SIZE and RANK, as torch.distributed reads them; on a person's machine
        nothing is enqueued. `total_num_nodes` and `queue` can be edited on the task, section `launch_multi_node`.

        Args:
            port, addr: of the master; CLEARML_MULTI_NODE_MASTER_DEF_PORT/_ADDR and MASTER_PORT/_ADDR come before
                them. None: 29500, and the address of this machine.
            queue: of the nodes; None: the one that this task was in.
            wait: return when all nodes run. Raises RuntimeError when one ends before.
            devices: processes a node, or of each node: RANK and WORLD_SIZE count them.
            hide_children: leave the nodes out of lists.

        Returns master_addr, master_port, node_rank, total_num_nodes, queue, wait and devices.
        """
        from clearml_sdk.multi_node import launch_multi_node

        return launch_multi_node(
            self,  # type: ignore[arg-type]  # as above
            total_num_nodes,
            port=port,
            queue=queue,
            wait=wait,
            addr=addr,
            devices=devices,
            hide_children=hide_children,
        )
