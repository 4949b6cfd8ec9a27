"""Portero's own four tools, as the original's users know them."""

import asyncio
import re
from typing import Any

import pytest

from portero.domain.values import Action, Resolution
from tests.gateway.house import ADMIN, Caller, House, document, fixture, open_house, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def ask(caller: Caller, text: str = "x") -> str:
    """A task that waits for approval."""
    return str((await caller.document("fixture/effect", text=text))["task_id"])


@pytest.mark.parametrize("tool", ["search_tools", "call", "check_task", "list_tasks"])
async def test_they_are_listed_with_a_schema_and_called_in_both_spellings(house: House, name: str, tool: str) -> None:
    arguments = {"call": {"tool": "fixture/echo", "args": {"text": "x"}}, "check_task": {"task_id": "x"}}.get(tool, {})
    async with house.caller(name) as caller:
        listed = {found["name"]: found for found in (await caller.rpc("tools/list"))["tools"]}
        schema = listed[f"portero/{tool}"]["inputSchema"]
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False
        for spelling in (f"portero/{tool}", f"portero__{tool}"):
            assert (await caller.tool(spelling, **arguments))["content"][0]["type"] == "text"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search_tools", {"query": 7}),
        ("search_tools", {"category": []}),
        ("call", {}),
        ("call", {"tool": "fixture/echo", "args": "text"}),
        ("call", {"tool": "fixture/echo", "args": [1]}),
        ("call", {"tool": "nobody/knows"}),
        ("call", {"tool": "portero/call"}),
        ("check_task", {}),
        ("check_task", {"task_id": 7}),
        ("check_task", {"task_id": "x", "wait_seconds": 26}),
        ("check_task", {"task_id": "x", "wait_seconds": -1}),
        ("check_task", {"task_id": "x", "wait_seconds": "1"}),
        ("list_tasks", {"limit": 0}),
        ("list_tasks", {"limit": 101}),
        ("list_tasks", {"limit": 1.5}),
        ("list_tasks", {"status": "requested"}),
        ("list_tasks", {"status": "nonsense"}),
    ],
)
async def test_wrong_arguments_are_said_to_be_wrong(
    house: House, name: str, tool: str, arguments: dict[str, Any]
) -> None:
    async with house.caller(name) as caller:
        _, error = await caller.error("tools/call", {"name": f"portero/{tool}", "arguments": arguments})
    assert error["code"] == -32602


# --- search ---------------------------------------------------------------------------------------------------------


async def test_search_ranks_and_shows_what_is_needed_to_call(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        found = await caller.document("portero/search_tools", query="echo text")
    assert found["count"] == len(found["tools"])
    assert found["tools"][0] == {
        "name": "fixture/echo",
        "description": "Give back the text.",
        "policy": "allow",
        "inputSchema": {"type": "object"},
        "annotations": {"readOnlyHint": True},
    }


async def test_search_without_words_shows_all(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        everything = await caller.document("portero/search_tools")
        nothing = await caller.document("portero/search_tools", query="zzz", category="qqq")
    assert everything["count"] >= 11
    assert nothing == {"count": 0, "tools": []}


# --- call -----------------------------------------------------------------------------------------------------------


async def test_call_is_the_same_as_a_direct_call(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        direct = await caller.tool("fixture/echo", text="x")
        assert await caller.tool("portero/call", tool="fixture/echo", args={"text": "x"}) == direct
        assert await caller.tool("portero/call", tool="fixture__echo", args={"text": "x"}) == direct
        denied = await caller.tool("portero/call", tool="fixture/hidden")
        assert denied == await caller.tool("fixture/hidden")
        asked = await caller.document("portero/call", tool="fixture/effect", args={"text": "x"})
        assert (asked["status"], asked["toolName"]) == ("pending-approval", "fixture/effect")


@pytest.mark.parametrize("arguments", [{}, {"args": None}, {"args": {}}])
async def test_a_call_may_have_no_arguments(house: House, name: str, arguments: dict[str, Any]) -> None:
    async with house.caller(name) as caller:
        result = await caller.tool("portero/call", tool="fixture/region", **arguments)
    assert result["content"][0]["text"] == "None"


# --- check_task -----------------------------------------------------------------------------------------------------


async def test_a_task_goes_its_way(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        task = await ask(caller, name)
        shown = await caller.document("portero/check_task", task_id=task)
        assert shown["task_id"] == task
        assert shown["status"] == "pending-approval"
        assert shown["toolName"] == "fixture/effect"
        assert ISO.fullmatch(shown["createdAt"])
        assert "approvedAt" not in shown
        await house.approve(task)
        result = await caller.tool("portero/check_task", task_id=task, wait_seconds=10)
        assert result == {"content": [{"type": "text", "text": "done"}]}
        again = await caller.tool("portero/check_task", task_id=str(house.call_id(task)))
        assert again == result, "the call's own id is good too"


async def test_waiting_ends_when_the_task_does(house: House, name: str) -> None:
    async with house.caller(name) as caller, house.caller(name) as other:
        task = await ask(caller, name)
        waiting = asyncio.create_task(other.tool("portero/check_task", task_id=task, wait_seconds=25))
        await wait_until(lambda: house.gateway.in_flight() == 1, "it waits")
        await house.approve(task)
        result = await asyncio.wait_for(waiting, 5)
    assert result["content"][0]["text"] == "done"


async def test_waiting_ends_after_the_time_given(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        task = await ask(caller)
        shown = await caller.document("portero/check_task", task_id=task, wait_seconds=0.2)
    assert shown["status"] == "pending-approval"
    assert "Waiting for a person" in shown["message"]


async def test_another_clients_task_is_unknown(house: House, name: str) -> None:
    async with house.caller(name) as caller, house.caller("client998") as other:
        task = await ask(caller)
        theirs = await other.tool("portero/check_task", task_id=task)
        never = await other.tool("portero/check_task", task_id="0123456789abcdef-1")
        assert theirs["isError"] is never["isError"] is True
        assert {**document(theirs), "task_id": ""} == {**document(never), "task_id": ""}
        assert (await other.document("portero/list_tasks"))["count"] == 0


@pytest.mark.parametrize("task", ["", "x", "..", "0123456789abcdef-zzzzzzzzzzzzz", "0123456789ABCDEF", "é" * 16])
async def test_a_made_up_task_is_unknown_at_once(house: House, name: str, task: str) -> None:
    async with house.caller(name) as caller:
        shown = await asyncio.wait_for(caller.tool("portero/check_task", task_id=task, wait_seconds=20), 3)
    assert shown["isError"] is True
    assert document(shown)["status"] == "unknown-task"


async def test_a_tasks_own_error_is_shown(house: House, name: str) -> None:
    rule = await house.decisions.set_rule("fixture/fail", Action.ASK, ADMIN)
    await wait_until(lambda: any(found.id == rule for found in house.view.rules), "the rule is known")
    try:
        async with house.caller(name) as caller:
            pending = await caller.document("fixture/fail", code=-32000, message="no such luck")
            await house.approve(pending["task_id"])
            shown = await caller.document("portero/check_task", task_id=pending["task_id"], wait_seconds=10)
            row = (await caller.document("portero/list_tasks"))["tasks"][0]
    finally:
        await house.decisions.remove_rule(rule, ADMIN)
        await wait_until(lambda: all(found.id != rule for found in house.view.rules), "the rule is gone")
    assert (shown["status"], shown["error"]) == ("error", "no such luck")
    assert "no such luck" in shown["message"]
    assert ISO.fullmatch(shown["executedAt"])
    assert (row["status"], row["error"], row["hasResult"]) == ("error", "no such luck", False)


async def test_a_large_result_comes_whole(house: House, name: str) -> None:
    rule = await house.decisions.set_rule("fixture/echo", Action.ASK, ADMIN)
    await wait_until(lambda: any(found.id == rule for found in house.view.rules), "the rule is known")
    try:
        async with house.caller(name) as caller:
            task = (await caller.document("fixture/echo", text="x" * 100_000))["task_id"]
            await house.approve(task)
            result = await caller.tool("portero/check_task", task_id=task, wait_seconds=10)
    finally:
        await house.decisions.remove_rule(rule, ADMIN)
        await wait_until(lambda: all(found.id != rule for found in house.view.rules), "the rule is gone")
    assert result["content"][0]["text"] == "x" * 100_000


async def test_a_cancelled_task_says_so(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        task = await ask(caller)
        await house.decisions.cancel(house.call_id(task), ADMIN, reason="changed my mind")
        shown = await caller.document("portero/check_task", task_id=task, wait_seconds=1)
    assert shown["status"] == "cancelled"
    assert "changed my mind" in shown["message"]


# --- list_tasks -----------------------------------------------------------------------------------------------------


async def test_tasks_are_listed_newest_first(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        tasks = [await ask(caller, f"{name}-{number}") for number in range(3)]
        await house.approve(tasks[0])
        await caller.tool("portero/check_task", task_id=tasks[0], wait_seconds=10)
        await wait_until(house.sees(house.call_id(tasks[0]), lambda state: state.read_at is not None), "it was read")
        listed = await caller.document("portero/list_tasks")
        assert [house.call_id(row["task_id"]) for row in listed["tasks"]] == [house.call_id(t) for t in reversed(tasks)]
        assert listed["count"] == 3
        done = listed["tasks"][2]
        assert done["status"] == "completed"
        assert done["hasResult"] is True
        for member in ("createdAt", "approvedAt", "executedAt", "checkedAt"):
            assert ISO.fullmatch(done[member])
        waiting = listed["tasks"][0]
        assert waiting["hasResult"] is False
        assert "checkedAt" not in waiting
        assert (await caller.document("portero/list_tasks", limit=1))["count"] == 1
        assert (await caller.document("portero/list_tasks", status="completed"))["count"] == 1
        assert (await caller.document("portero/list_tasks", status="denied"))["count"] == 0


async def test_allowed_calls_are_no_tasks(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        await caller.tool("fixture/echo", text="x")
        assert (await caller.document("portero/list_tasks"))["count"] == 0


async def test_a_lost_outcome_can_be_looked_up_and_is_settled_by_a_person(name: str) -> None:
    """Also of a call that nobody was asked about: the error names the task."""
    async with (
        open_house(upstreams=lambda effects: [fixture(effects, timeout_seconds=0.3)]) as house,
        house.caller(name) as caller,
    ):
        _, error = await caller.error("tools/call", {"name": "fixture/never", "arguments": {}})
        assert error["code"] == 4504
        task = error["data"]["task_id"]
        shown = await caller.document("portero/check_task", task_id=task)
        assert shown["status"] == "outcome-unknown"
        assert "Do not repeat it" in shown["message"]
        await house.decisions.resolve(house.call_id(task), ADMIN, Resolution.HAPPENED)
        shown = await caller.document("portero/check_task", task_id=task)
        assert shown["status"] == "completed"
        assert "took effect" in shown["message"]
