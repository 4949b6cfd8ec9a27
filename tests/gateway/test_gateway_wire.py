"""HTTP at its edges: requests in a row, offers of other protocols, fields behind a body, heads without an end."""

import asyncio
import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from portero.gateway.http.serve import Listen
from tests.gateway.caller import META, MODERN
from tests.gateway.house import House, open_house, raw, wait_until
from tests.gateway.streaming import begin

pytestmark = pytest.mark.asyncio(loop_scope="session")

HEAD = (
    b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer token-of-default\r\n"
    b"content-type: application/json\r\n"
)
NO_REQUESTS = {
    "no HTTP": b"\x00nothing of the kind\r\n\r\n",
    "a head without an end": HEAD + b"\xff\xff: \x00\r\n",
    "two lengths": HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a broken body": HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n",
}


def request(name: str, arguments: dict[str, Any], identity: int = 1) -> bytes:
    params = {"name": f"fixture/{name}", "arguments": arguments}
    body = json.dumps({"jsonrpc": "2.0", "id": identity, "method": "tools/call", "params": params}).encode()
    return HEAD + b"content-length: %d\r\n\r\n" % len(body) + body


def answers(data: bytes) -> list[tuple[int, Any]]:
    """Status and body of each response."""
    parts = data.split(b"HTTP/1.1 ")[1:]
    return [(int(part[:3]), json.loads(part.split(b"\r\n\r\n", 1)[1])) for part in parts]


@pytest.mark.parametrize("behind", NO_REQUESTS.values(), ids=NO_REQUESTS)
async def test_what_is_no_request_is_answered_after_those_before_it(house: House, behind: bytes) -> None:
    """In their place, its 400 would be taken for the answer to a call that runs."""
    calls = [request("echo", {"text": str(number)}, number) for number in range(3)]
    *good, bad = answers(await raw(house, b"".join(calls) + behind))
    assert [(status, answer["id"]) for status, answer in good] == [(200, 0), (200, 1), (200, 2)]
    assert [answer["result"]["content"][0]["text"] for _, answer in good] == ["0", "1", "2"]
    assert (bad[0], bad[1]["error"]["code"]) == (400, -32700)


async def test_what_is_no_request_waits_for_a_call_that_takes_long(house: House, name: str) -> None:
    file = house.folder / f"go-{name}"
    asking = asyncio.create_task(raw(house, request("quiet", {"file": str(file)}) + b"\x00\r\n\r\n"))
    await wait_until(lambda: house.gateway.in_flight() == 1, "the call is under way")
    await asyncio.sleep(0.1)
    assert not asking.done()
    file.touch()
    (good, bad) = answers(await asking)
    assert good[1]["result"]["content"][0]["text"].startswith("after")
    assert bad[0] == 400


async def test_a_slow_request_is_cut_off_after_the_call_before_it(tmp_path: Path) -> None:
    def impatient(listen: Listen) -> Listen:
        return attrs.evolve(listen, request_seconds=0.2)

    async with open_house(listen=impatient) as house:
        file = tmp_path / "go"
        begun = HEAD + b"content-length: 100\r\n\r\n{"
        asking = asyncio.create_task(raw(house, request("quiet", {"file": str(file)}) + begun))
        await wait_until(lambda: house.gateway.in_flight() == 1, "the call is under way")
        await asyncio.sleep(0.6)  # three times what a request may take to come in
        assert not asking.done(), "the call before it is not cut off with it"
        file.touch()
        (good, slow) = answers(await asking)
        assert good[0] == 200
        assert (slow[0], slow[1]["error"]["code"]) == (408, -32600)


async def test_a_connection_that_closes_cancels_the_call_and_drops_what_waits(house: House, name: str) -> None:
    """The call is told, and not the request that came last, which has not even begun."""
    meta = {META + "protocolVersion": MODERN, META + "clientCapabilities": {}}
    params = {"name": "fixture/never", "arguments": {}, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    modern = b"mcp-protocol-version: %b\r\nmcp-method: tools/call\r\nmcp-name: fixture/never\r\n" % MODERN.encode()
    host, port = house.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(HEAD + modern + b"content-length: %d\r\n\r\n" % len(body) + body)
    writer.write(request("effect", {"text": name}))
    await wait_until(lambda: house.gateway.in_flight() == 1, "the call is under way")
    writer.close()
    await wait_until(lambda: house.gateway.in_flight() == 0, "the call is cancelled")
    assert name not in house.effects_seen()


@pytest.mark.parametrize("path", [b"/mcp", b"/mcp/message", b"/health"])
async def test_a_head_request_has_no_body_that_the_next_answer_would_begin_with(house: House, path: bytes) -> None:
    head = b"HEAD " + HEAD.removeprefix(b"POST ").replace(b"/mcp", path, 1) + b"\r\n"
    answered = await raw(house, head + request("echo", {"text": "x"}) + b"\x00\r\n\r\n")
    first, rest = answered.split(b"\r\n\r\n", 1)
    assert first.startswith((b"HTTP/1.1 405 ", b"HTTP/1.1 200 "))
    assert b"content-length: " in first
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_no_content_says_no_length(house: House, name: str) -> None:
    async with house.caller(name) as caller:
        session = await begin(caller)
    end = HEAD.replace(b"POST", b"DELETE").replace(b"default", name.encode())
    answered = await raw(house, end + b"connection: close\r\nmcp-session-id: %b\r\n\r\n" % session.encode())
    assert answered.startswith(b"HTTP/1.1 204 ")
    assert b"content-length" not in answered.lower()


# --- offers, trailers and heads -------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_an_offer_of_another_protocol_is_passed_over(house: House, framing: str) -> None:
    """As Java's HTTP client makes it with its first request; the body and what comes behind it are still HTTP."""
    offer = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"
    body = b'{"jsonrpc":"2.0","id":9,"method":"ping"}'
    length = b"content-length: %d\r\n\r\n%b" % (len(body), body)
    chunked = b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    first = HEAD + offer + (length if framing == "length" else chunked)
    last = HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    sent = request("echo", {"text": "x"}) + first + first + last
    before, *pings = answers(await raw(house, sent))
    assert before[1]["result"]["content"][0]["text"] == "x"
    assert pings == [(200, {"jsonrpc": "2.0", "id": 9, "result": {}})] * 3


async def test_fields_behind_the_body_are_no_headers(house: House) -> None:
    """A proxy that adds or takes away headers has not looked at them."""
    head = HEAD.replace(b"authorization: Bearer token-of-default\r\n", b"")
    body = b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nauthorization: Bearer token-of-default\r\n\r\n"
    ((status, answer),) = answers(await raw(house, head + body))
    assert (status, answer["error"]["code"]) == (401, 4401)


async def test_a_head_without_an_end_is_not_kept(house: House) -> None:
    host, port = house.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /mcp HTTP/1.1\r\n")
    for number in range(20):
        writer.write(b"x-%d: %b\r\n" % (number, b"x" * 4096))
        await writer.drain()
    ((status, answer),) = answers(await asyncio.wait_for(reader.read(), 10))
    assert (status, answer["error"]["code"]) == (431, -32600)
    writer.close()
