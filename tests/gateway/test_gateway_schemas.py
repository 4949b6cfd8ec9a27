"""What tools promise in their schemas: headers beside arguments, output that clients check."""

from typing import Any

import pytest

from portero.domain.values import Action
from tests.gateway.house import ADMIN, TASKS, House, document, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

# --- headers that mirror arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "headers", "good"),
    [
        ({"region": "eu"}, {"mcp-param-region": "eu"}, True),
        ({"region": "é"}, {"mcp-param-region": "=?base64?w6k=?="}, True),
        ({}, {}, True),
        ({"region": None}, {}, True),
        ({"region": "eu"}, {}, False),
        ({"region": "eu"}, {"mcp-param-region": "us"}, False),
        ({}, {"mcp-param-region": "eu"}, False),
        ({"region": "eu"}, {"mcp-param-region": "=?base64?!?="}, False),
        ({"region": "eu"}, {"mcp-param-region": "eu", "mcp-param-other": "x"}, True),
    ],
)
async def test_headers_that_a_tool_asks_for_agree_with_its_arguments(
    house: House, name: str, arguments: dict[str, Any], headers: dict[str, str], good: bool
) -> None:
    async with house.caller(name, modern=True) as caller:
        response = await caller.post("tools/call", {"name": "fixture/region", "arguments": arguments}, **headers)
    if good:
        assert "result" in response.json(), response.text
    else:
        assert (response.status_code, response.json()["error"]["code"]) == (400, -32020)


async def test_the_older_era_knows_no_such_headers(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        assert (await caller.tool("fixture/region", region="eu"))["content"][0]["text"] == "eu"


# --- output schemas -------------------------------------------------------------------------------------------------


async def test_a_pending_answer_never_stands_for_promised_output(house: House, name: str) -> None:
    """A rule makes a tool ask after its client saw the schema: official clients let only errors be unstructured."""
    async with house.caller(name) as caller:
        listed = {tool["name"]: tool for tool in (await caller.rpc("tools/list"))["tools"]}
        assert "outputSchema" not in listed["fixture/shout"]
        assert "outputSchema" in listed["fixture/typed"]
        shout = await caller.tool("fixture/shout", text="x")
        assert "isError" not in shout
        assert document(shout)["status"] == "pending-approval"
        rule = await house.decisions.set_rule("fixture/typed", Action.ASK, ADMIN)
        try:
            await wait_until(lambda: any(found.id == rule for found in house.view.rules), "the rule is known")
            typed = await caller.tool("fixture/typed", text="x")
            assert typed["isError"] is True
            assert document(typed)["status"] == "pending-approval"
            listed = {tool["name"]: tool for tool in (await caller.rpc("tools/list"))["tools"]}
            assert "outputSchema" not in listed["fixture/typed"]
        finally:
            await house.decisions.remove_rule(rule, ADMIN)
            await wait_until(lambda: all(found.id != rule for found in house.view.rules), "the rule is gone")


async def test_a_client_that_knows_tasks_is_shown_all_schemas(house: House, name: str) -> None:
    async with house.caller(name, modern=True, capabilities=TASKS) as caller:
        listed = {tool["name"]: tool for tool in (await caller.rpc("tools/list"))["tools"]}
        assert "outputSchema" in listed["fixture/shout"]
        assert (await caller.tool("fixture/shout", text="x"))["resultType"] == "task"


async def test_programs_that_share_a_token_are_promised_each_what_they_know(house: House, name: str) -> None:
    """The one that knows tasks has seen the schema. The other has not, so its pending answer is no error."""
    async with house.caller(name, modern=True, capabilities=TASKS) as knowing, house.caller(name) as plain:
        assert "outputSchema" in next(
            tool for tool in (await knowing.rpc("tools/list"))["tools"] if tool["name"] == "fixture/shout"
        )
        assert "isError" not in await plain.tool("fixture/shout", text="x")
