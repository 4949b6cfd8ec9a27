"""Progress and signs of life: what a client that waits for a call is shown of it meanwhile."""

import asyncio
import json
from typing import Any

import pytest

from portero.gateway.options import Options
from tests.gateway.house import House, last_message, messages, open_house, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ERAS = pytest.mark.parametrize("modern", [False, True], ids=["legacy", "modern"])


@ERAS
@pytest.mark.parametrize("token", ["a token", 0, 17])
async def test_progress_streams_under_the_clients_own_token(house: House, name: str, modern: bool, token: Any) -> None:
    file = house.folder / f"go-{name}"
    async with house.caller(name, modern=modern) as caller:
        params = {"name": "fixture/wait", "arguments": {"file": str(file)}, "_meta": {"progressToken": token}}
        request = caller.http.build_request(
            "POST", "/mcp", json=caller.message("tools/call", params), headers=caller.headers("tools/call", params)
        )
        response = await caller.http.send(request, stream=True)
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["x-accel-buffering"] == "no"
        assert "content-length" not in response.headers
        lines = response.aiter_lines()
        seen = [await anext(lines)]
        file.touch()
        seen += [line async for line in lines]
    found = [json.loads(line[6:]) for line in seen if line.startswith("data: ")]
    *reports, last = found
    assert reports
    for step, report in enumerate(reports, 1):
        assert report == {
            "jsonrpc": "2.0",
            "method": "notifications/progress",
            "params": {"progressToken": token, "progress": step, "total": 9},
        }
    assert last["result"]["content"][0]["text"].startswith("after")
    assert last["id"] == 1


@ERAS
async def test_without_a_token_there_is_no_progress(house: House, name: str, modern: bool) -> None:
    file = house.folder / f"go-{name}"
    async with house.caller(name, modern=modern) as caller:
        calling = asyncio.create_task(
            caller.post("tools/call", {"name": "fixture/wait", "arguments": {"file": str(file)}})
        )
        await wait_until(lambda: len(executing(house, name)) == 1, "the call runs")
        file.touch()
        response = await calling
    assert response.headers["content-type"] == "application/json"


async def test_a_client_that_reads_no_streams_gets_plain_json(house: House, name: str) -> None:
    file = house.folder / f"go-{name}"
    async with house.caller(name) as caller:
        caller.http.headers["accept"] = "application/json"
        params = {"name": "fixture/wait", "arguments": {"file": str(file)}, "_meta": {"progressToken": 1}}
        calling = asyncio.create_task(caller.post("tools/call", params))
        await wait_until(lambda: len(executing(house, name)) == 1, "the call runs")
        file.touch()
        response = await calling
    assert [message["id"] for message in messages(response)] == [1]
    assert response.headers["content-type"] == "application/json"


async def test_a_call_refused_by_the_upstream_in_mid_stream_ends_the_stream(house: House, name: str) -> None:
    """Once streaming has begun, an error is the last event of it."""
    file = house.folder / f"go-{name}"
    async with house.caller(name, modern=True) as caller:
        arguments = {"file": str(file), "fail": True}
        params = {"name": "fixture/wait", "arguments": arguments, "_meta": {"progressToken": 1}}
        request = caller.http.build_request(
            "POST", "/mcp", json=caller.message("tools/call", params), headers=caller.headers("tools/call", params)
        )
        response = await caller.http.send(request, stream=True)
        assert response.status_code == 200
        file.touch()
        await response.aread()
    assert last_message(response)["error"] == {"code": 17, "message": "after all"}


@pytest.mark.parametrize("token", [1.5, True, {}, [1]])
@pytest.mark.parametrize("modern", [False, True])
async def test_a_token_is_a_text_or_a_whole_number(house: House, name: str, token: Any, modern: bool) -> None:
    async with house.caller(name, modern=modern) as caller:
        params = {"name": "fixture/effect", "arguments": {"text": name}, "_meta": {"progressToken": token}}
        _, error = await caller.error("tools/call", params)
    assert error["code"] == -32602
    assert not [call for call in house.view.calls._all() if call.client == name]


async def test_a_token_of_null_is_none(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        file = house.folder / f"go-{name}"
        params = {"name": "fixture/wait", "arguments": {"file": str(file)}, "_meta": {"progressToken": None}}
        calling = asyncio.create_task(caller.post("tools/call", params))
        await asyncio.sleep(0.1)
        file.touch()
        assert len(messages(await calling)) == 1


async def test_a_long_silent_call_shows_signs_of_life_to_who_wants_progress() -> None:
    async with (
        open_house(options=Options(port=0, alive_seconds=0.2)) as house,
        house.caller(modern=True) as caller,
    ):
        file = house.folder / "go"
        params = {"name": "fixture/quiet", "arguments": {"file": str(file)}, "_meta": {"progressToken": "t"}}
        request = caller.http.build_request(
            "POST", "/mcp", json=caller.message("tools/call", params), headers=caller.headers("tools/call", params)
        )
        response = await caller.http.send(request, stream=True)
        lines = response.aiter_lines()
        seen = []
        async for line in lines:
            if line.startswith("data: "):
                seen.append(json.loads(line[6:]))
            if len(seen) == 2:
                file.touch()
    *reports, last = seen
    values = [report["params"]["progress"] for report in reports]
    assert values == sorted(set(values)), "progress grows"
    assert all(0 < value < 0.001 for value in values)
    assert reports[0]["params"]["progressToken"] == "t"
    assert "still running" in reports[0]["params"]["message"]
    assert "result" in last


def executing(house: House, client: str) -> list[Any]:
    return [call for call in house.view.calls.executing() if call.client == client]
