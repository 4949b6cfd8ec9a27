"""An approval as a real MCP task, for clients that declare the extension."""

from typing import Any

import pytest

from portero.domain.values import Action
from portero.gateway.calls.tasks import updated_at
from tests.gateway.house import ADMIN, META, MODERN, TASKS, Caller, House, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def ask(caller: Caller, text: str = "x") -> dict[str, Any]:
    return await caller.tool("fixture/effect", text=text)


async def test_an_approval_is_a_task(house: House, name: str) -> None:
    async with house.caller(name, modern=True, capabilities=TASKS) as caller:
        created = await ask(caller, name)
        assert created["resultType"] == "task"
        assert created["status"] == "working"
        kept = house.core.result_seconds * 1_000
        assert created["ttlMs"] == house.core.approval_ms + kept
        assert created["pollIntervalMs"] > 0
        assert "portero approve" in created["statusMessage"]
        assert "content" not in created
        task = created["taskId"]
        found = await caller.rpc("tasks/get", {"taskId": task})
        assert found["resultType"] == "complete"
        assert (found["taskId"], found["status"]) == (task, "working")
        assert found["createdAt"] == created["createdAt"]
        assert "result" not in found
        assert found["ttlMs"] == created["ttlMs"]
        assert "expires in" in found["statusMessage"]
        await house.approve(task)
        found = await caller.ended(task)
        assert (found["status"], found["statusMessage"]) == ("completed", "It ran; this is its result.")
        assert found["result"] == {"resultType": "complete", "content": [{"type": "text", "text": "done"}]}
        assert found["lastUpdatedAt"] >= found["createdAt"]
        ended = house.view.calls.get(house.call_id(task))
        assert ended is not None
        assert found["ttlMs"] == updated_at(ended) - ended.requested_at + kept
    assert name in house.effects_seen()


async def test_a_client_that_does_not_declare_tasks_gets_none(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller:
        pending = await ask(caller)
        assert pending["resultType"] == "complete"
        assert "task_id" in pending["content"][0]["text"]


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_the_methods_need_the_capability(house: House, name: str, method: str) -> None:
    async with house.caller(name, modern=True) as caller:
        status, error = await caller.error(method, {"taskId": "x", "inputResponses": {}})
    assert (status, error["code"]) == (400, -32021)
    assert error["data"] == {"requiredCapabilities": TASKS}


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
@pytest.mark.parametrize("task", ["x", "0123456789abcdef-1", "", 7, None])
async def test_an_unknown_task_is_a_wrong_parameter(house: House, name: str, method: str, task: Any) -> None:
    async with house.caller(name, modern=True, capabilities=TASKS) as caller:
        message = caller.message(method, {"taskId": task, "inputResponses": {}})
        headers = {"mcp-protocol-version": MODERN, "mcp-method": method}
        response = await caller.http.post("/mcp", json=message, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32602)


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_another_clients_task_is_unknown(house: House, name: str, method: str) -> None:
    async with (
        house.caller(name, modern=True, capabilities=TASKS) as caller,
        house.caller("client997", modern=True, capabilities=TASKS) as other,
    ):
        task = (await ask(caller))["taskId"]
        assert (await other.error(method, {"taskId": task, "inputResponses": {}}))[1]["code"] == -32602
        assert (await caller.rpc("tasks/get", {"taskId": task}))["status"] == "working"


async def test_a_denial_is_a_completed_task_with_the_reason(house: House, name: str) -> None:
    async with house.caller(name, modern=True, capabilities=TASKS) as caller:
        task = (await ask(caller))["taskId"]
        await house.decisions.deny(house.call_id(task), ADMIN, reason="too dear")
        found = await caller.ended(task)
    assert found["status"] == "completed"
    assert found["result"]["isError"] is True
    assert "too dear" in found["result"]["content"][0]["text"]


@pytest.mark.parametrize(
    ("code", "more", "told"),
    [
        (-32000, {"data": [1]}, {"code": -32000, "data": [1]}),
        (-32601, {"data": [1]}, {"code": -32603, "data": [1]}),
        (-32601, {}, {"code": -32603, "data": {"upstreamCode": -32601}}),
    ],
)
async def test_a_failed_execution_is_a_failed_task(
    house: House, name: str, code: int, more: dict[str, Any], told: dict[str, Any]
) -> None:
    rule = await house.decisions.set_rule("fixture/fail", Action.ASK, ADMIN)
    await wait_until(lambda: any(found.id == rule for found in house.view.rules), "the rule is known")
    try:
        async with house.caller(name, modern=True, capabilities=TASKS) as caller:
            error = {"code": code, "message": "no such luck", **more}
            task = (await caller.tool("fixture/fail", **error))["taskId"]
            await house.approve(task)
            found = await caller.ended(task)
    finally:
        await house.decisions.remove_rule(rule, ADMIN)
        await wait_until(lambda: all(found.id != rule for found in house.view.rules), "the rule is gone")
    assert found["status"] == "failed"
    assert found["error"] == {"message": "no such luck", **told}
    assert "result" not in found


async def test_a_cancelled_task_does_not_start(house: House, name: str) -> None:
    async with house.caller(name, modern=True, capabilities=TASKS) as caller:
        task = (await ask(caller, name))["taskId"]
        ack = await caller.rpc("tasks/cancel", {"taskId": task})
        assert {key for key in ack if key != "_meta"} == {"resultType"}
        assert (await caller.ended(task))["status"] == "cancelled"
    assert name not in house.effects_seen()


async def test_a_task_that_has_ended_cannot_be_cancelled_and_nobody_minds(house: House, name: str) -> None:
    async with house.caller(name, modern=True, capabilities=TASKS) as caller:
        task = (await ask(caller, name))["taskId"]
        await house.approve(task)
        assert (await caller.ended(task))["status"] == "completed"
        ack = await caller.rpc("tasks/cancel", {"taskId": task})
        assert {key for key in ack if key != "_meta"} == {"resultType"}
        assert (await caller.ended(task))["status"] == "completed"


async def test_an_update_is_acknowledged_and_changes_nothing(house: House, name: str) -> None:
    async with house.caller(name, modern=True, capabilities=TASKS) as caller:
        task = (await ask(caller))["taskId"]
        ack = await caller.rpc("tasks/update", {"taskId": task, "inputResponses": {"never-asked": {}}})
        assert {key for key in ack if key != "_meta"} == {"resultType"}
        assert (await caller.rpc("tasks/get", {"taskId": task}))["status"] == "working"
        _, error = await caller.error("tasks/update", {"taskId": task, "inputResponses": 7})
        assert error["code"] == -32602


async def test_the_same_task_answers_check_task(house: House, name: str) -> None:
    async with house.caller(name, modern=True, capabilities=TASKS) as caller:
        task = (await ask(caller, name))["taskId"]
        await house.approve(task)
        result = await caller.tool("portero/check_task", task_id=task, wait_seconds=10)
    assert result["content"][0]["text"] == "done"
    assert result["_meta"][META + "serverInfo"]["name"] == "portero"
