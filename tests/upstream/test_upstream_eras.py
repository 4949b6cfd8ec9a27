"""Servers of both eras, and odd ones in between, are understood."""

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from portero.errors import INVALID_REQUEST, RpcError, UpstreamRefused
from portero.upstream import Notification, ServerRequest, State
from tests.upstream.running import QUICK, Running, fixture, running, until


@pytest.mark.parametrize(
    ("era", "protocol"), [("legacy", "2025-11-25"), ("modern", "2026-07-28"), ("both", "2026-07-28")]
)
async def test_a_server_of_each_era_is_understood(era: str, protocol: str) -> None:
    async with running(fixture("f", "--era", era)) as upstreams:
        status = upstreams.of("f")
        assert (status.protocol, status.server, status.instructions) == (protocol, "fixture 1.2.3", "made up")
        assert (status.tools, status.resources, status.templates, status.prompts) == (17, 1, 1, 1)
        assert await upstreams.said("f", "echo", {"text": "x"}) == "x"


async def test_a_modern_request_says_who_we_are() -> None:
    async with running(fixture("f", "--era", "modern"), capabilities=b'{"roots":{}}') as upstreams:
        params = {"name": "echo", "arguments": {"text": "x"}, "_meta": {"vendor/key": 1, "progressToken": 5}}
        await upstreams.request("f", "tools/call", json.dumps(params).encode(), capabilities=b'{"sampling":{}}')
        await upstreams.said("f", "echo", {"text": "x"})
        first, second = [message for message in await _received(upstreams) if _tool(message) == "echo"]
    meta = first["params"]["_meta"]
    assert meta.pop("progressToken") == first["id"]
    client = meta.pop("io.modelcontextprotocol/clientInfo")
    assert client["name"] == "portero"
    assert meta == {
        "vendor/key": 1,
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"sampling": {}},
    }
    assert second["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] == {}


async def test_a_legacy_server_gets_the_handshake_and_nothing_modern() -> None:
    async with running(fixture()) as upstreams:
        received = await _received(upstreams)
    assert [message["method"] for message in received[:3]] == [
        "server/discover",
        "initialize",
        "notifications/initialized",
    ]
    assert received[1]["params"]["protocolVersion"] == "2025-11-25"
    assert "io.modelcontextprotocol" not in json.dumps(received[1:])


async def test_a_server_that_ends_at_the_modern_question_is_asked_the_old_way(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    async with running(fixture("f", "--on-discover", "exit", "--starts", str(starts))) as upstreams:
        status = upstreams.of("f")
        assert (status.state, status.protocol, status.failures) == (State.CONNECTED, "2025-11-25", 0)
        assert len(starts.read_text().splitlines()) == 2
        with pytest.raises(Exception, match="exit code 1"):
            await upstreams.call("f", "crash")
        await until(lambda: upstreams.of("f").restarts == 1, "it is started again")
        await upstreams.becomes("f", State.CONNECTED)
        assert len(starts.read_text().splitlines()) == 3  # what it is, is remembered


async def test_a_server_that_ignores_the_modern_question_is_asked_the_old_way_too() -> None:
    limits = attrs.evolve(QUICK, patience=0.1)
    async with running(fixture("f", "--on-discover", "silent"), limits=limits) as upstreams:
        assert upstreams.of("f").protocol == "2025-11-25"


@pytest.mark.parametrize(("era", "protocol"), [("modern", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_a_slow_server_that_gets_both_questions_is_taken_for_what_it_is(
    era: str, protocol: str, tmp_path: Path
) -> None:
    file = tmp_path / "go"
    limits = attrs.evolve(QUICK, patience=0.05)
    config = fixture("f", "--era", era, "--start-after", str(file))
    async with running(config, limits=limits, settled=False) as upstreams:
        assert not await upstreams.settled(0.3)
        file.touch()
        await upstreams.becomes("f", State.CONNECTED)
        assert upstreams.of("f").protocol == protocol


# --- what servers ask and say ---------------------------------------------------------------------------------------


async def test_a_ping_of_the_server_is_answered() -> None:
    async with running(fixture()) as upstreams:
        assert json.loads(await upstreams.said("f", "ask", {"method": "ping"}))["result"] == {}


async def test_other_requests_of_a_server_are_refused() -> None:
    async with running(fixture()) as upstreams:
        for method in ("sampling/createMessage", "elicitation/create", "roots/list"):
            reply = json.loads(await upstreams.said("f", "ask", {"method": method}))
            assert reply["error"]["code"] == -32601


async def test_requests_of_a_server_can_be_bridged() -> None:
    asked: list[ServerRequest] = []

    async def answer(request: ServerRequest) -> bytes:
        asked.append(request)
        if request.method == "roots/list":
            raise RpcError(INVALID_REQUEST, "no roots", {"why": 1})
        if request.method == "odd":
            raise ValueError("REAL value in it")
        return b'{"action":"accept","x":1.50}'

    async with running(fixture(), on_request=answer) as upstreams:
        arguments = {"method": "elicitation/create", "params": {"message": "?"}}
        reply = json.loads(await upstreams.said("f", "ask", arguments, context="the call"))
        assert reply["result"] == {"action": "accept", "x": 1.5}
        assert (asked[0].upstream, asked[0].method, asked[0].contexts) == ("f", "elicitation/create", ("the call",))
        assert json.loads(asked[0].params) == {"message": "?"}
        reply = json.loads(await upstreams.said("f", "ask", {"method": "roots/list"}))
        assert reply["error"] == {"code": INVALID_REQUEST, "message": "no roots", "data": {"why": 1}}
        reply = json.loads(await upstreams.said("f", "ask", {"method": "odd"}))
        assert reply["error"] == {"code": -32603, "message": "the gateway could not answer this request"}


async def test_notifications_of_a_server_reach_the_hook() -> None:
    notes: list[Notification] = []
    async with running(fixture(), on_notification=notes.append) as upstreams:
        log_message = {"level": "info", "data": {"x": 1}}
        arguments = {"method": "notifications/message", "params": log_message}
        await upstreams.said("f", "notify", arguments, context="the call")
        await upstreams.said("f", "notify", {"method": "notifications/resources/updated", "params": {"uri": "u"}})
    assert [(note.method, json.loads(note.params), note.contexts) for note in notes] == [
        ("notifications/message", log_message, ("the call",)),
        ("notifications/resources/updated", {"uri": "u"}, ()),
    ]


async def test_other_methods_pass_and_their_errors_too() -> None:
    async with running(fixture()) as upstreams:
        read = json.loads(await upstreams.request("f", "resources/read", b'{"uri":"made://up/one"}'))
        assert read["contents"][0]["text"] == "what is in made://up/one"
        with pytest.raises(UpstreamRefused) as caught:
            await upstreams.request("f", "completion/complete", b"{}")
        assert caught.value.code == -32601


async def _received(upstreams: Running) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = json.loads(await upstreams.said("f", "received"))
    return messages


def _tool(message: dict[str, Any]) -> str | None:
    name: str | None = message.get("params", {}).get("name")
    return name
