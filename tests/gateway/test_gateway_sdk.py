"""The official Python client, in both eras: what it checks, it checks here."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp.shared.subscriptions import ToolsListChanged

from portero.domain.values import Action
from tests.gateway.house import ADMIN, House, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ERAS = pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])


@asynccontextmanager
async def connected(house: House, name: str, mode: Any = "auto", path: str = "/mcp/message") -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer token-of-{name}"}, timeout=30) as http,
        Client(streamable_http_client(house.url + path, http_client=http), mode=mode) as client,
    ):
        yield client


@ERAS
async def test_it_connects_lists_and_calls(house: House, name: str, mode: str) -> None:
    async with connected(house, name, mode) as client:
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
        if mode != "2026-07-28":  # which connects without a word
            assert "portero/check_task" in (client.instructions or "")
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert {"portero/call", "fixture/echo"} <= set(tools)
        result = await client.call_tool("fixture/echo", {"text": "hi"})
        assert result.content[0].text == "hi"  # type: ignore[union-attr]
        typed = await client.call_tool("fixture/typed", {"text": "hi"})
        assert typed.structured_content == {"said": "HI"}


async def test_it_pings_in_the_older_era(house: House, name: str) -> None:
    async with connected(house, name, "legacy") as client:
        with pytest.warns(MCPDeprecationWarning):
            await client.send_ping()
        with pytest.warns(MCPDeprecationWarning):
            await client.set_logging_level("info")


@ERAS
async def test_it_accepts_a_pending_answer_and_fetches_the_result(house: House, name: str, mode: str) -> None:
    async with connected(house, name, mode) as client:
        await client.list_tools()
        pending = await client.call_tool("fixture/shout", {"text": "hi"})
        assert not pending.is_error
        task = json.loads(pending.content[0].text)["task_id"]  # type: ignore[union-attr]
        await house.approve(task)
        done = await client.call_tool("portero/check_task", {"task_id": task, "wait_seconds": 10})
        assert done.content[0].text == "HI"  # type: ignore[union-attr]


@ERAS
async def test_it_accepts_a_pending_answer_where_it_was_promised_output(house: House, name: str, mode: str) -> None:
    """It has seen the output schema, then a person sets a rule."""
    async with connected(house, name, mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools["fixture/typed"].output_schema is not None
        rule = await house.decisions.set_rule("fixture/typed", Action.ASK, ADMIN)
        try:
            await wait_until(lambda: any(found.id == rule for found in house.view.rules), "the rule is known")
            pending = await client.call_tool("fixture/typed", {"text": "hi"})
            assert json.loads(pending.content[0].text)["status"] == "pending-approval"  # type: ignore[union-attr]
        finally:
            await house.decisions.remove_rule(rule, ADMIN)
            await wait_until(lambda: all(found.id != rule for found in house.view.rules), "the rule is gone")


@ERAS
async def test_it_sees_progress(house: House, name: str, mode: str) -> None:
    file = house.folder / f"go-{name}"
    seen: list[float] = []

    async def progress(step: float, total: float | None, message: str | None) -> None:
        assert total == 9
        seen.append(step)
        if step == 3:
            file.touch()

    async with connected(house, name, mode) as client:
        result = await client.call_tool("fixture/wait", {"file": str(file)}, progress_callback=progress)
    assert result.content[0].text.startswith("after")  # type: ignore[union-attr]
    assert seen[:3] == [1, 2, 3]


@ERAS
async def test_it_understands_refusals(house: House, name: str, mode: str) -> None:
    async with connected(house, name, mode) as client:
        denied = await client.call_tool("fixture/hidden", {})
        assert denied.is_error
        with pytest.raises(MCPError) as unknown:
            await client.call_tool("nobody/knows", {})
        assert unknown.value.error.code == -32602
        with pytest.raises(MCPError) as failed:
            await client.call_tool("fixture/fail", {"code": -32000, "message": "no such luck"})
        assert failed.value.error.message == "no such luck"


@ERAS
async def test_it_sends_the_headers_that_a_tool_asks_for(house: House, name: str, mode: str) -> None:
    async with connected(house, name, mode) as client:
        await client.list_tools()
        result = await client.call_tool("fixture/region", {"region": "Süd"})
    assert result.content[0].text == "Süd"  # type: ignore[union-attr]


@ERAS
async def test_it_reads_resources_and_gets_prompts(house: House, name: str, mode: str) -> None:
    async with connected(house, name, mode) as client:
        assert "made://one" in {str(found.uri) for found in (await client.list_resources()).resources}
        assert (await client.list_resource_templates()).resource_templates[0].uri_template == "made://by/{id}"
        read = await client.read_resource("made://one")
        assert read.contents[0].text == "what is in made://one"  # type: ignore[union-attr]
        assert "fixture/greet" in {found.name for found in (await client.list_prompts()).prompts}
        got = await client.get_prompt("fixture/greet", {"who": "Ada"})
        assert got.messages[0].content.text == 'greet {"who": "Ada"}'  # type: ignore[union-attr]


async def test_it_listens(house: House, name: str) -> None:
    async with connected(house, name) as client, client.listen(tools_list_changed=True) as changes:
        rule = await house.decisions.set_rule("fixture/echo", Action.DENY, ADMIN)
        try:
            async with asyncio.timeout(5):
                assert isinstance(await anext(aiter(changes)), ToolsListChanged)
        finally:
            await house.decisions.remove_rule(rule, ADMIN)
            await wait_until(lambda: all(found.id != rule for found in house.view.rules), "the rule is gone")


@ERAS
async def test_it_cancels(house: House, name: str, mode: str) -> None:
    async with connected(house, name, mode) as client:
        calling = asyncio.create_task(client.call_tool("fixture/never", {}))
        await wait_until(lambda: of(house, name) == 1, "the call runs")
        calling.cancel()
        await wait_until(lambda: of(house, name) == 0, "the call is cancelled")
        await wait_until(lambda: house.gateway.in_flight() == 0, "it was answered")
        await client.list_tools()


def of(house: House, client: str) -> int:
    return sum(call.client == client for call in house.view.calls.executing())


async def test_a_wrong_token_is_an_error_and_no_hang(house: House) -> None:
    with pytest.raises(BaseException) as refused:  # noqa: PT011 - the client wraps it in groups of its own
        async with asyncio.timeout(5), connected(house, "nobody"):
            pass
    assert not isinstance(refused.value, TimeoutError)
