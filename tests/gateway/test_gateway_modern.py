"""The rules of 2026-07-28: every request says its version and capabilities, and headers agree with the body."""

import asyncio
import base64
import json
from typing import Any

import pytest

from tests.gateway.house import META, MODERN, TASKS, House, last_message, raw, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ECHO = {"name": "fixture/echo", "arguments": {"text": "hi"}}
SUPPORTED = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]


async def test_discover_names_versions_and_capabilities(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller:
        found = await caller.rpc("server/discover")
    assert found["resultType"] == "complete"
    assert found["supportedVersions"] == SUPPORTED
    assert found["capabilities"]["tools"] == {"listChanged": True}
    assert META + "tasks" in found["capabilities"]["extensions"]
    assert found["ttlMs"] >= 0
    assert found["cacheScope"] == "private"
    assert found["_meta"][META + "serverInfo"] == {"name": "portero", "title": "Portero", "version": "1.2.3"}
    assert "portero/check_task" in found["instructions"]


async def test_a_call_is_stamped_complete(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller:
        result = await caller.tool("fixture/echo", text="hi")
    assert result["content"] == [{"type": "text", "text": "hi"}]
    assert result["resultType"] == "complete"
    assert result["_meta"][META + "serverInfo"]["name"] == "portero"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"resultType": "complete"}),
        ({"resultType": "complete", "x": 1}, {"resultType": "complete", "x": 1}),
        ({"resultType": None}, {"resultType": "complete"}),
        ({"resultType": "other", "requestState": "s"}, {"resultType": "other", "requestState": "s"}),
        ({"content": [], "unknown": {"deep": [1.50, None]}}, {"content": [], "unknown": {"deep": [1.5, None]}}),
    ],
)
async def test_results_pass_with_only_the_envelope_fitted(
    house: House, name: str, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    async with house.caller(name, modern=True) as caller:
        result = await caller.tool("fixture/raw", result=given)
    assert result.pop("_meta")[META + "serverInfo"]["name"] == "portero"
    assert {"resultType": "complete", **result} == {"resultType": "complete", **expected}


async def test_an_upstream_keeps_its_own_metadata(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller:
        given = {"content": [], "_meta": {"their/own": 1, META + "serverInfo": {"name": "theirs", "version": "9"}}}
        result = await caller.tool("fixture/raw", result=given)
    assert result["_meta"]["their/own"] == 1
    assert result["_meta"][META + "serverInfo"]["name"] == "portero", "the client talks to Portero"


@pytest.mark.parametrize("version", ["1900-01-01", "2027-01-01", "nonsense"])
async def test_an_unknown_version_is_told_the_known_ones(house: House, name: str, version: str) -> None:
    async with house.caller(name, modern=True) as caller:
        message = caller.message("tools/list")
        message["params"]["_meta"][META + "protocolVersion"] = version
        headers = {"mcp-protocol-version": version, "mcp-method": "tools/list"}
        response = await caller.http.post("/mcp", json=message, headers=headers)
    assert response.status_code == 400
    assert response.json()["id"] == message["id"]
    assert response.json()["error"]["code"] == -32022
    assert response.json()["error"]["data"] == {"supported": SUPPORTED, "requested": version}


@pytest.mark.parametrize(
    ("method", "params", "headers"),
    [
        ("tools/list", {}, {"mcp-protocol-version": "2027-01-01"}),
        ("tools/list", {}, {"mcp-method": "tools/call"}),
        ("tools/list", {}, {"mcp-method": "TOOLS/LIST"}),
        ("tools/list", {}, {"mcp-method": ""}),
        ("tools/call", ECHO, {"mcp-name": "fixture/effect"}),
        ("tools/call", ECHO, {"mcp-name": ""}),
        ("tools/call", ECHO, {"mcp-name": "=?base64?!!!?="}),
        ("resources/read", {"uri": "made://up/one"}, {"mcp-name": "made://up/two"}),
        ("prompts/get", {"name": "fixture/greet"}, {"mcp-name": "other"}),
        ("tasks/get", {"taskId": "abc"}, {"mcp-name": "other"}),
    ],
)
async def test_headers_must_agree_with_the_body(
    house: House, name: str, method: str, params: dict[str, Any], headers: dict[str, str]
) -> None:
    async with house.caller(name, modern=True, capabilities=TASKS) as caller:
        response = await caller.post(method, params, **headers)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == -32020
    assert response.json()["id"] is not None


@pytest.mark.parametrize("missing", ["mcp-method", "mcp-name"])
async def test_a_missing_header_is_a_mismatch(house: House, name: str, missing: str) -> None:
    async with house.caller(name, modern=True) as caller:
        headers = caller.headers("tools/call", ECHO)
        del headers[missing]
        response = await caller.http.post("/mcp", json=caller.message("tools/call", ECHO), headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32020)


async def test_a_modern_body_without_the_version_header_is_a_mismatch(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller:
        response = await caller.http.post("/mcp", json=caller.message("tools/call", ECHO))
    assert (response.status_code, last_message(response)["error"]["code"]) == (400, -32020)
    assert house.effects_seen() is not None


@pytest.mark.parametrize("version", SUPPORTED[1:])
async def test_a_modern_body_under_a_header_of_the_older_era_is_a_mismatch(
    house: House, name: str, version: str
) -> None:
    async with house.caller(name, modern=True) as caller:
        message = caller.message("tools/call", ECHO)
        response = await caller.http.post("/mcp", json=message, headers={"mcp-protocol-version": version})
    assert (response.status_code, last_message(response)["error"]["code"]) == (400, -32020)


async def test_an_upstreams_own_mismatch_is_not_the_clients(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        status, error = await caller.error(
            "tools/call", {"name": "fixture/fail", "arguments": {"code": -32020, "message": "x"}}
        )
    assert (status, error["code"]) == (200, -32020)


@pytest.mark.parametrize("level", ["loud", "INFO", 7, {}])
async def test_a_level_that_there_is_not_is_refused(house: House, name: str, level: Any) -> None:
    async with house.caller(name, modern=True) as caller:
        status, error = await caller.error("tools/call", {**ECHO, "_meta": {META + "logLevel": level}})
    assert (status, error["code"]) == (400, -32602)


async def test_blanks_around_a_header_value_do_not_count(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller:
        body = json.dumps(caller.message("tools/call", ECHO)).encode()
    head = (
        f"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer token-of-{name}\r\nconnection: close\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\nMCP-Protocol-Version:  {MODERN} \r\n"
        "MCP-METHOD: \ttools/call\t\r\nmcp-name:   fixture/echo  \r\n\r\n"
    )
    answer = await raw(house, head.encode() + body)
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["result"]["content"][0]["text"] == "hi"


async def test_a_name_may_come_in_base64(house: House, name: str) -> None:
    encoded = "=?base64?" + base64.b64encode(b"fixture/echo").decode() + "?="
    async with house.caller(name, modern=True) as caller:
        response = await caller.post("tools/call", ECHO, **{"mcp-name": encoded})
    assert last_message(response)["result"]["content"][0]["text"] == "hi"


@pytest.mark.parametrize(
    "meta",
    [None, {}, {META + "protocolVersion": MODERN}, {META + "clientCapabilities": {}}, "text", 1, []],
)
async def test_the_metadata_of_a_request_is_required(house: House, name: str, meta: Any) -> None:
    async with house.caller(name, modern=True) as caller:
        message = caller.message("tools/list")
        message["params"] = {} if meta is None else {"_meta": meta}
        response = await caller.http.post("/mcp", json=message, headers=caller.headers("tools/list"))
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32602)


@pytest.mark.parametrize("capabilities", [[], "x", None, {"extensions": []}, {"extensions": {"a": 1}}])
async def test_odd_capabilities_are_refused_or_passed_over(house: House, name: str, capabilities: Any) -> None:
    async with house.caller(name, modern=True, capabilities=capabilities) as caller:
        response = await caller.post("tools/list")
    if capabilities == {"extensions": {"a": 1}}:
        assert "result" in response.json()
    else:
        assert (response.status_code, response.json()["error"]["code"]) == (400, -32602)


@pytest.mark.parametrize("method", ["initialize", "ping", "logging/setLevel", "resources/subscribe", "nonsense", ""])
async def test_methods_of_another_era_are_not_found(house: House, name: str, method: str) -> None:
    async with house.caller(name, modern=True) as caller:
        status, error = await caller.error(method, {"protocolVersion": "2025-11-25", "level": "info"})
    assert (status, error["code"]) == (404, -32601)


async def test_there_are_no_batches(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller:
        body = [caller.message("tools/list")]
        response = await caller.http.post("/mcp", json=body, headers=caller.headers("tools/list"))
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32600)


async def test_a_notification_is_taken_without_an_answer(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller:
        body = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        response = await caller.http.post("/mcp", json=body, headers={"mcp-protocol-version": MODERN})
        assert (response.status_code, response.content) == (202, b"")
        response = await caller.http.post("/mcp", json=body, headers={"mcp-protocol-version": "2030-01-01"})
        assert (response.status_code, response.json()["error"]["code"]) == (400, -32022)


async def test_a_response_is_not_taken(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller:
        body = {"jsonrpc": "2.0", "id": 1, "result": {}}
        response = await caller.http.post("/mcp", json=body, headers={"mcp-protocol-version": MODERN})
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32600)


@pytest.mark.parametrize(("arguments", "status"), [({"text": [1]}, 200), ("text", 400), ([], 400), (7, 400)])
async def test_arguments_must_be_an_object(house: House, name: str, arguments: Any, status: int) -> None:
    async with house.caller(name, modern=True) as caller:
        response = await caller.post("tools/call", {"name": "fixture/echo", "arguments": arguments})
    assert response.status_code == status
    if status == 400:
        assert response.json()["error"]["code"] == -32602


async def test_an_unknown_tool_says_how_to_find_one(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller:
        status, error = await caller.error("tools/call", {"name": "fixture/*", "arguments": {}})
    assert (status, error["code"]) == (400, -32602)
    assert "portero/search_tools" in error["message"]


async def test_a_client_that_leaves_cancels_its_call(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as caller:
        calling = asyncio.create_task(caller.post("tools/call", {"name": "fixture/never", "arguments": {}}))
        await wait_until(lambda: running(house, name) == 1, "the call runs")
        calling.cancel()
        await wait_until(lambda: running(house, name) == 0, "the call has ended")
    (call,) = [call for call in house.view.calls._ended.values() if call.client == name]
    assert call.status == "cancelled"
    assert house.gateway.in_flight() == 0


def running(house: House, client: str) -> int:
    return sum(call.client == client for call in house.view.calls.executing())
