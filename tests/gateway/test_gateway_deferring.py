"""Calls that take long become tasks, for clients that know them: on the log at first, fetched on any replica."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from portero.domain.values import Status
from portero.settings import UpstreamConfig
from tests.gateway.house import META, TASKS, House, fixture, last_message, open_house, wait_until
from tests.gateway.streaming import listening

pytestmark = pytest.mark.asyncio(loop_scope="session")

Twins = tuple[House, House]
ABLE = {**TASKS, "elicitation": {}}


def patient(effects: Path) -> list[UpstreamConfig]:
    return [fixture(effects, task_after_seconds=0.2)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def twins() -> AsyncIterator[Twins]:
    async with open_house(upstreams=patient) as one, open_house(upstreams=patient, beside=one) as two:
        yield one, two


def quiet(house: House, name: str, **more: Any) -> dict[str, Any]:
    """Of a call that ends when the file ``name`` is there."""
    return {"name": "fixture/quiet", "arguments": {"file": str(house.folder / name), **more}}


async def until_others_are_tasks(house: House, name: str) -> None:
    """Long enough for a call that began before to have become one."""
    async with house.caller("client988", modern=True, capabilities=TASKS) as clock:
        made = await clock.rpc("tools/call", quiet(house, f"{name}-clock"))
        (house.folder / f"{name}-clock").touch()
        await clock.ended(made["taskId"])


async def test_a_call_that_takes_long_becomes_a_task(twins: Twins, name: str) -> None:
    one, two = twins
    async with (
        one.caller(name, modern=True, capabilities=TASKS) as here,
        two.caller(name, modern=True, capabilities=TASKS) as there,
    ):
        made = await here.rpc("tools/call", quiet(one, name))
        task = made["taskId"]
        assert (made["resultType"], made["status"]) == ("task", "working")
        assert made["statusMessage"].startswith("Running since")
        assert one.gateway.in_flight() == 0, "nobody waits any more"
        async with listening(there, {"taskIds": [task]}) as stream:
            assert (await stream.next())["params"]["notifications"] == {"taskIds": [task]}
            assert (await there.rpc("tasks/get", {"taskId": task}))["status"] == "working"
            (one.folder / name).touch()
            message = await stream.next()
            assert (message["method"], message["params"]["status"]) == ("notifications/tasks", "completed")
        for caller in (here, there):
            found = await caller.rpc("tasks/get", {"taskId": task})
            assert found["result"]["content"][0]["text"].startswith("after")
        assert "after" in (await there.tool("portero/check_task", task_id=task))["content"][0]["text"]
        listed = await there.document("portero/list_tasks")
        assert [row["status"] for row in listed["tasks"]] == ["completed"]
    call = two.view.calls.get(two.call_id(task))
    assert call is not None
    assert (call.asked, call.is_task, call.attempt) == (False, True, 1)


async def test_it_can_be_cancelled_from_any_replica(twins: Twins, name: str) -> None:
    one, two = twins
    async with (
        one.caller(name, modern=True, capabilities=TASKS) as here,
        two.caller(name, modern=True, capabilities=TASKS) as there,
    ):
        before = (await here.tool("fixture/called_off"))["content"][0]["text"]
        task = (await here.rpc("tools/call", quiet(one, name)))["taskId"]
        await there.rpc("tasks/cancel", {"taskId": task})
        assert (await here.ended(task))["status"] == "cancelled"
        assert int((await here.tool("fixture/called_off"))["content"][0]["text"]) == int(before) + 1
        (one.folder / name).touch()


async def test_an_error_is_a_failed_task(twins: Twins, name: str) -> None:
    one, _ = twins
    async with one.caller(name, modern=True, capabilities=TASKS) as caller:
        task = (await caller.rpc("tools/call", quiet(one, name, fail=True)))["taskId"]
        (one.folder / name).touch()
        found = await caller.ended(task)
    assert (found["status"], found["error"]) == ("failed", {"code": 17, "message": "after all"})


async def test_one_that_becomes_a_task_of_its_server_says_how_to_go_on(name: str) -> None:
    def modern(effects: Path) -> list[UpstreamConfig]:
        return [fixture(effects, modern=True, task_after_seconds=0.2)]

    async with open_house(upstreams=modern) as house, house.caller(name, modern=True, capabilities=TASKS) as caller:
        made = await caller.rpc("tools/call", quiet(house, name, entrust=True))
        (house.folder / name).touch()
        ended = await caller.ended(made["taskId"])
        assert (ended["status"], ended["result"]["resultType"]) == ("completed", "complete")
        theirs = ended["result"]["content"][0]["text"].split("`")[1]
        assert (await caller.rpc("tasks/get", {"taskId": theirs}))["status"] == "input_required"


async def test_whoever_knows_no_tasks_waits(twins: Twins, name: str) -> None:
    one, _ = twins
    async with (
        one.caller(name, modern=True, capabilities={"elicitation": {}}) as modern,
        one.caller("client989") as legacy,
    ):
        calls = [asyncio.create_task(who.rpc("tools/call", quiet(one, name))) for who in (modern, legacy)]
        await wait_until(lambda: one.gateway.in_flight() == 2, "both are under way")
        await until_others_are_tasks(one, name)
        assert one.gateway.in_flight() == 2
        (one.folder / name).touch()
        for call in calls:
            assert "after" in (await call)["content"][0]["text"]


async def test_a_quick_call_answers_at_once_and_is_no_task(twins: Twins, name: str) -> None:
    one, _ = twins
    async with one.caller(name, modern=True, capabilities=TASKS) as caller:
        assert (await caller.tool("fixture/echo", text="x"))["content"][0]["text"] == "x"
        await until_others_are_tasks(one, name)
        assert (await caller.document("portero/list_tasks"))["count"] == 0


async def test_a_stream_of_progress_ends_with_the_task(twins: Twins, name: str) -> None:
    one, _ = twins
    async with one.caller(name, modern=True, capabilities=TASKS) as caller:
        params = {**quiet(one, name), "name": "fixture/wait", "_meta": {"progressToken": 7}}
        made = last_message(await caller.post("tools/call", params))["result"]
        assert made["resultType"] == "task"
        (one.folder / name).touch()
        assert (await caller.ended(made["taskId"]))["status"] == "completed"


async def test_one_that_asks_meanwhile_asks_through_its_task(twins: Twins, name: str) -> None:
    one, two = twins
    question = {"method": "elicitation/create", "params": {"message": "Who?"}, "after": str(one.folder / name)}
    async with (
        one.caller(name, modern=True, capabilities=ABLE) as here,
        two.caller(name, modern=True, capabilities=ABLE) as there,
    ):
        task = (await here.tool("fixture/ask", questions=[question]))["taskId"]
        (one.folder / name).touch()
        found = await there.ended(task)
        assert found["status"] == "input_required"
        (key,) = found["inputRequests"]
        await there.rpc("tasks/update", {"taskId": task, "inputResponses": {key: {"action": "accept"}}})
        # The answer was given to the other replica: this one may not have seen it yet.
        found = await here.ended(task, past=("working", "input_required"))
        assert "accept" in str(found["result"])


async def test_one_that_asked_before_is_no_task(twins: Twins, name: str) -> None:
    one, _ = twins
    question = {"method": "elicitation/create", "params": {"message": "Who?"}, "file": str(one.folder / name)}
    params = {"name": "fixture/ask", "arguments": {"questions": [question]}}
    async with one.caller(name, modern=True, capabilities=ABLE) as caller:
        first = await caller.rpc("tools/call", params)
        (key,) = first["inputRequests"]
        await until_others_are_tasks(one, name)
        back = {"requestState": first["requestState"], "inputResponses": {key: {"action": "accept"}}}
        coming_back = asyncio.create_task(caller.rpc("tools/call", {**params, **back}))
        (one.folder / name).touch()
        assert "accept" in (await coming_back)["content"][0]["text"]


async def test_its_replica_may_go_and_the_outcome_is_told() -> None:
    async with (
        open_house(upstreams=patient) as one,
        open_house(upstreams=patient, beside=one) as two,
        one.caller(modern=True, capabilities=TASKS) as here,
        two.caller(modern=True, capabilities=TASKS) as there,
    ):
        task = (await here.rpc("tools/call", quiet(one, "never")))["taskId"]
        await here.error("tools/call", {"name": "fixture/die", "arguments": {}})
        found = await there.ended(task)
        assert (found["status"], found["result"]["isError"]) == ("completed", True)
        assert "not known whether it took effect" in found["result"]["content"][0]["text"]
        call = two.view.calls.get(two.call_id(task))
        assert call is not None
        assert call.status is Status.UNKNOWN
        assert found["result"].get("_meta", {}).get(META + "serverInfo") is None
