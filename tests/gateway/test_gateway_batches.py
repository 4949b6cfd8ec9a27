"""Batches, which only the version of 2025-03-26 has: answered as one, each of their requests for itself."""

import asyncio
from typing import Any

import pytest

from portero.gateway.options import Options
from tests.gateway.house import House, open_house, wait_until
from tests.gateway.streaming import HELLO

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("headers", [{}, {"mcp-protocol-version": "2025-03-26"}])
async def test_a_batch_is_answered_as_one(house: House, name: str, headers: dict[str, str]) -> None:
    async with house.caller(name) as caller:
        batch = [
            {"jsonrpc": "2.0", "id": 1, "method": "ping"},
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            {
                "jsonrpc": "2.0",
                "id": "b",
                "method": "tools/call",
                "params": {"name": "fixture/echo", "arguments": {"text": "x"}},
            },
            {"jsonrpc": "2.0", "id": 3, "method": "nonsense"},
            {"jsonrpc": "2.0", "id": 4, "method": "initialize", "params": {"protocolVersion": "2025-03-26", **HELLO}},
            7,
        ]
        response = await caller.http.post("/mcp", json=batch, headers=headers)
    answers = response.json()
    assert [answer["id"] for answer in answers] == [1, "b", 3, 4, None]
    assert answers[1]["result"]["content"][0]["text"] == "x"
    assert [answer["error"]["code"] for answer in answers[2:]] == [-32601, -32600, -32600]


async def test_a_batch_of_notifications_has_no_answer(house: House) -> None:
    async with house.client() as http:
        response = await http.post("/mcp", json=[{"jsonrpc": "2.0", "method": "notifications/initialized"}] * 2)
    assert (response.status_code, response.content) == (202, b"")


@pytest.mark.parametrize("version", ["2024-11-05", "2025-06-18", "2025-11-25"])
async def test_other_versions_have_no_batches(house: House, version: str) -> None:
    async with house.client() as http:
        body = [{"jsonrpc": "2.0", "id": 1, "method": "ping"}]
        response = await http.post("/mcp", json=body, headers={"mcp-protocol-version": version})
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32600)


async def test_a_batch_has_an_end(house: House) -> None:
    async with house.client() as http:
        response = await http.post("/mcp", json=[{"jsonrpc": "2.0", "id": 1, "method": "ping"}] * 101)
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32600)


def call(identity: int, tool: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": f"fixture/{tool}", "arguments": arguments}
    return {"jsonrpc": "2.0", "id": identity, "method": "tools/call", "params": params}


async def test_one_request_of_a_batch_is_cancelled_and_the_others_are_answered(house: House, name: str) -> None:
    async with house.client(name) as http:
        batch = [call(1, "never"), call(2, "echo", text="x")]
        before = house.gateway.in_flight()
        answering = asyncio.create_task(http.post("/mcp", json=batch))
        await wait_until(lambda: house.gateway.in_flight() == before + 1, "one is under way")
        await wait_until(lambda: len(executing(house, name)) == 1, "it runs")
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        assert (await http.post("/mcp", json=cancel)).status_code == 202
        one, two = (await asyncio.wait_for(answering, 5)).json()
    assert (one["id"], one["error"]["code"]) == (1, -32800)
    assert two["result"]["content"][0]["text"] == "x"
    await wait_until(lambda: not executing(house, name), "it is on the log")
    assert house.gateway.in_flight() == before


async def test_a_batch_cancels_what_it_has_begun_itself(house: House, name: str) -> None:
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    async with house.client(name) as http:
        (answer,) = (await asyncio.wait_for(http.post("/mcp", json=[call(1, "never"), cancel]), 5)).json()
    assert answer["error"]["code"] == -32800


async def test_requests_of_a_batch_are_counted_like_any() -> None:
    async with open_house(options=Options(port=0, max_in_flight=2)) as house, house.client() as http:
        batch = [call(number, "echo", text="x") for number in range(5)]
        answers = (await http.post("/mcp", json=batch)).json()
        assert ["result" in answer for answer in answers] == [True, True, False, False, False]
        assert "Too many" in answers[-1]["error"]["message"]


def executing(house: House, client: str) -> list[Any]:
    return [call for call in house.view.calls.executing() if call.client == client]
