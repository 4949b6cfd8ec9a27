"""``subscriptions/listen``: streams that stay open and say what has changed, to whom it concerns."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from portero.domain.values import Action
from portero.gateway.options import Options
from portero.settings import UpstreamConfig
from tests.gateway.house import ADMIN, META, TASKS, House, fixture, last_message, open_house, wait_until
from tests.gateway.streaming import Stream, listening

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOOLS = {"toolsListChanged": True}
STAMP = META + "subscriptionId"


@pytest.mark.parametrize("params", [{}, {"notification": {"toolsListChanged": True}}])
async def test_who_does_not_say_what_for_hears_so(house: House, name: str, params: dict[str, Any]) -> None:
    async with house.caller(name, modern=True) as caller:
        status, error = await caller.error("subscriptions/listen", params)
    assert (status, error["code"]) == (400, -32602)


async def test_the_first_frame_acknowledges(house: House, name: str) -> None:
    wanted = {
        **TOOLS,
        "promptsListChanged": True,
        "resourceSubscriptions": ["nothing://here"],
        "resourcesListChanged": False,
    }
    async with house.caller(name, modern=True) as caller, listening(caller, wanted) as stream:
        assert stream.response.headers["content-type"] == "text/event-stream"
        assert stream.response.headers["x-accel-buffering"] == "no"
        assert stream.response.headers["cache-control"].startswith("no-cache")
        assert await stream.next() == {
            "jsonrpc": "2.0",
            "method": "notifications/subscriptions/acknowledged",
            "params": {
                "_meta": {STAMP: stream.identity},
                "notifications": {"toolsListChanged": True, "promptsListChanged": True},
            },
        }


async def test_a_rule_that_changes_the_list_is_told(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller, listening(caller, TOOLS) as stream:
        await stream.next()
        rule = await house.decisions.set_rule("fixture/echo", Action.DENY, ADMIN)
        changed = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {"_meta": {STAMP: 1}}}
        try:
            assert await stream.next() == changed
            listed = [tool["name"] for tool in (await caller.rpc("tools/list"))["tools"]]
            assert "fixture/echo" not in listed
        finally:
            await house.decisions.remove_rule(rule, ADMIN)
        assert await stream.next() == changed


async def test_a_rule_that_changes_nothing_in_the_list_is_not_told(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller, listening(caller, TOOLS) as stream:
        await stream.next()
        rule = await house.decisions.set_rule("elsewhere/*", Action.DENY, ADMIN)
        try:
            assert await stream.is_silent()
        finally:
            await house.decisions.remove_rule(rule, ADMIN)
            await wait_until(lambda: all(found.id != rule for found in house.view.rules), "the rule is gone")


async def test_what_was_not_asked_for_is_not_told(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller, listening(caller, {"promptsListChanged": True}) as stream:
        await stream.next()
        rule = await house.decisions.set_rule("fixture/echo", Action.DENY, ADMIN)
        try:
            assert await stream.is_silent()
        finally:
            await house.decisions.remove_rule(rule, ADMIN)
            await wait_until(lambda: all(found.id != rule for found in house.view.rules), "the rule is gone")


async def test_an_upstreams_new_tool_is_told_once() -> None:
    async with open_house() as house, house.caller(modern=True) as caller, listening(caller, TOOLS) as stream:
        await stream.next()
        await caller.tool("fixture/grow", called="fresh")
        assert (await stream.next())["method"] == "notifications/tools/list_changed"
        assert "fixture/fresh" in [tool["name"] for tool in (await caller.rpc("tools/list"))["tools"]]
        assert await stream.is_silent()


async def test_a_tool_that_becomes_listed_by_its_use_is_told_to_its_user() -> None:
    def pinned(effects: Path) -> list[UpstreamConfig]:
        return [fixture(effects, pinned_tools=("raw",))]

    async with (
        open_house(upstreams=pinned) as house,
        house.caller("client1", modern=True) as one,
        house.caller("client2", modern=True) as two,
        listening(one, TOOLS) as first,
        listening(two, TOOLS) as second,
    ):
        await first.next()
        await second.next()
        await one.tool("fixture/echo", text="x")
        assert (await first.next())["method"] == "notifications/tools/list_changed"
        assert await second.is_silent(0.3)


async def test_tasks_are_told_as_they_go(house: House, name: str) -> None:
    async with house.caller(name, modern=True, capabilities=TASKS) as caller:
        task = (await caller.tool("fixture/effect", text=name))["taskId"]
        async with listening(caller, {"taskIds": [task, "0123456789abcdef-1", "x"]}) as stream:
            acknowledged = (await stream.next())["params"]["notifications"]
            assert acknowledged == {"taskIds": [task]}, "only what is the client's own"
            await house.approve(task)
            seen = []
            while not seen or seen[-1]["status"] == "working":
                message = await stream.next()
                assert message["method"] == "notifications/tasks"
                assert message["params"]["_meta"] == {STAMP: stream.identity}
                seen.append(message["params"])
    assert seen[-1]["taskId"] == task
    assert seen[-1]["result"]["content"][0]["text"] == "done"


async def test_tasks_are_told_to_those_only_who_declare_them(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller:
        status, error = await caller.error("subscriptions/listen", {"notifications": {"taskIds": ["x"]}})
    assert (status, error["code"]) == (400, -32021)


@pytest.mark.parametrize("wanted", [7, [], {"toolsListChanged": "yes"}, {"taskIds": 7}, {"taskIds": ["x"] * 1_001}])
async def test_a_wrong_filter_is_refused(house: House, name: str, wanted: Any) -> None:
    async with house.caller(name, modern=True) as caller:
        status, error = await caller.error("subscriptions/listen", {"notifications": wanted})
    assert (status, error["code"]) == (400, -32602)


async def test_a_client_that_reads_no_streams_cannot_listen(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller:
        caller.http.headers["accept"] = "application/json"
        status, error = await caller.error("subscriptions/listen", {"notifications": TOOLS})
    assert (status, error["code"]) == (400, -32600)


async def test_a_stream_is_forgotten_when_its_client_leaves(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller:
        async with listening(caller, TOOLS) as stream:
            await stream.next()
            await wait_until(lambda: house.gateway.in_flight() == 1, "nobody else's stream is left")
        await wait_until(lambda: house.gateway.in_flight() == 0, "the stream is gone")


async def test_a_silent_stream_shows_signs_of_life() -> None:
    async with (
        open_house(options=Options(port=0, keepalive_seconds=0.1)) as house,
        house.caller(modern=True) as caller,
        listening(caller, TOOLS) as stream,
    ):
        await stream.next()
        assert await stream.is_silent(0.5)
        assert stream.comments >= 2


async def test_streams_end_with_a_result_when_the_server_stops() -> None:
    async with open_house() as house, house.caller(modern=True) as caller, listening(caller, TOOLS) as stream:
        await stream.next()
        await asyncio.wait_for(house.stop(), 4)
        last = await stream.next()
    assert last["id"] == stream.identity
    assert last["result"]["resultType"] == "complete"
    assert last["result"]["_meta"][STAMP] == stream.identity


async def test_there_is_an_end_to_streams() -> None:
    async with (
        open_house(options=Options(port=0, max_streams=1)) as house,
        house.caller(modern=True) as caller,
        listening(caller, TOOLS) as stream,
    ):
        await stream.next()
        refused = last_message(await caller.post("subscriptions/listen", {"notifications": TOOLS}))
        assert refused["error"]["code"] == -32603


async def test_a_slow_call_turns_into_a_stream_that_lives() -> None:
    async with open_house(options=Options(port=0, keepalive_seconds=0.2)) as house, house.caller(modern=True) as caller:
        file = house.folder / "go"
        params = {"name": "fixture/wait", "arguments": {"file": str(file)}}
        request = caller.http.build_request(
            "POST", "/mcp", json=caller.message("tools/call", params), headers=caller.headers("tools/call", params)
        )
        response = await caller.http.send(request, stream=True)
        stream = Stream(response, 1)
        assert await stream.is_silent(0.5)
        assert stream.comments >= 1
        file.touch()
        assert "result" in await stream.next()
