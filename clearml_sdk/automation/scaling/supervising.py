"""`AutoScaler`: starts machines with agents while tasks wait in queues, and ends those that have nothing to do.

It keeps nothing: queues, workers and the driver's list of machines say all, so another process goes on where one died.
"""

from __future__ import annotations

import logging
import threading
import time

from clearml_sdk.automation.scaling.config import ScalerConfig, State
from clearml_sdk.automation.scaling.planning import WorkerId, machines_to_start
from clearml_sdk.backend_api.session.client import APIClient
from clearml_sdk.errors import ApiError, ClearmlError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from clearml_sdk.automation.cloud_driver import CloudDriver
    from clearml_sdk.session import Session

    Idle = dict[str, tuple[float, str, Any]]  # worker -> (since when, resource, worker)
    Spun = dict[str, tuple[str, float]]  # machine -> (resource, when it was started)

LOOK_S = 5.0
"""So often the console of a starting machine is read."""


class AutoScaler:
    """Keeps as many machines as the waiting tasks need, within the limits."""

    def __init__(self, config: ScalerConfig, driver: CloudDriver, logger: logging.Logger | None = None) -> None:
        """Raises ValueError for a configuration that cannot be meant."""
        self.logger = logger or logging.getLogger("clearml.auto_scaler")
        self._state = State.READY
        self.driver = driver
        self.resource_configurations: dict[str, dict[str, Any]] = dict(config.resource_configurations or {})
        self.queues: dict[str, list[tuple[str, int]]] = {
            str(queue): [(str(resource), int(limit)) for resource, limit in resources]
            for queue, resources in (config.queues or {}).items()
        }
        self.resource_to_queue = self._owners()
        self.max_idle_time_min = float(config.max_idle_time_min)
        self.polling_interval_time_min = float(config.polling_interval_time_min)
        self.max_spin_up_time_min = float(config.max_spin_up_time_min)
        self.workers_prefix = str(config.workers_prefix)
        if ":" in self.workers_prefix:
            raise ValueError(f"workers_prefix is a part of worker ids, it has no colon: {self.workers_prefix!r}")
        self._stop_event = threading.Event()
        self._spun: Spun = {}
        self.set_auth(driver.session)
        driver.set_scaler(self)

    def _owners(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for queue, resources in self.queues.items():
            for resource, _ in resources:
                if resource not in self.resource_configurations:
                    raise ValueError(f"queue {queue}: there is no resource {resource!r} in resource_configurations")
                if resource in found:
                    raise ValueError(f"resource {resource!r} is given to the queues {found[resource]} and {queue}")
                found[resource] = queue
        return found

    def set_auth(self, session: Session) -> None:
        """Use the credentials of a session, here and on the machines."""
        settings = session.settings
        self.access_key, self.secret_key = settings.access_key, settings.secret_key
        self.auth_token = settings.token
        self.api_client = APIClient(session=session)

    @property
    def state(self) -> State:
        """What it does."""
        return self._state

    @state.setter
    def state(self, value: State) -> None:
        self._state = State(value)

    def sanity_check(self) -> bool:
        """Whether it can work: there are queues and resources, and the server answers."""
        if not self.queues:
            self.logger.error("there is nothing to scale: the configuration names no queues")
            return False
        try:
            self.api_client.queues.get_all(only_fields=["id"])
        except (ClearmlError, OSError) as error:
            self.logger.error("the server does not answer: %s", error)
            return False
        return True

    def start(self) -> None:
        """Scale, here, until `stop`. Raises ValueError when it cannot work."""
        if not self.sanity_check():
            raise ValueError("the autoscaler cannot work with this configuration: see the log")
        self._stop_event.clear()
        self.state = State.RUNNING
        try:
            self.supervisor()
        finally:
            self.state = State.STOPPED

    def stop(self) -> None:
        """Have `start` return. Machines stay; the next autoscaler with this prefix takes them over."""
        self._stop_event.set()
        self.state = State.STOPPED

    def supervisor(self) -> None:
        """Look at queues and machines again and again, until `stop`."""
        idle: Idle = {}
        is_begun = False
        while not self._stop_event.is_set():
            try:
                if not is_begun:
                    self.ensure_queues()
                    self._adopt()
                    is_begun = True
                self._look(idle)
            except (ClearmlError, OSError) as error:
                self.logger.warning("the next look comes later: %s", error)
            self._stop_event.wait(self.polling_interval_time_min * 60)

    def _adopt(self) -> None:
        """Take over machines that were started before and have no agent yet."""
        for machine, resource in self.driver.started_machines(self.workers_prefix).items():
            if resource in self.resource_to_queue:
                self._spun[machine] = (resource, time.time())

    def _look(self, idle: Idle) -> None:
        workers = self.get_workers()
        there = {WorkerId(worker.id).cloud_id for worker in workers}
        for machine in [machine for machine in self._spun if machine in there]:
            del self._spun[machine]
        for machine in list(self.stale_workers(self._spun)):
            self.logger.warning("no agent appeared on %s: it is ended", machine)
            del self._spun[machine]
            self._end(machine)
        self.update_idle_workers(workers, idle)
        names, ids = self.queue_mapping()
        up = [WorkerId(worker.id).name for worker in workers]
        waiting = {queue: self._waiting(ids[queue]) for queue in self.queues if queue in ids}
        resting = [resource for _, resource, _ in idle.values()]
        starting = [resource for resource, _ in self._spun.values()]
        wanted = [(*pair, "") for pair in machines_to_start(self.queues, waiting, up, resting, starting)]
        wanted += [(self.resource_to_queue[resource], resource, task) for resource, task in self.extra_allocations()]
        for queue, resource, task in wanted:
            self._begin(queue, resource, task)
        self._end_idle(idle, waiting)
        machines = {resource: up.count(resource) for resource in self.resource_to_queue}
        self.report_app_stats(self.logger, names, machines, idle)

    def _begin(self, queue: str, resource: str, task: str) -> None:
        configuration = self.resource_configurations[resource]
        try:
            machine = self.driver.spin_up_worker(
                configuration, self.gen_worker_prefix(resource, configuration), queue, task
            )
        except Exception:  # what clouds refuse has many types: the next look tries again
            self.logger.exception("no machine %s could be started for queue %s", resource, queue)
            return
        self.logger.info("started %s for queue %s: %s", resource, queue, machine)
        self._spun[str(machine)] = (resource, time.time())
        self.monitor_startup(str(machine))

    def _end(self, machine: str) -> None:
        try:
            self.driver.spin_down_worker(machine)
        except Exception:  # as above
            self.logger.exception("machine %s could not be ended", machine)

    def _end_idle(self, idle: Idle, waiting: dict[str, int]) -> None:
        for worker_id, (since, resource, _) in list(idle.items()):
            if time.time() - since < self.max_idle_time_min * 60 or waiting.get(self.resource_to_queue[resource]):
                continue
            is_drained = self._drain(worker_id, True)
            if not self.is_worker_still_idle(worker_id):
                if is_drained:
                    self._drain(worker_id, False)
                continue
            self.logger.info("%s had nothing to do for %s minutes: it is ended", worker_id, self.max_idle_time_min)
            del idle[worker_id]
            self._end(WorkerId(worker_id).cloud_id)
            try:
                self.api_client.workers.unregister(worker=worker_id)
            except ApiError:
                continue  # its agent has said good-bye itself

    def _drain(self, worker: str, drain: bool) -> bool:
        """Have a worker take nothing new, so that none comes between the look and the end. False: it cannot be told."""
        try:
            self.api_client.session.call("agents.drain", {"worker": worker, "drain": drain})
        except ApiError:
            return False  # another kind of server, or another kind of agent
        return True

    def _waiting(self, queue: str) -> int:
        return int(self.api_client.session.call("queues.get_num_entries", {"queue": queue}).get("num") or 0)

    # What subclasses may look at and change.

    def ensure_queues(self) -> None:
        """Make the queues that do not exist."""
        _, known = self.queue_mapping()
        for queue in self.queues:
            if queue not in known:
                self.logger.info("queue %s is made", queue)
                self.api_client.queues.create(name=queue)

    def queue_mapping(self) -> tuple[dict[str, str], dict[str, str]]:
        """(id -> name, name -> id) of all queues."""
        names = {queue.id: queue.name for queue in self.api_client.queues.get_all(only_fields=["id", "name"])}
        return names, {name: id_ for id_, name in names.items()}

    def get_workers(self) -> list[Any]:
        """The workers on this autoscaler's machines."""
        found = []
        for worker in self.api_client.workers.get_all():
            try:
                parts = WorkerId(worker.id)
            except ValueError:
                continue
            if parts.prefix == self.workers_prefix and parts.name in self.resource_to_queue:
                found.append(worker)
        return found

    def gen_worker_prefix(self, resource: str, resource_conf: dict[str, Any]) -> str:
        """What the worker id on a new machine begins with; the machine's id follows."""
        kind = str(resource_conf.get(self.driver.instance_type_key()) or "any").replace(":", "_")
        return f"{self.workers_prefix}:{resource}:{kind}"

    def extra_allocations(self) -> list[Any]:
        """(resource, task) of further machines to start: for subclasses; none here."""
        return []

    def update_idle_workers(self, all_workers: list[Any], idle_workers: Idle) -> None:
        """Bring `idle_workers` up to date."""
        there = {worker.id: worker for worker in all_workers}
        for gone in [id_ for id_ in idle_workers if id_ not in there]:
            del idle_workers[gone]
        for id_, worker in there.items():
            if getattr(worker, "task", None):
                idle_workers.pop(id_, None)
            elif id_ not in idle_workers:
                idle_workers[id_] = (time.time(), WorkerId(id_).name, worker)

    def is_worker_still_idle(self, worker_id: str) -> bool:
        """Whether the worker has no task, now."""
        for worker in self.get_workers():
            if worker.id == worker_id:
                return not getattr(worker, "task", None)
        return True

    def stale_workers(self, spun_workers: Spun) -> Generator[str, None, None]:
        """Machines on which no agent has appeared in time."""
        for machine, (_, started_at) in list(spun_workers.items()):
            if time.time() - started_at > self.max_spin_up_time_min * 60:
                yield machine

    def monitor_startup(self, instance_id: str) -> None:
        """Log the console of a starting machine, in the background."""
        name = f"clearml-console-{instance_id}"
        threading.Thread(target=self.instance_log_thread, args=(instance_id,), name=name, daemon=True).start()

    def instance_log_thread(self, instance_id: str) -> None:
        """Log the console of a machine until its agent has appeared."""
        told = ""
        while instance_id in self._spun and not self._stop_event.wait(LOOK_S):
            try:
                text = self.driver.console_log(instance_id)
            except Exception as error:  # noqa: BLE001  # as in _begin; a console is no reason to stop
                self.logger.debug("console of %s: %s", instance_id, error)
                continue
            fresh = text[len(told) :] if text.startswith(told) else text
            for line in fresh.splitlines():
                self.logger.info("%s: %s", instance_id, line)
            told = text

    def report_app_stats(
        self,
        logger: logging.Logger,
        queue_id_to_name: dict[str, str],
        up_machines: dict[str, int],
        idle_workers: Idle,
    ) -> None:
        """Report how many machines there are: to the task of this process, where there is one."""
        from clearml_sdk.task import Task

        task = Task.current_task()
        if task is None:
            logger.debug("machines: %s, idle: %d", up_machines, len(idle_workers))
            return
        iteration = int(time.time())
        for resource, count in up_machines.items():
            task.get_logger().report_scalar("machines", resource, count, iteration)
        task.get_logger().report_scalar("machines", "idle", len(idle_workers), iteration)
        task.get_logger().report_scalar("machines", "starting", len(self._spun), iteration)
