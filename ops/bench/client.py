"""The load, in a process of its own so that measuring takes nothing from what is measured.

``python -m ops.bench.client`` with a target on the command line prints ``ready`` after some warm-up calls, waits for a
line on stdin, calls for so many seconds, and prints one line of JSON: ``Load``. Each of the N in flight has its own
connection and keeps one call on it; all connections count their JSON-RPC ids from the same number, so an answer that
went to the wrong caller shows by its text. Every answer is checked.
"""

import argparse
import asyncio
import sys
import time
from typing import cast

import attrs
import httptools
import msgspec
import uvloop

FIRST_ID = 10_000_000
MODERN = "2026-07-28"
PREFIX = "io.modelcontextprotocol/"


@attrs.frozen
class Load:
    """``seconds`` of calling; ``p50`` and ``p99`` in ms; ``wrong``: up to five answers that are not right."""

    calls: int
    seconds: float
    p50: float
    p99: float
    wrong: list[str]


class Content(msgspec.Struct):
    text: str


class Result(msgspec.Struct):
    content: list[Content]
    isError: bool = False  # noqa: N815 - the protocol's own name


class Answer(msgspec.Struct):
    id: int
    result: Result | None = None


decoder = msgspec.json.Decoder(Answer)


def call(number: int, text: str, tool: str) -> bytes:
    """The request's body, as a client of the modern era sends it."""
    meta: dict[str, object] = {PREFIX + "protocolVersion": MODERN, PREFIX + "clientCapabilities": {}}
    params = {"name": tool, "arguments": {"text": text}, "_meta": meta}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})


class Caller:
    """One call at a time, again and again, until told to stop; keeps each one's time and every wrong answer."""

    def __init__(self, name: str, tool: str) -> None:
        self.name, self.tool = name, tool
        self.times: list[float] = []
        self.wrong: list[str] = []
        self.count = 0
        self.until = 0.0
        self.done: asyncio.Future[None] | None = None
        # numbers and texts have a fixed width, so one template serves every call
        before, after = call(FIRST_ID, "#" * 16, tool).split(b'"' + b"#" * 16 + b'"')
        self.head, self.tail = before.split(str(FIRST_ID).encode())[0], after
        self.middle = before.split(str(FIRST_ID).encode())[1]

    def body(self) -> bytes:
        self.text = f"{self.name:>5}-{self.count:010d}"
        return b'%s%d%s"%s"%s' % (self.head, FIRST_ID + self.count, self.middle, self.text.encode(), self.tail)

    def send(self) -> None:
        self.sent = time.perf_counter()
        self.write(self.body())

    def write(self, body: bytes) -> None:
        raise AssertionError("said by the kind of caller")

    def answered(self, body: bytes) -> None:
        now = time.perf_counter()
        self.times.append(now - self.sent)
        self.check(body)
        self.count += 1
        if now < self.until:
            self.send()
        elif self.done and not self.done.done():
            self.done.set_result(None)

    def check(self, body: bytes) -> None:
        try:
            answer = decoder.decode(body)
        except msgspec.DecodeError as error:
            self.wrong.append(f"{error}: {body[:300]!r}")
            return
        result = answer.result
        if answer.id != FIRST_ID + self.count or not result or result.isError or result.content[0].text != self.text:
            self.wrong.append(f"wanted {FIRST_ID + self.count} {self.text!r}, got {body[:300]!r}")

    async def run(self, seconds: float) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self.until = time.perf_counter() + seconds
        self.send()
        await self.done


class HttpCaller(Caller, asyncio.Protocol):
    """A keep-alive connection to an MCP endpoint. Takes JSON answers, and event streams with one message."""

    def __init__(self, name: str, tool: str, path: str, host: str, token: str) -> None:
        super().__init__(name, tool)
        lines = [
            f"POST {path} HTTP/1.1",
            f"Host: {host}",
            f"Authorization: Bearer {token}",
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            f"MCP-Protocol-Version: {MODERN}",
            "Mcp-Method: tools/call",
            f"Mcp-Name: {tool}",
            f"Content-Length: {len(self.body())}",
        ]
        self.headers = "\r\n".join([*lines, "", ""]).encode()
        self.parser = httptools.HttpResponseParser(self)
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.done and not self.done.done():
            self.done.set_exception(ConnectionError(f"the connection was cut after {self.count} calls"))

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.received += body

    def on_message_complete(self) -> None:
        body, self.received = self.received, b""
        self.parser = httptools.HttpResponseParser(self)
        if body.startswith((b"event:", b"data:", b":")):
            body = next((line[5:] for line in body.splitlines() if line.startswith(b"data:")), body)
        self.answered(body)

    def write(self, body: bytes) -> None:
        self.transport.write(self.headers + body)


class PipeCaller(Caller):
    """A share of one pipe to an upstream: the caller's number is in the id, as a pipe is shared by all."""

    def __init__(self, name: str, tool: str, pipe: "Pipe") -> None:
        super().__init__(name, tool)
        self.pipe = pipe

    def write(self, body: bytes) -> None:
        own = self.pipe.next(self)
        self.pipe.transport.write(body.replace(b'"id":%d' % (FIRST_ID + self.count), b'"id":%d' % own) + b"\n")

    def check(self, body: bytes) -> None:
        answer = decoder.decode(body)
        if not answer.result or answer.result.content[0].text != self.text:
            self.wrong.append(f"wanted {self.text!r}, got {body[:300]!r}")


class Pipe(asyncio.SubprocessProtocol):
    """An upstream of our own at the other end of stdin and stdout."""

    def __init__(self) -> None:
        self.waiting: dict[int, PipeCaller] = {}
        self.last = 0
        self.rest = b""
        self.transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.process = cast("asyncio.SubprocessTransport", transport)
        self.transport = cast("asyncio.WriteTransport", self.process.get_pipe_transport(0))

    def next(self, caller: PipeCaller) -> int:
        self.last += 1
        self.waiting[self.last] = caller
        return self.last

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.waiting.pop(decoder.decode(line).id).answered(line)


async def callers(arguments: argparse.Namespace) -> list[Caller]:
    loop = asyncio.get_running_loop()
    names = [f"c{number:02d}" for number in range(arguments.inflight)]
    if arguments.command:
        _, pipe = await loop.subprocess_exec(Pipe, *arguments.command, stderr=None)
        return [PipeCaller(name, arguments.tool, pipe) for name in names]
    host, _, path = arguments.url.removeprefix("http://").partition("/")
    address, _, port = host.partition(":")
    made = [HttpCaller(name, arguments.tool, f"/{path}", host, arguments.token) for name in names]
    for caller in made:
        await loop.create_connection(lambda caller=caller: caller, address, int(port))  # type: ignore[misc]  # mypy cannot type the bound default
    return list(made)


async def load(arguments: argparse.Namespace) -> Load:
    found = await callers(arguments)
    await asyncio.gather(*(caller.run(arguments.warmup) for caller in found))
    for caller in found:
        caller.times.clear()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    start = time.perf_counter()
    await asyncio.gather(*(caller.run(arguments.seconds) for caller in found))
    seconds = time.perf_counter() - start
    times = sorted(used * 1000 for caller in found for used in caller.times)
    wrong = [text for caller in found for text in caller.wrong]
    return Load(len(times), seconds, times[len(times) // 2], times[len(times) * 99 // 100], wrong[:5])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url")
    parser.add_argument("--token", default="")
    parser.add_argument("--tool", default="echo")
    parser.add_argument("--inflight", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--warmup", type=float, default=0.5)
    parser.add_argument("command", nargs="*", help="an upstream to talk to over stdio, instead of --url")
    print(msgspec.json.encode(attrs.asdict(uvloop.run(load(parser.parse_args())))).decode())


if __name__ == "__main__":
    main()
