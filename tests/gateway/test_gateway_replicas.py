"""Any replica answers for what another has taken."""

import asyncio

import pytest

from portero.domain.values import Action
from tests.gateway.house import ADMIN, TASKS, open_house

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_task_of_one_replica_is_known_to_the_other_at_once() -> None:
    async with open_house() as one, open_house(beside=one) as two:
        async with one.caller() as here, two.caller() as there:
            for turn in range(20):
                task = (await here.document("fixture/effect", text=f"{turn}"))["task_id"]
                shown = await there.document("portero/check_task", task_id=task)
                assert shown["status"] == "pending-approval"
            await two.approve(task)
            result = await here.tool("portero/check_task", task_id=task, wait_seconds=10)
            assert result["content"][0]["text"] == "done"
        async with (
            one.caller("client1", modern=True, capabilities=TASKS) as here,
            two.caller("client1", modern=True, capabilities=TASKS) as there,
        ):
            task = (await here.tool("fixture/effect", text="x"))["taskId"]
            assert (await there.rpc("tasks/get", {"taskId": task}))["status"] == "working"
            await there.rpc("tasks/cancel", {"taskId": task})
            shown = await here.document("portero/check_task", task_id=task, wait_seconds=5)
            assert shown["status"] == "cancelled"


async def test_a_denial_on_one_replica_holds_on_the_other_from_then_on() -> None:
    async with open_house() as one, open_house(beside=one) as two, two.caller() as there:
        await there.tool("fixture/echo", text="x")
        await one.decisions.set_rule("fixture/echo", Action.DENY, ADMIN)
        refused = await there.tool("fixture/echo", text="x")
        assert refused["isError"] is True


async def test_a_made_up_position_holds_nobody_up() -> None:
    async with open_house() as house, house.caller() as caller:
        task = (await caller.document("fixture/effect", text="x"))["task_id"]
        ahead = f"{house.call_id(task)}-zzzzzz"
        async with asyncio.timeout(2):
            shown = await caller.document("portero/check_task", task_id=ahead)
        assert shown["status"] == "pending-approval"
