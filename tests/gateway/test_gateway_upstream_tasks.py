"""Tasks of upstreams: passed through under an id that only its client, and every replica, can use."""

import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import pytest_asyncio

from portero.domain.events import (
    ExecutionStarted,
    ExecutionSucceeded,
    PolicyDecided,
    Recorded,
    ReplicaStarted,
    ReplicaStopped,
    ToolCallRequested,
    UpstreamTaskShown,
)
from portero.domain.ids import Millis, call_aggregate, replica_aggregate
from portero.domain.replacement import Entry, Replacer
from portero.domain.values import SYSTEM, Action, Actor, Kind
from portero.errors import (
    DENIED,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    LOG_UNAVAILABLE,
    METHOD_NOT_FOUND,
    LogUnavailable,
)
from portero.gateway.calls import following
from portero.log import Log, Write
from tests.gateway.house import ADMIN, TASKS, Caller, House, fixture, open_house, wait_until
from tests.gateway.streaming import listening

pytestmark = pytest.mark.asyncio(loop_scope="session")

Pair = tuple[House, House]
METHODS = ["tasks/get", "tasks/update", "tasks/cancel"]
ANSWERS = {"who": {"action": "accept", "content": {"name": "NAME"}}}


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
        await there.rpc("tasks/update", {"taskId": task, "inputResponses": ANSWERS})
        ended = await here.rpc("tasks/get", {"taskId": task})
        assert (ended["status"], ended["taskId"]) == ("completed", task)
        assert "NAME" in str(ended["result"])
        second = await made(there)
        await here.rpc("tasks/cancel", {"taskId": second})
        assert (await here.rpc("tasks/get", {"taskId": second}))["status"] == "cancelled"


async def test_a_task_without_an_id_is_none_that_can_be_followed(pair: Pair, name: str) -> None:
    async with declaring(pair[0], name) as caller:
        for made in ({"resultType": "task"}, {"resultType": "task", "taskId": 7}):
            told = await caller.tool("fixture/raw", result=made)
            assert (told["resultType"], told["isError"]) == ("complete", True)


@contextmanager
def recording(house: House) -> Iterator[list[Recorded[Any]]]:
    """Everything that the replica sees on the log meanwhile."""
    seen: list[Recorded[Any]] = []
    end = house.view.subscribe(seen.append)
    yield seen
    end()


def of_kind(seen: list[Recorded[Any]], kind: Kind) -> list[ToolCallRequested]:
    requests = [recorded.event for recorded in seen if isinstance(recorded.event, ToolCallRequested)]
    return [request for request in requests if request.kind is kind]


async def test_what_is_said_to_it_is_a_call_that_rests_on_the_first(pair: Pair, name: str) -> None:
    one, two = pair
    async with declaring(one, name) as here, declaring(two, name) as there:
        with recording(one) as seen:
            task = await made(here)
            await there.rpc("tasks/update", {"taskId": task, "inputResponses": ANSWERS})
            await there.rpc("tasks/cancel", {"taskId": await made(here)})
            await one.core.catch_up()
    (update,), (cancel,) = of_kind(seen, Kind.TASK_UPDATE), of_kind(seen, Kind.TASK_CANCEL)
    assert (update.client, update.upstream, update.name) == (name, "fixture", "entrust")
    assert json.loads(update.arguments)["inputResponses"] == ANSWERS
    assert (cancel.client, cancel.name) == (name, "entrust")
    begun, said = [recorded.aggregate for recorded in seen if isinstance(recorded.event, ToolCallRequested)][:2]
    events = [found for found in seen if found.aggregate == said]
    assert [(type(found.event), found.meta.replica) for found in events] == [
        (kind, one.log.replica)  # which has the task, though the other one was asked
        for kind in (ToolCallRequested, PolicyDecided, ExecutionStarted, ExecutionSucceeded)
    ]
    decided = events[1].event
    assert (decided.action, call_aggregate(decided.reason.continues)) == (Action.ALLOW, begun)


async def test_what_it_comes_to_is_on_the_log_once_before_its_client_is_told(pair: Pair, name: str) -> None:
    one, two = pair
    async with declaring(one, name) as here, declaring(two, name) as there:
        with recording(one) as seen:
            task = await made(here)
            for caller in (here, here, there):
                await caller.rpc("tasks/get", {"taskId": task})
            await here.rpc("tasks/update", {"taskId": task, "inputResponses": ANSWERS})
            ended = [await caller.rpc("tasks/get", {"taskId": task}) for caller in (there, here, there)]
            await one.core.catch_up()
    begun = next(recorded.aggregate for recorded in seen if isinstance(recorded.event, ToolCallRequested))
    shown = [found for found in seen if type(found.event) is UpstreamTaskShown]
    result = json.dumps(ended[0]["result"]).encode()
    assert {(found.aggregate, found.meta.actor) for found in shown} == {(begun, Actor("client", name))}
    assert [found.event for found in shown] == [
        UpstreamTaskShown("input_required", hashlib.sha256(b"").hexdigest(), 0),
        UpstreamTaskShown("completed", hashlib.sha256(result).hexdigest(), len(result)),
    ]


async def test_nobody_is_told_what_the_log_does_not_hold(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise LogUnavailable("The log is unavailable.")

    async with open_pair() as (one, two), declaring(one, name) as here, declaring(two, name) as there:
        answered, waiting = await made(here), await made(here)
        await here.rpc("tasks/update", {"taskId": answered, "inputResponses": ANSWERS})
        with monkeypatch.context() as patch:
            patch.setattr(Log, "append", away)
            for caller in (here, there):
                for method in METHODS:
                    for task in (answered, waiting):
                        _, error = await caller.error(method, {"taskId": task})
                        assert error["code"] == LOG_UNAVAILABLE, method
        found = await there.rpc("tasks/get", {"taskId": waiting})
        assert found["status"] == "input_required"  # what could not be written was not sent


async def test_a_call_that_the_view_has_forgotten_is_written_to_all_the_same(name: str) -> None:
    async with (
        open_house(upstreams=lambda effects: [fixture(effects, modern=True)]) as house,
        declaring(house, name) as caller,
    ):
        task = await made(caller)
        await caller.rpc("tasks/update", {"taskId": task, "inputResponses": ANSWERS})
        await house.core.catch_up()
        house.view.calls._ended.clear()
        with recording(house) as seen:
            for _ in range(3):
                assert (await caller.rpc("tasks/get", {"taskId": task}))["status"] == "completed"
            await house.core.catch_up()
        assert [found.event.status for found in seen if type(found.event) is UpstreamTaskShown] == ["completed"]


async def test_a_lock_keeps_everything_back(name: str) -> None:
    async with (
        open_house(upstreams=lambda effects: [fixture(effects, modern=True)]) as house,
        declaring(house, name) as caller,
    ):
        task = await made(caller)
        await house.decisions.lock(ADMIN)
        await house.core.catch_up()
        for method in METHODS:
            _, error = await caller.error(method, {"taskId": task})
            assert error["code"] == DENIED, method
        await house.decisions.unlock(ADMIN)
        await house.core.catch_up()
        assert (await caller.rpc("tasks/get", {"taskId": task}))["status"] == "input_required"


async def test_streams_of_notices_tell_of_it_on_every_replica(
    pair: Pair, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "SOONEST_SECONDS", 0.02)
    one, two = pair
    async with declaring(one, name) as here, declaring(two, name) as there, declaring(two, "client994") as stranger:
        task = await made(here)
        wanted = {"taskIds": [task, "u.x.y", "0123456789abcdef-1"]}
        async with listening(there, wanted) as stream, listening(stranger, wanted) as other:
            assert (await stream.next())["params"]["notifications"] == {"taskIds": [task]}
            assert (await other.next())["params"]["notifications"] == {}
            told = await stream.next()
            assert told["method"] == "notifications/tasks"
            assert (told["params"]["taskId"], told["params"]["status"]) == (task, "input_required")
            assert "resultType" not in told["params"]
            assert await stream.is_silent(), "it was looked at many times meanwhile"
            await here.rpc("tasks/update", {"taskId": task, "inputResponses": ANSWERS})
            told = await stream.next(10)
            assert (told["params"]["taskId"], told["params"]["status"]) == (task, "completed")
            assert "NAME" in str(told["params"]["result"])
            assert await stream.is_silent()
            assert await other.is_silent(0.1)


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
        with recording(house) as seen:
            await caller.rpc("tasks/cancel", {"taskId": task})
            await house.core.catch_up()
        assert [type(found.event) for found in seen] == [
            *(ToolCallRequested, PolicyDecided, ExecutionStarted, ExecutionSucceeded)
        ]
        assert (await caller.tool("fixture/raw", result={"content": []}))["content"] == []


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


async def test_that_its_server_does_not_know_a_method_is_not_said_of_ours(name: str) -> None:
    """It has been started anew meanwhile, and its answer would tell the client to speak the older era."""
    async with (
        open_house(upstreams=lambda effects: [fixture(effects, modern=True)]) as house,
        declaring(house, name) as caller,
    ):
        task, (before,) = await made(caller), house.upstreams.status()
        await caller.post("tools/call", {"name": "fixture/die", "arguments": {}})

        def anew() -> bool:
            (now,) = house.upstreams.status()
            return now.state is before.state and now.pid != before.pid

        await wait_until(anew, "it has been started anew")
        for method in METHODS:
            status, error = await caller.error(method, {"taskId": task})
            assert (status, error["code"], error["message"]) == (200, INTERNAL_ERROR, "no such method")
            assert error["data"] == {"upstreamCode": METHOD_NOT_FOUND}
