"""Who is let in, and what everybody else is told: always JSON-RPC, always with the status that fits."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from portero.gateway.http import auth
from portero.gateway.options import Options
from tests.gateway.house import House, last_message, open_house, raw

pytestmark = pytest.mark.asyncio(loop_scope="session")

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}

STREAMED = {
    "jsonrpc": "2.0",
    "id": 2,
    "method": "tools/call",
    "params": {"name": "fixture/log", "arguments": {"level": "error"}},
}


def refused(response: httpx.Response, status: int, code: int) -> str:
    """The message of an answer that must be a JSON-RPC error."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body["jsonrpc"] == "2.0"
    assert body["id"] is None
    assert body["error"]["code"] == code
    message: str = body["error"]["message"]
    return message


@pytest.mark.parametrize("path", ["/mcp", "/mcp/message", "/mcp/"])
async def test_both_paths_are_the_endpoint(house: House, path: str) -> None:
    async with house.client() as http:
        response = await http.post(path, json=PING)
    assert response.json()["result"] == {}


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer wrong",
        "Bearer",
        "Bearer  token-of-default x",
        "Basic dG9rZW4tb2YtZGVmYXVsdA==",
        "token-of-default",
        "Bearer token-of-defaul",
        "",
    ],
)
async def test_a_wrong_token_is_refused(house: House, authorization: str) -> None:
    async with house.client(authorization=authorization) as http:
        response = await http.post("/mcp", json=PING)
    message = refused(response, 401, 4401)
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert "BEARER_TOKEN" in message


async def test_an_error_of_our_own_is_told_as_json_rpc_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong before a request is one, a client must be able to read."""
    async with open_house() as house, house.client() as http:
        monkeypatch.setattr(auth, "token_digest", None)
        response = await http.post("/mcp", json=PING)
        assert "its log says why" in refused(response, 500, -32603).lower()
        monkeypatch.undo()
        assert (await http.post("/mcp", json=PING)).json()["result"] == {}


async def test_a_missing_token_is_refused_whatever_the_method(house: House) -> None:
    async with httpx.AsyncClient(base_url=house.url) as http:
        for method in ("GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"):
            response = await http.request(method, "/mcp")
            assert "Authorization: Bearer" in refused(response, 401, 4401)


async def test_the_token_is_looked_at_before_the_body(house: House) -> None:
    """A body that never comes does not keep the answer back."""
    answer = await raw(
        house,
        b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer no\r\ncontent-length: 1000000\r\n\r\n{",
    )
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"] == 4401


async def test_the_scheme_is_taken_in_any_case(house: House) -> None:
    async with house.client(authorization="bEARER token-of-default") as http:
        assert (await http.post("/mcp", json=PING)).json()["result"] == {}


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8443", "127.0.0.1.evil.example", "[::2]", "localhost.evil"]
)
async def test_a_foreign_host_is_refused(house: House, host: str) -> None:
    async with house.client(host=host) as http:
        assert "PORTERO_ALLOWED_HOSTS" in refused(await http.post("/mcp", json=PING), 403, 4403)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:8443", "localhost."])
async def test_loopback_names_are_hosts_of_ours(house: House, host: str) -> None:
    async with house.client(host=host) as http:
        assert (await http.post("/mcp", json=PING)).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://localhost.evil.example", "null", "file://", "http://", "http://[::bad"]
)
async def test_a_foreign_origin_is_refused(house: House, origin: str) -> None:
    async with house.client(origin=origin) as http:
        assert "PORTERO_ALLOWED_ORIGINS" in refused(await http.post("/mcp", json=PING), 403, 4403)


@pytest.mark.parametrize("origin", ["http://localhost:6274", "http://127.0.0.1", "https://[::1]:1"])
async def test_loopback_pages_may_talk_to_a_loopback_server(house: House, origin: str) -> None:
    async with house.client(origin=origin) as http:
        assert (await http.post("/mcp", json=PING)).status_code == 200


async def test_browsers_are_told_what_pages_may_do() -> None:
    page = "https://page.example"
    async with (
        open_house(options=Options(port=0, allowed_origins=(page,))) as house,
        house.client(origin=page) as http,
        httpx.AsyncClient(base_url=house.url) as nobody,
    ):
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,mcp-name"}
        may = await nobody.options("/mcp", headers={"origin": page, **asked})
        assert (may.status_code, may.headers["access-control-allow-origin"]) == (204, page)
        assert may.headers["access-control-allow-headers"] == "authorization,mcp-name"
        assert "POST" in may.headers["access-control-allow-methods"]
        may_not = await nobody.options("/mcp", headers={"origin": "https://evil.example", **asked})
        assert "access-control-allow-origin" not in may_not.headers
        refused(may_not, 403, 4403)
        for response in (
            await http.post("/mcp", json=PING),
            await http.post("/mcp", json=PING, headers={"authorization": "Bearer wrong"}),
            await http.post("/mcp", json=STREAMED),
        ):
            assert response.headers["access-control-allow-origin"] == page
        assert response.headers["content-type"] == "text/event-stream"


async def test_a_foreign_host_learns_nothing_about_tokens(house: House) -> None:
    async with house.client(host="evil.example", authorization="Bearer wrong") as http:
        refused(await http.post("/mcp", json=PING), 403, 4403)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_other_methods_are_not_allowed(house: House, method: str, version: str) -> None:
    async with house.client() as http:
        response = await http.request(method, "/mcp", headers={"mcp-protocol-version": version})
    refused(response, 405, -32600)
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
async def test_other_content_types_are_refused(house: House, kind: str) -> None:
    async with house.client(**{"content-type": kind}) as http:
        refused(await http.post("/mcp", content=json.dumps(PING)), 415, -32600)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
async def test_json_may_say_more_about_itself(house: House, kind: str) -> None:
    async with house.client(**{"content-type": kind}) as http:
        assert (await http.post("/mcp", content=json.dumps(PING))).status_code == 200


@pytest.mark.parametrize("accept", ["text/html", "text/event-stream", "image/*, text/*"])
async def test_a_client_must_take_json(house: House, accept: str) -> None:
    async with house.client(accept=accept) as http:
        refused(await http.post("/mcp", json=PING), 406, -32600)


@pytest.mark.parametrize(
    "accept", ["*/*", "application/*", "application/json", "text/event-stream,application/json;q=0.1"]
)
async def test_json_is_accepted_in_many_ways(house: House, accept: str) -> None:
    async with house.client(accept=accept) as http:
        assert (await http.post("/mcp", json=PING)).status_code == 200


async def test_a_body_that_says_it_is_too_large_is_refused_unread(house: House) -> None:
    async with house.client() as http:
        message = refused(await http.post("/mcp", content=b" " * (5 << 20)), 413, 4413)
    assert "4096 KiB" in message


async def test_a_body_without_a_length_is_cut_off_at_the_limit(house: House) -> None:
    async def pieces() -> Any:
        for _ in range(80):
            yield b" " * (1 << 16)

    async with house.client() as http:
        refused(await http.post("/mcp", content=pieces()), 413, 4413)


async def test_a_body_that_never_ends_is_not_read_for_ever(house: House) -> None:
    host, port = house.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer token-of-default\r\n"
        b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    answering = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))

    async def send_on() -> None:
        for _ in range(1_000):
            writer.write(b"10000\r\n" + b" " * (1 << 16) + b"\r\n")
            await writer.drain()

    with pytest.raises(ConnectionError):
        await send_on()
    assert (await answering).startswith(b"HTTP/1.1 413 ")


async def test_a_body_in_pieces_is_put_together(house: House) -> None:
    text = json.dumps({**PING, "params": {"pad": "x" * 200_000}}).encode()

    async def pieces() -> Any:
        for start in range(0, len(text), 7_001):
            yield text[start : start + 7_001]

    async with house.client() as http:
        assert (await http.post("/mcp", content=pieces())).json()["result"] == {}


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"0x10", b"99999999999999999999999999"])
async def test_an_odd_content_length_is_refused(house: House, length: bytes) -> None:
    answer = await raw(
        house,
        b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer token-of-default\r\n"
        b"content-type: application/json\r\nconnection: close\r\ncontent-length: " + length + b"\r\n\r\n{}",
    )
    assert answer.split(b" ")[1] in {b"400", b"413"}
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["jsonrpc"] == "2.0"


@pytest.mark.parametrize(
    "header", ["authorization", "host", "origin", "content-type", "mcp-method", "mcp-protocol-version"]
)
async def test_a_header_that_decides_something_comes_once(house: House, header: str) -> None:
    value = {"authorization": "Bearer token-of-default", "host": "127.0.0.1", "content-type": "application/json"}
    lines = {
        "host": "127.0.0.1",
        "authorization": "Bearer token-of-default",
        "content-type": "application/json",
        "content-length": "2",
        "connection": "close",
    }
    head = "".join(f"{key}: {text}\r\n" for key, text in lines.items())
    twice = f"{header}: {value.get(header, 'x')}\r\n" * (1 if header in lines else 2)
    answer = await raw(house, f"POST /mcp HTTP/1.1\r\n{head}{twice}\r\n{{}}".encode())
    assert answer.startswith(b"HTTP/1.1 400 ")
    error = json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]
    assert error["code"] == -32020
    assert header in error["message"]


@pytest.mark.parametrize(
    "path", ["/", "/mcp/other", "/mcpx", "/sse", "/.well-known/oauth-authorization-server", "/mcp%00"]
)
async def test_there_is_nothing_elsewhere(house: House, path: str) -> None:
    async with house.client() as http:
        assert "/mcp;" in refused(await http.post(path, json=PING), 404, -32600)


async def test_what_is_no_http_is_answered_in_json(house: House) -> None:
    answer = await raw(house, b"\x16\x03\x01 this is a TLS hello\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"] == -32700


async def test_an_answer_before_the_body_reaches_a_client_that_is_still_sending(house: House) -> None:
    """A connection that is reset too early loses the answer; this takes many rounds to show."""
    async with house.client(authorization="Bearer wrong") as http:
        for _ in range(20):
            refused(await http.post("/mcp", content=b"x" * 300_000), 401, 4401)


async def test_connections_are_kept_after_a_refusal_without_a_body(house: House) -> None:
    async with house.client() as http:
        assert "connection" not in (await http.get("/mcp")).headers
        assert last_message(await http.post("/mcp", json=PING))["result"] == {}
