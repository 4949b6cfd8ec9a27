"""Tasks of upstreams: passed through under an id that only its client, and every replica, can use."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from portero.domain.events import ReplicaStarted, ReplicaStopped
from portero.domain.ids import Millis, replica_aggregate
from portero.domain.replacement import Entry, Replacer
from portero.domain.values import SYSTEM, Action
from portero.errors import DENIED, INVALID_PARAMS
from portero.log import Write
from tests.gateway.house import ADMIN, TASKS, Caller, House, fixture, open_house

pytestmark = pytest.mark.asyncio(loop_scope="session")

Pair = tuple[House, House]
METHODS = ["tasks/get", "tasks/update", "tasks/cancel"]


@asynccontextmanager
async def open_pair() -> AsyncIterator[Pair]:
    """Two replicas, each with a server of the newer era of its own."""
    options: dict[str, Any] = {
        "upstreams": lambda effects: [fixture(effects, modern=True)],
        "replacer": Replacer.from_entries([Entry("NAME", "Tessa")]),
    }
    async with open_house(**options) as one, open_house(beside=one, **options) as two:
        yield one, two


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pair() -> AsyncIterator[Pair]:
    async with open_pair() as houses:
        yield houses


def declaring(house: House, name: str) -> Caller:
    return house.caller(name, modern=True, capabilities=TASKS)


async def made(caller: Caller) -> str:
    result = await caller.tool("fixture/entrust")
    assert (result["resultType"], result["status"]) == ("task", "input_required")
    return str(result["taskId"])


async def test_the_instance_that_has_it_is_asked_whatever_the_replica(pair: Pair, name: str) -> None:
    one, two = pair
    async with declaring(one, name) as here, declaring(two, name) as there:
        task = await made(here)
        assert "task-" not in task
        for caller in (here, there):
            found = await caller.rpc("tasks/get", {"taskId": task})
            assert (found["taskId"], found["status"], found["resultType"]) == (task, "input_required", "complete")
        answers = {"who": {"action": "accept", "content": {"name": "NAME"}}}
        await there.rpc("tasks/update", {"taskId": task, "inputResponses": answers})
        ended = await here.rpc("tasks/get", {"taskId": task})
        assert (ended["status"], ended["taskId"]) == ("completed", task)
        assert "NAME" in str(ended["result"])
        second = await made(there)
        await here.rpc("tasks/cancel", {"taskId": second})
        assert (await here.rpc("tasks/get", {"taskId": second}))["status"] == "cancelled"


async def test_a_denial_since_then_holds_for_it_and_it_can_be_cancelled(name: str) -> None:
    async with (
        open_house(upstreams=lambda effects: [fixture(effects, modern=True)]) as house,
        declaring(house, name) as caller,
    ):
        task = await made(caller)
        await house.decisions.set_rule("fixture/entrust", Action.DENY, ADMIN)
        await house.core.catch_up()
        for method in ("tasks/get", "tasks/update"):
            _, error = await caller.error(method, {"taskId": task})
            assert error["code"] == DENIED
        await caller.rpc("tasks/cancel", {"taskId": task})


@pytest.mark.parametrize("method", METHODS)
async def test_another_client_finds_no_such_task(pair: Pair, name: str, method: str) -> None:
    one, _ = pair
    async with declaring(one, name) as ada, declaring(one, "client994") as bob:
        task = await made(ada)
        for wrong in (task, "u.x.y", f"{task[:-1]}{'0' if task[-1] != '0' else '1'}"):
            status, error = await bob.error(method, {"taskId": wrong})
            assert (status, error["code"], error["message"]) == (400, INVALID_PARAMS, "There is no such task.")


async def test_a_task_of_a_replica_that_has_stopped_says_so(name: str) -> None:
    async with open_pair() as (one, two), declaring(one, name) as here, declaring(two, name) as there:
        task = await made(there)
        replica = two.log.replica
        life = ReplicaStarted(replica, "1", 1, "here"), ReplicaStopped(replica, "asked to")
        appended = await two.log.append(Write(replica_aggregate(replica), None, life), actor=SYSTEM, now=Millis(1))
        await one.view.wait_for(appended.last, 5)
        _, error = await here.error("tasks/get", {"taskId": task})
    assert "Replica r2 has stopped" in error["message"]
