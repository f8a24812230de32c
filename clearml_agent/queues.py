"""The queues a daemon serves, by the names or ids it was given."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from clearml_agent.api import Api
from clearml_agent.errors import AgentError
from clearml_sdk.errors import ApiError, BadAnswer

log = logging.getLogger("clearml_agent")


class Queue:
    """A queue that a worker serves."""

    def __init__(self, id: str, name: str) -> None:
        self.id, self.name = id, name


class Served:
    """The queues of one daemon; one that is deleted and made again under its name is served again.

    missing: the ids of those that the server says are gone.
    """

    def __init__(self, api: Api, queues: Sequence[Queue]) -> None:
        self._api, self._queues = api, list(queues)
        self.missing: list[str] = []

    @property
    def ids(self) -> list[str]:
        return [queue.id for queue in self._queues]

    async def note_missing(self, missing: Sequence[str]) -> None:
        """Say once which queues were deleted, and look whether they are there again."""
        for queue in self._queues:
            if queue.id in missing and queue.id not in self.missing:
                log.warning("queue %s was deleted: it is not served until there is one of that name again", queue.name)
        self.missing = [queue.id for queue in self._queues if queue.id in missing]
        for queue in self._queues if self.missing else ():
            if queue.id in self.missing and (found := await self._find_again(queue.name)):
                log.info("queue %s is there again (%s)", queue.name, found)
                self.missing.remove(queue.id)
                queue.id = found

    async def _find_again(self, name: str) -> str | None:
        try:
            found = await by_name(self._api, name)
        except (ApiError, BadAnswer) as error:
            log.debug("%s", error)
            return None
        return found.id if found else None


async def resolve(api: Api, wanted: Sequence[str], *, create: bool = False) -> list[Queue]:
    """The queues named (case does not matter) or identified, in the order given; the default queue for none.

    Args:
        create: make the missing ones. Otherwise a missing one raises AgentError.
    """
    if not wanted:
        return [await default(api)]
    found: list[Queue] = []
    for text in wanted:
        queue = await by_name(api, text) or await by_id(api, text)
        if queue is None and create:
            made = await api.call("queues.create", {"name": text})
            queue = Queue(str(made["id"]), text)
        if queue is None:
            raise AgentError(f"there is no queue named {text!r}; add --create-queue to make it")
        if all(queue.id != other.id for other in found):
            found.append(queue)
    return found


async def default(api: Api) -> Queue:
    """The server's default queue, else the one named `default`."""
    try:
        answer = await api.call("queues.get_default", {})
        return Queue(str(answer["id"]), str(answer.get("name") or "default"))
    except ApiError:
        queue = await by_name(api, "default")
    if queue is None:
        raise AgentError("this server has no default queue: name one with --queue (and --create-queue to make it)")
    return queue


async def by_name(api: Api, name: str) -> Queue | None:
    answer = await api.call("queues.get_all", {"name": f"^{re.escape(name)}$", "only_fields": ["id", "name"]})
    queues = [Queue(str(item["id"]), str(item["name"])) for item in answer.get("queues") or ()]
    exact = [queue for queue in queues if queue.name == name]
    return next(iter(exact or [queue for queue in queues if queue.name.casefold() == name.casefold()]), None)


async def by_id(api: Api, id: str) -> Queue | None:
    answer = await api.call("queues.get_all", {"id": [id], "only_fields": ["id", "name"]})
    return next((Queue(str(item["id"]), str(item["name"])) for item in answer.get("queues") or ()), None)
