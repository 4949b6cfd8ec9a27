"""The official Python client, in both eras, against a real ``portero serve``; as a host it also knows tasks."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx2
import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ToolsListChanged

from tests.clients.tap import Tap
from tests.clients.world import FAKE_MAIL, FAKE_NAME, NAME, World
from tests.system.place import TOKEN, wait_until

ERAS = pytest.mark.parametrize("mode", ["legacy", "auto"])
UPSTREAMS = pytest.mark.parametrize("upstream", ["old", "new"])


@asynccontextmanager
async def connected(tap: Tap, mode: Any, **options: Any) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {TOKEN}"}, timeout=60) as http,
        Client(streamable_http_client(f"{tap.url}/mcp", http_client=http), mode=mode, **options) as client,
    ):
        yield client


def text_of(result: types.CallToolResult) -> str:
    (item,) = result.content
    assert isinstance(item, types.TextContent)
    return item.text


@ERAS
@UPSTREAMS
async def test_it_calls_and_checks_what_was_promised(world: World, tap: Tap, mode: str, upstream: str) -> None:
    async with connected(tap, mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools[f"{upstream}/echo"].description == f"Give back the text, for {FAKE_NAME}"
        assert f"{upstream}/shred" not in tools
        said = await client.call_tool(f"{upstream}/echo", {"text": f"python {mode}: {FAKE_NAME}"})
        assert text_of(said) == f"python {mode}: {FAKE_NAME}"
        assert f"echo python {mode}: {NAME}" in world.effects()
        card = await client.call_tool(f"{upstream}/card")
        assert card.structured_content == {"owner": FAKE_NAME, "mail": FAKE_MAIL, FAKE_NAME: 1}
        with pytest.raises(RuntimeError, match="Invalid structured content"):
            await client.call_tool(f"{upstream}/forged")
        assert (await client.call_tool(f"{upstream}/shred")).is_error
        with pytest.raises(MCPError, match=f"{FAKE_NAME} is not at the desk"):
            await client.call_tool(f"{upstream}/broken")


@ERAS
async def test_it_takes_a_pending_answer_and_fetches_the_result(world: World, tap: Tap, mode: str) -> None:
    async with connected(tap, mode) as client:
        await client.list_tools()
        pending = await client.call_tool("new/sign", {"text": f"python {mode}"})
        task = json.loads(text_of(pending))["task_id"]
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(client.call_tool("portero/check_task", {"task_id": task, "wait_seconds": 25}))
            group.create_task(asyncio.to_thread(world.decide, "approve", task))
    assert json.loads(text_of(waiting.result())) == {"signed": f"python {mode}", "by": FAKE_NAME}
    assert world.effects().count(f"sign python {mode}") == 1


@ERAS
@UPSTREAMS
async def test_it_sees_progress(tap: Tap, mode: str, upstream: str, tmp_path: Path) -> None:
    seen: list[tuple[float, float | None, str | None]] = []

    async def progress(step: float, total: float | None, message: str | None) -> None:
        seen.append((step, total, message))
        if step == 3:
            (tmp_path / "go").touch()

    async with connected(tap, mode) as client:
        await client.call_tool(f"{upstream}/work", {"file": str(tmp_path / "go")}, progress_callback=progress)
    assert seen[:3] == [(step, 1000, f"{FAKE_NAME}: {step}") for step in (1, 2, 3)]


@ERAS
@UPSTREAMS
async def test_it_cancels(world: World, mode: str, upstream: str) -> None:
    done = len(world.effects())
    with Tap(world.place.port) as tap:  # one of its own: what is on it is of this client
        await _cancels(world, tap, mode, upstream, done)


async def _cancels(world: World, tap: Tap, mode: str, upstream: str, done: int) -> None:
    async with connected(tap, mode) as client:
        calling = asyncio.create_task(client.call_tool(f"{upstream}/wait"))
        await asyncio.to_thread(wait_until, lambda: world.effects()[done:] == ["waiting"], "the call is under way")
        calling.cancel()
        expected = ["waiting", "cancelled"]
        await asyncio.to_thread(wait_until, lambda: world.effects()[done:] == expected, "the upstream is told")
        if mode == "legacy":  # an answer that comes as it leaves is too much for this client
            await asyncio.to_thread(wait_until, lambda: cancelled(tap), "the end of the call is on the wire")
        await client.list_tools()


def cancelled(tap: Tap) -> bool:
    """Whether Portero has answered the call."""
    (call,) = [asked.message for asked in tap.asked() if asked.body and asked.message["method"] == "tools/call"]
    return f'"id":{call["id"]},"error"'.encode() in tap.answered()


@ERAS
@UPSTREAMS
async def test_it_is_asked_and_answers(world: World, tap: Tap, mode: str, upstream: str) -> None:
    asked: list[str] = []

    async def elicited(_: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"who": f"{FAKE_NAME} herself"})

    async def sampled(_: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        asked.append(params.system_prompt or "")
        content = types.TextContent(type="text", text=f"thought of {FAKE_NAME}")
        return types.CreateMessageResult(role="assistant", content=content, model="made-up")

    async with connected(tap, mode, elicitation_callback=elicited, sampling_callback=sampled) as client:
        filled = json.loads(text_of(await client.call_tool(f"{upstream}/fill")))["answer"]
        assert filled == {"action": "accept", "content": {"who": f"{FAKE_NAME} herself"}}
        assert f"{NAME} herself" in world.effects()[-1]
        await client.call_tool(f"{upstream}/think")
        assert f"thought of {NAME}" in world.effects()[-1]
    assert asked == [f"Who is {FAKE_NAME}?", f"You are {FAKE_NAME}."]


@UPSTREAMS
async def test_it_hears_of_changes(tap: Tap, upstream: str) -> None:
    async with connected(tap, "auto") as client, client.listen(tools_list_changed=True) as changes:
        await client.call_tool(f"{upstream}/grow", {"name": "python"})
        async with asyncio.timeout(20):
            assert isinstance(await anext(aiter(changes)), ToolsListChanged)
        assert f"{upstream}/python" in [tool.name for tool in (await client.list_tools(cache_mode="refresh")).tools]


# --- as a host that knows tasks -------------------------------------------------------------------------------------


class Created(types.Result):
    result_type: Literal["task"] = "task"
    task_id: str
    status: str
    poll_interval_ms: int


class Detailed(types.Result):
    status: str
    status_message: str
    result: dict[str, Any] | None = None


class Tasks(ClientExtension):
    """The Tasks extension as the SDK lets a host add it: a task is followed to the result of its call."""

    identifier = "io.modelcontextprotocol/tasks"

    def __init__(self) -> None:
        self.created: asyncio.Queue[str] = asyncio.Queue()

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=Created, resolve=self._follow)]

    async def _follow(self, created: Created, context: ClaimContext) -> types.CallToolResult:
        await self.created.put(created.task_id)
        params = {"taskId": created.task_id}
        while True:
            request = types.Request[dict[str, Any], str](method="tasks/get", params=params)
            task = await context.session.send_request(request, Detailed)
            if task.status == "completed":
                return types.CallToolResult.model_validate(task.result)
            assert task.status == "working", task
            await asyncio.sleep(0.1)


async def test_its_calls_wait_as_tasks(world: World, tap: Tap) -> None:
    tasks = Tasks()
    async with connected(tap, "auto", extensions=[tasks]) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools["old/sign"].output_schema is not None, "it is checked, for no pending answer comes in its place"
        for word, text in (("approve", "python: yes"), ("reject", "python: no")):
            async with asyncio.TaskGroup() as group:
                signing = group.create_task(client.call_tool("old/sign", {"text": text}))
                await asyncio.to_thread(world.decide, word, await tasks.created.get())
            result = signing.result()
            if word == "approve":
                assert result.structured_content == {"signed": text, "by": FAKE_NAME}
            else:
                assert result.is_error
                assert "A person denied it" in text_of(result)
    assert [effect for effect in world.effects() if effect.startswith("sign python: ")] == ["sign python: yes"]
