"""The rules from 2025-03-26 to 2025-11-25: initialize, errors inside of 200, batches once."""

import asyncio
from typing import Any

import pytest

from tests.gateway.house import META, House, last_message, wait_until
from tests.gateway.test_gateway_modern import running

pytestmark = pytest.mark.asyncio(loop_scope="session")

HELLO: dict[str, Any] = {"capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2024-11-05"),
        ("2026-07-28", "2025-11-25"),
        ("1.0", "2025-11-25"),
    ],
)
async def test_initialize_settles_on_a_version(house: House, name: str, asked: str, given: str) -> None:
    async with house.caller(name) as caller:
        response = await caller.http.post(
            "/mcp", json=caller.message("initialize", {"protocolVersion": asked, **HELLO})
        )
    result = response.json()["result"]
    assert result["protocolVersion"] == given
    assert result["serverInfo"] == {"name": "portero", "title": "Portero", "version": "1.2.3"}
    assert result["capabilities"]["tools"] == {"listChanged": True}
    assert "resultType" not in result
    assert response.headers["mcp-session-id"].isprintable()


async def test_results_have_nothing_of_the_modern_era(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        modern = {
            "resultType": "complete",
            "ttlMs": 5,
            "cacheScope": "public",
            "content": [],
            "_meta": {META + "serverInfo": {"name": "x", "version": "1"}, "kept": True},
        }
        result = await caller.tool("fixture/raw", result=modern)
        assert result == {"content": [], "_meta": {"kept": True}}
        listed = await caller.rpc("tools/list")
        assert set(listed) == {"tools"}


async def test_a_legacy_client_is_told_when_an_upstream_wants_input(house: House, name: str) -> None:
    """It could only take the question for an empty result."""
    async with house.caller(name) as caller:
        status, error = await caller.error(
            "tools/call",
            {"name": "fixture/raw", "arguments": {"result": {"resultType": "input_required", "inputRequests": {}}}},
        )
    assert (status, error["code"]) == (200, -32603)
    assert "2026-07-28" in error["message"]


async def test_ping_and_levels(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        assert await caller.rpc("ping") == {}
        assert await caller.rpc("logging/setLevel", {"level": "warning"}) == {}
        assert (await caller.error("logging/setLevel", {"level": "loud"}))[1]["code"] == -32602


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("nonsense", {}, -32601),
        ("server/discover", {}, -32601),
        ("tasks/get", {"taskId": "x"}, -32601),
        ("subscriptions/listen", {"notifications": {}}, -32601),
        ("tools/call", {}, -32602),
        ("tools/call", {"name": 7}, -32602),
        ("tools/call", {"name": "nobody/knows"}, -32602),
        ("tools/list", {"cursor": "nonsense"}, -32602),
        ("tools/list", {"cursor": 7}, -32602),
        ("initialize", {}, -32602),
    ],
)
async def test_errors_come_with_200(house: House, name: str, method: str, params: dict[str, Any], code: int) -> None:
    async with house.caller(name) as caller:
        status, error = await caller.error(method, params)
    assert (status, error["code"]) == (200, code)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"nonsense", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"} x', -32700),
        (b'\xff{"jsonrpc":"2.0"}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\xff"}}', -32700),
        (b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}', -32700),
        (b"[" * 100_000, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, -32700),
        (b'"text"', -32600),
        (b"7", -32600),
        (b"null", -32600),
        (b"{}", -32600),
        (b'{"id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":2.0,"id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":[1],"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":null}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b"[]", -32600),
    ],
)
async def test_what_is_no_message_is_a_bad_request(house: House, body: bytes, code: int) -> None:
    async with house.client() as http:
        response = await http.post("/mcp", content=body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, code)


async def test_the_id_of_a_broken_message_comes_back_where_it_can_be_read(house: House) -> None:
    async with house.client() as http:
        assert (await http.post("/mcp", content=b'{"jsonrpc":"2.0","id":7,"method":null}')).json()["id"] == 7
        assert (await http.post("/mcp", content=b'{"jsonrpc":"3.0","id":"a","method":"ping"}')).json()["id"] == "a"


@pytest.mark.parametrize(
    "identity", ["7", '"7"', '""', '"\\u0000 \\ud83d\\ude00"', "-1", "123456789012345678901234567890"]
)
async def test_any_id_comes_back_as_it_was(house: House, identity: str) -> None:
    async with house.client() as http:
        response = await http.post("/mcp", content=f'{{"jsonrpc":"2.0","id":{identity},"method":"ping"}}')
    assert f'"id":{identity},' in response.text


@pytest.mark.parametrize("params", ["[]", '"x"', "7", "[1]"])
async def test_params_must_be_an_object(house: House, params: str) -> None:
    async with house.client() as http:
        response = await http.post("/mcp", content=f'{{"jsonrpc":"2.0","id":1,"method":"ping","params":{params}}}')
    assert (response.status_code, response.json()["error"]["code"]) == (200, -32602)


async def test_params_may_be_null(house: House) -> None:
    async with house.client() as http:
        response = await http.post("/mcp", content=b'{"jsonrpc":"2.0","id":1,"method":"ping","params":null}')
    assert response.json()["result"] == {}


@pytest.mark.parametrize(
    "body",
    [
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "method": "notifications/roots/list_changed", "params": {}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled"},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": {}}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": [1]},
        {"jsonrpc": "2.0", "method": "anything"},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "no"}},
    ],
)
async def test_what_needs_no_answer_gets_none(house: House, body: dict[str, Any]) -> None:
    async with house.client() as http:
        response = await http.post("/mcp", json=body)
    assert (response.status_code, response.content) == (202, b"")


# --- cancelling -----------------------------------------------------------------------------------------------------


async def test_a_client_cancels_by_notification(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        calling = asyncio.create_task(caller.post("tools/call", {"name": "fixture/never", "arguments": {}}))
        await wait_until(lambda: running(house, name) == 1, "the call runs")
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": caller._ids}}
        assert (await caller.http.post("/mcp", json=cancel)).status_code == 202
        answer = last_message(await asyncio.wait_for(calling, 5))
    assert answer["error"]["code"] == -32800
    await wait_until(lambda: running(house, name) == 0, "it is on the log")


@pytest.mark.parametrize("identity", ["1", 2, "x"])
async def test_another_id_cancels_nothing(house: House, name: str, identity: Any) -> None:
    async with house.caller(name) as caller:
        file = house.folder / f"go-{name}"
        arguments = {"file": str(file)}
        calling = asyncio.create_task(caller.post("tools/call", {"name": "fixture/wait", "arguments": arguments}))
        await wait_until(lambda: running(house, name) == 1, "the call runs")
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": identity}}
        assert (await caller.http.post("/mcp", json=cancel)).status_code == 202
        file.touch()
        assert "result" in last_message(await calling)


async def test_another_client_cancels_nothing(house: House, name: str) -> None:
    async with house.caller(name) as caller, house.client("client999") as other:
        file = house.folder / f"go-{name}"
        arguments = {"file": str(file)}
        calling = asyncio.create_task(caller.post("tools/call", {"name": "fixture/wait", "arguments": arguments}))
        await wait_until(lambda: running(house, name) == 1, "the call runs")
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": caller._ids}}
        assert (await other.post("/mcp", json=cancel)).status_code == 202
        file.touch()
        assert "result" in last_message(await calling)


async def test_of_two_requests_with_one_id_none_is_cancelled(house: House, name: str) -> None:
    """Two programs with one token count from 1 both; a cancellation cannot say which is meant."""
    async with house.caller(name) as one, house.caller(name) as two:
        file = house.folder / f"go-{name}"
        params = {"name": "fixture/wait", "arguments": {"file": str(file)}}
        calling = [asyncio.create_task(caller.post("tools/call", params)) for caller in (one, two)]
        await wait_until(lambda: running(house, name) == 2, "both calls run")
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        await one.http.post("/mcp", json=cancel)
        file.touch()
        for answer in await asyncio.gather(*calling):
            assert "result" in last_message(answer)


async def test_a_request_of_the_newer_era_with_that_id_is_not_cancelled(house: House, name: str) -> None:
    async with house.caller(name, modern=True) as modern, house.caller(name) as legacy:
        file = house.folder / f"go-{name}"
        params = {"name": "fixture/wait", "arguments": {"file": str(file)}}
        calling = asyncio.create_task(modern.post("tools/call", params))
        await wait_until(lambda: running(house, name) == 1, "the call runs")
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": modern._ids}}
        assert (await legacy.http.post("/mcp", json=cancel)).status_code == 202
        file.touch()
        assert "result" in last_message(await calling)


async def test_a_client_that_leaves_does_not_cancel(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        file = house.folder / f"go-{name}"
        arguments = {"file": str(file)}
        calling = asyncio.create_task(caller.post("tools/call", {"name": "fixture/wait", "arguments": arguments}))
        await wait_until(lambda: running(house, name) == 1, "the call runs")
        calling.cancel()
        await asyncio.sleep(0.4)  # longer than it takes to notice a modern client that leaves
        assert running(house, name) == 1
        file.touch()
        await wait_until(lambda: running(house, name) == 0, "the call has ended")
    (call,) = [call for call in house.view.calls._ended.values() if call.client == name]
    assert call.status == "completed"
