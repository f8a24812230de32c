"""Our own clients name their calls, so even what makes something makes it once."""

from __future__ import annotations

from clearml_agent.api import Api, Connection
from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.session import Session
from tests.conftest import RunningServer
from tests.faults import FaultProxy


def settings(server: RunningServer, proxy: FaultProxy) -> ApiSettings:
    return ApiSettings(proxy.url, access_key=server.access_key, secret_key=server.secret_key)


def test_the_sdk_makes_one_task_of_one_call(server: RunningServer) -> None:
    with FaultProxy(server.api) as proxy:
        session = Session(settings(server, proxy))
        for moment in ("after", "half", "before"):
            proxy.cut("tasks.create", moment)
        made = session.call("tasks.create", {"name": "made by the sdk once", "type": "training"})
        session.close()
        assert proxy.cuts == ["tasks.create"] * 3
    found = server.call("tasks.get_all", {"name": "^made by the sdk once$"})["tasks"]
    assert [task["id"] for task in found] == [made["id"]]


async def test_so_does_the_agent(server: RunningServer) -> None:
    with FaultProxy(server.api) as proxy:
        async with Connection(settings(server, proxy)) as connection:
            api = Api(connection, settings(server, proxy))
            proxy.cut("tasks.clone", "after")
            task = server.call("tasks.create", {"name": "a source", "type": "training"})["id"]
            made = await api.call("tasks.clone", {"task": task, "new_task_name": "cloned by the agent once"})
        assert proxy.cuts == ["tasks.clone"]
    found = server.call("tasks.get_all", {"name": "^cloned by the agent once$"})["tasks"]
    assert [task["id"] for task in found] == [made["id"]]
