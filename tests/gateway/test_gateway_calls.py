"""Calls from door to door: allowed, denied, asked, failing, by many clients at once."""

import asyncio
import json
from typing import Any

import pytest

from tests.gateway.house import ADMIN, META, House, document, last_message

pytestmark = pytest.mark.asyncio(loop_scope="session")

ERAS = pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])


@ERAS
async def test_an_allowed_call_runs_at_once(house: House, name: str, modern: bool) -> None:
    async with house.caller(name, modern=modern) as caller:
        result = await caller.tool("fixture/echo", text="hi")
    assert result["content"] == [{"type": "text", "text": "hi"}]


@pytest.mark.parametrize("spelling", ["fixture/echo", "fixture__echo"])
async def test_both_spellings_are_called(house: House, name: str, spelling: str) -> None:
    async with house.caller(name, modern=True) as caller:
        assert (await caller.tool(spelling, text="hi"))["content"][0]["text"] == "hi"


@ERAS
async def test_a_denied_call_is_a_result_that_the_model_can_read(house: House, name: str, modern: bool) -> None:
    async with house.caller(name, modern=modern) as caller:
        result = await caller.tool("fixture/hidden")
    assert result["isError"] is True
    assert "the policy for fixture/hidden denies it" in result["content"][0]["text"]


@ERAS
async def test_an_asked_call_answers_at_once_and_has_not_run(house: House, name: str, modern: bool) -> None:
    before = house.effects_seen()
    async with house.caller(name, modern=modern) as caller:
        pending = await caller.document("fixture/effect", text=name)
        assert pending["status"] == "pending-approval"
        assert pending["task_id"] == pending["taskId"]
        assert pending["toolName"] == "fixture/effect"
        assert "portero/check_task" in pending["message"]
        assert f"portero approve {house.call_id(pending['task_id'])}" in pending["message"]
        assert house.effects_seen() == before
        await house.approve(pending["task_id"])
        done = await caller.tool("portero/check_task", task_id=pending["task_id"], wait_seconds=10)
    assert done["content"] == [{"type": "text", "text": "done"}]
    assert house.effects_seen() == [*before, name]


async def test_a_denial_of_a_person_reaches_the_model_with_its_reason(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        pending = await caller.document("fixture/effect", text=name)
        await house.decisions.deny(house.call_id(pending["task_id"]), ADMIN, reason="not on a Friday")
        shown = await caller.document("portero/check_task", task_id=pending["task_id"])
    assert shown["status"] == "denied"
    assert "not on a Friday" in shown["message"]
    assert name not in house.effects_seen()


@pytest.mark.parametrize(
    ("code", "modern_code", "status"),
    [
        (-32602, -32602, 400),
        (-32601, -32603, 200),  # it is our own method that a client would take to be missing
        (-32600, -32603, 200),
        (-32700, -32603, 200),
        (-32603, -32603, 200),
        (-32002, -32602, 400),
        (-32020, -32603, 200),
        (-32022, -32603, 200),
        (-32042, -32603, 200),
        (4401, 4401, 200),
        (4503, 4503, 200),
        (17, 17, 200),
    ],
)
async def test_an_upstreams_error_comes_through(
    house: House, name: str, code: int, modern_code: int, status: int
) -> None:
    error = {"code": code, "message": "no such luck", "data": {"why": [1, None]}}
    async with house.caller(name) as caller:
        assert await caller.error("tools/call", {"name": "fixture/fail", "arguments": error}) == (200, error)
    async with house.caller(name, modern=True) as caller:
        expected = {**error, "code": modern_code}
        assert await caller.error("tools/call", {"name": "fixture/fail", "arguments": error}) == (status, expected)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (-32601, {"upstreamCode": -32601}),
        (-32600, {"upstreamCode": -32600}),
        (-32700, {"upstreamCode": -32700}),
        (-32020, {"upstreamCode": -32020}),
        (-32002, None),
        (17, None),
    ],
)
async def test_where_an_upstreams_code_would_say_something_else_it_stands_beside(
    house: House, name: str, code: int, said: dict[str, Any] | None
) -> None:
    error = {"code": code, "message": "no such luck"}
    params = {"name": "fixture/fail", "arguments": error}
    async with house.caller(name) as caller:
        assert await caller.error("tools/call", params) == (200, error)
    async with house.caller(name, modern=True) as caller:
        _, told = await caller.error("tools/call", params)
    assert (told.get("data"), told["message"]) == (said, "no such luck")


async def test_arguments_arrive_as_they_were_sent(house: House, name: str) -> None:
    """Numbers keep their digits, text its characters, unknown things stay."""
    given = '{"content":[],"n":[1.10,12345678901234567890123,1e-7,-0],"t":"\\u00e9 \\ud83d\\ude00 ⟨x⟩","":{"a":null}}'
    params = f'{{"name":"fixture/raw","arguments":{{"result":{given}}}}}'
    body = f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}'
    async with house.client(name) as http:
        response = await http.post("/mcp", content=body.encode())
    assert response.json()["result"] == json.loads(given)


async def test_other_members_reach_the_upstream(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller:
        params = {
            "name": "fixture/echo",
            "arguments": {"text": "x"},
            "inputResponses": {"a": {"action": "accept"}},
            "theirs": [1.50],
            "_meta": {"their/own": 7, "progressToken": "t", META + "logLevel": "info"},
        }
        await caller.rpc("tools/call", params)
    (call,) = [call for call in house.view.calls._ended.values() if call.client == name]
    assert json.loads(call.extra or "") == {
        "inputResponses": {"a": {"action": "accept"}},
        "theirs": [1.5],
        "_meta": {"their/own": 7},
    }


# --- many at once ---------------------------------------------------------------------------------------------------


@ERAS
async def test_clients_that_share_ids_get_their_own_answers(house: House, modern: bool) -> None:
    async def talk(number: int) -> None:
        async with house.caller(f"client{number}", modern=modern) as caller:
            for turn in range(10):
                said = f"{number}-{turn}"
                assert (await caller.tool("fixture/echo", text=said))["content"][0]["text"] == said

    await asyncio.gather(*(talk(number) for number in range(900, 930)))


async def test_twenty_asked_calls_at_once_are_twenty_tasks(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        answers = await asyncio.gather(*(caller.post("tools/call", effect(f"{name}-{n}")) for n in range(20)))
        tasks = {document(last_message(answer)["result"])["task_id"] for answer in answers}
        assert len(tasks) == 20
        listed = await caller.document("portero/list_tasks", status="pending-approval")
        assert listed["count"] == 20
        await asyncio.gather(*(house.approve(task) for task in tasks))
        for task in tasks:
            done = await caller.tool("portero/check_task", task_id=task, wait_seconds=20)
            assert done["content"][0]["text"] == "done"
    assert sorted(line for line in house.effects_seen() if line.startswith(f"{name}-")) == sorted(
        f"{name}-{n}" for n in range(20)
    )


def effect(text: str) -> dict[str, Any]:
    return {"name": "fixture/effect", "arguments": {"text": text}}


# --- what a person approves is what runs ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", ['{"text":"good","text":"bad"}', '{"text":"x","more":[{"a":1,"b":{"c":1,"\\u0063":2}}]}']
)
async def test_arguments_that_two_readers_read_differently_are_not_asked_for(
    house: House, name: str, arguments: str
) -> None:
    body = (
        f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"fixture/effect","arguments":{arguments}}}}}'
    )
    async with house.client(name) as http:
        response = await http.post("/mcp", content=body)
    assert response.json()["error"]["code"] == -32602
    assert "twice" in response.json()["error"]["message"]


@pytest.mark.parametrize("modern", [False, True])
@pytest.mark.parametrize("odd", [[1], 5, "x", True, []])
async def test_a_result_that_is_no_object_is_an_error_of_the_upstream(
    house: House, name: str, modern: bool, odd: Any
) -> None:
    async with house.caller(name, modern=modern) as caller:
        status, error = await caller.error("tools/call", {"name": "fixture/raw", "arguments": {"result": odd}})
    assert (status, error["code"]) == (200, -32603)
    assert "no JSON object" in error["message"]


@pytest.mark.parametrize("meta", [None, [], "x", {}, {"a/b": 1}])
async def test_odd_metadata_of_an_upstream_does_not_stand_in_the_way(house: House, name: str, meta: Any) -> None:
    async with house.caller(name, modern=True) as caller:
        result = await caller.tool("fixture/raw", result={"content": [], "_meta": meta})
    assert result["resultType"] == "complete"
    identity = {key: value for key, value in result["_meta"].items() if key.endswith("serverInfo")}
    assert result["_meta"] == {**identity, **(meta if isinstance(meta, dict) else {})}
