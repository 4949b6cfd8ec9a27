"""Whatever a server says, over a pipe or over HTTP: its own call ends, others are answered rightly, and it goes on."""

import asyncio
import base64
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from portero.settings import UpstreamConfig
from tests.fuzz.effort import effort, once_more
from tests.fuzz.targets import TARGETS
from tests.gateway.house import House, fixture, last_message, open_house

MOUTH = Path(__file__).parent / "mouth.py"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"
STREAM = HEAD.replace(b"application/json", b"text/event-stream")

MESSAGES = [
    b'{"jsonrpc":"2.0","id":<ID>,"result":{"content":[]}}',
    b'{"jsonrpc":"2.0","id":<ID>,"result":{"content":7,"isError":[],"structuredContent":null}}',
    b'{"jsonrpc":"2.0","id":<ID>,"result":{"resultType":"input_required","inputRequests":{"a":7},"requestState":{}}}',
    b'{"jsonrpc":"2.0","id":<ID>,"result":{"resultType":"task","taskId":"a","status":"working"}}',
    b'{"jsonrpc":"2.0","id":<ID>,"result":{"_meta":7}}',
    b'{"jsonrpc":"2.0","id":<ID>,"result":' + b"[" * 2000 + b"]" * 2000 + b"}",
    b'{"jsonrpc":"2.0","id":<ID>,"result":{"content":[{"type":"text","text":"\\ud83d"}]}}',
    b'{"jsonrpc":"2.0","id":<ID>,"result":{"content":[{"type":"text","text":"\xff"}]}}',
    b'{"jsonrpc":"2.0","id":<ID>,"error":{"code":1e999,"message":[]}}',
    b'{"jsonrpc":"2.0","id":<ID>,"error":{"code":-32042,"message":"x","data":{"elicitations":7}}}',
    b'{"jsonrpc":"2.0","id":"' + b"9" * 5000 + b'","result":{}}',
    b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":<ID>,"progress":"much"}}',
    b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":<ID>,"progress":1,"message":[]}}',
    b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":7,"data":{}}}',
    b'{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":7}}',
    b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":[]}',
    b'{"jsonrpc":"2.0","id":"a","method":"sampling/createMessage","params":{"messages":7}}',
    b'{"jsonrpc":"2.0","id":"a","method":"elicitation/create","params":[]}',
    b'{"jsonrpc":"2.0","id":9,"method":"roots/list"}\n{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}',
    b"[]",
    b"\x00\r\n\r\n{",
]
ANSWERS = [
    *(HEAD + message for message in MESSAGES),
    *(STREAM + b"data: " + message.replace(b"\n", b"\n\ndata: ") + b"\n\n" for message in MESSAGES),
    HEAD + b'{"jsonrpc":"2.0","id":<ID>,"result"\n:' + b"[" * 2000 + b"]" * 2000 + b"}",
    HEAD.replace(b"\r\n\r\n", b"\r\ncontent-length: 99\r\n\r\n") + b"{}",
    HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n") + b"\x1f\x8bx",
    HEAD.replace(b"\r\n\r\n", b"\r\ntransfer-encoding: chunked\r\n\r\n") + b"zz\r\n",
    HEAD.replace(b"\r\n\r\n", b"\r\nmcp-session-id: \xff\r\n\r\n") + MESSAGES[0],
    b"HTTP/1.1 404 Gone\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 307 There\r\nlocation: http://[::1\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 307 There\r\nlocation: //elsewhere.example/\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 500 Oh\r\n\r\n" + MESSAGES[8],
    b"HTTP/1.1 200 OK\r\ncontent-type: \xff\r\n\r\n" + MESSAGES[0],
    b"HTTP/9.9 999 \xff\r\n\r\n",
    b"",
]
LIKE = [*MESSAGES, *TARGETS["connection"].examples, *TARGETS["result"].examples]


@st.composite
def altered(draw: st.DrawFn, examples: list[bytes]) -> bytes:
    """An example as it is, or with pieces of it or of another cut out, put elsewhere or replaced."""
    data = draw(st.sampled_from(examples))
    for _ in range(draw(st.integers(0, 3))):
        start, end = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
        other = draw(st.sampled_from(examples))
        first, last = sorted((draw(st.integers(0, len(other))), draw(st.integers(0, len(other)))))
        piece = draw(st.sampled_from([b"", other[first:last], b"\n", b'"', b"{", b"null"]) | st.binary(max_size=8))
        data = data[:start] + piece + data[draw(st.sampled_from([start, end])) :]
    return data


@attrs.frozen
class Mouths:
    runner: asyncio.Runner
    house: House
    http: httpx.AsyncClient

    async def _call(self, name: str, **arguments: Any) -> dict[str, Any]:
        message = {"jsonrpc": "2.0", "id": name, "method": "tools/call"}
        body = {**message, "params": {"name": name, "arguments": arguments}}
        response = await self.http.post("/mcp", json=body)
        assert response.status_code == 200, response.text
        found = last_message(response)
        assert found["id"] == name
        assert ("result" in found) != ("error" in found)
        return found

    async def _said(self, mouth: str, data: bytes, end: bool) -> None:
        assert await self.house.upstreams.connected(mouth, 10), "it is connected again after whatever it has said"
        say = self._call(f"{mouth}/say", bytes=base64.b64encode(data).decode(), end=end)
        own, other = await asyncio.gather(say, self._call("fixture/echo", text=f"{len(data)} bytes"))
        assert other["result"]["content"][0]["text"] == f"{len(data)} bytes"
        if "error" in own:
            assert isinstance(own["error"]["code"], int)
            assert isinstance(own["error"]["message"], str)
        else:
            assert isinstance(own["result"], dict)

    def say(self, mouth: str, data: bytes, *, end: bool = False) -> None:
        """Says it, and judges all that comes of it."""
        with structlog.testing.capture_logs() as logs:
            self.runner.run(self._said(mouth, data, end))
        assert [entry for entry in logs if entry["log_level"] in ("error", "critical")] == []


@pytest.fixture(scope="module")
def mouths(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mouths]:
    """A house in a loop of its own: hypothesis runs examples in plain functions."""
    portfile = tmp_path_factory.mktemp("mouth") / "port"
    remote = subprocess.Popen([sys.executable, str(MOUTH), str(portfile)])
    while not portfile.exists():
        time.sleep(0.01)

    def upstreams(effects: Path) -> list[UpstreamConfig]:
        return [
            fixture(effects),
            UpstreamConfig(name="pipe", command=sys.executable, args=(str(MOUTH),), timeout_seconds=2),
            UpstreamConfig(name="remote", url=f"http://127.0.0.1:{portfile.read_text()}/", timeout_seconds=2),
        ]

    with asyncio.Runner() as runner:
        opened = open_house(policies={}, upstreams=upstreams, answer_seconds=0.2)
        house = runner.run(opened.__aenter__())
        headers = {"authorization": "Bearer token-of-default", "accept": "application/json, text/event-stream"}
        http = httpx.AsyncClient(base_url=house.url, headers=headers, timeout=20)
        yield Mouths(runner, house, http)
        runner.run(http.aclose())
        runner.run(opened.__aexit__(None, None, None))
    remote.kill()
    remote.wait()


@pytest.mark.parametrize("message", MESSAGES)
def test_what_a_pipe_may_say(mouths: Mouths, message: bytes) -> None:
    mouths.say("pipe", message)


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_a_remote_server_may_say(mouths: Mouths, answer: bytes) -> None:
    mouths.say("remote", answer)


@effort(100)
@given(altered(LIKE), st.integers(0, 19))
def test_whatever_a_pipe_says(mouths: Mouths, data: bytes, chance: int) -> None:
    once_more("things that a server said over a pipe")
    mouths.say("pipe", data, end=chance == 0)


@effort(100)
@given(altered(ANSWERS))
def test_whatever_a_remote_server_says(mouths: Mouths, data: bytes) -> None:
    once_more("things that a server said over HTTP")
    mouths.say("remote", data)
