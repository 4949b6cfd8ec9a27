"""What must hold for a connection to a server that says any bytes: its introduction, its lists, its answers."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx2

from portero.domain.replacement import Entry, Replacer
from portero.errors import UpstreamError
from portero.settings import UpstreamConfig
from portero.upstream.offer import merge
from portero.upstream.offer.names import Spelling
from portero.upstream.session.listing import Kind, Listing, list_all
from portero.upstream.session.negotiate import negotiate
from portero.upstream.wire.calls import Call
from portero.upstream.wire.event_streams import EventStreams, TooLong, _Position, read_bounded
from portero.upstream.wire.peer import Peer
from tests.fuzz.target import CUT, Unreadable, parts, reads, target

LOOP = asyncio.new_event_loop()


class Wire:
    """A transport that answers each request with the next of these bytes, and with nothing when there is none left."""

    def __init__(self, answers: list[bytes]) -> None:
        self.peer: Peer
        self._answers = iter(answers)

    def send(self, call: Call, message: bytes) -> None:
        call.sent = True
        answer = next(self._answers, None)
        if answer is None:
            asyncio.get_running_loop().call_soon(self.peer.lost, "it has nothing more to say")
        else:
            whole = answer if answer[:1] == b"!" else b'{"id":%d,"result":%b}' % (call.id, answer)
            asyncio.get_running_loop().call_soon(self.peer.received, whole.removeprefix(b"!"))
            asyncio.get_running_loop().call_soon(self.peer.fail_id, call.id, "that was no answer")

    def post(self, message: bytes) -> None:
        assert json.loads(message)["jsonrpc"] == "2.0"
        assert b"\n" not in message

    def cancel(self, call: Call, reason: str) -> None:
        pass

    def speak(self, protocol: str | None, modern: bool) -> None:
        pass


def in_loop(function: Callable[[], Awaitable[None]]) -> None:
    """An exception in a callback, which nobody awaits, is a find as well."""
    broken: list[dict[str, Any]] = []
    LOOP.set_exception_handler(lambda _, context: broken.append(context))
    LOOP.run_until_complete(asyncio.wait_for(function(), 10))
    assert not broken, broken


@target(
    '{"jsonrpc":"2.0","id":1,"result":{}}\n{"id":2,"result":{"a":1}}',
    '{"id":"2","error":{"code":-1,"message":"x","data":[]}}\n{"id":1,"result":[]}',
    '{"id":"' + "9" * 5000 + '","result":{}}',
    '{"method":"notifications/progress","params":{"progressToken":"' + "1" * 5000 + '"}}',
    '{"method":"notifications/progress","params":{"progressToken":1,"progress":0.5}}',
    '{"id":"\u0662","result":{}}\n{"id":"1","method":"ping"}',
    '{"id":"a","method":"sampling/createMessage","params":{}}\n{"method":"notifications/cancelled","params":{"requestId":"a"}}',
    '[{"id":1,"result":{}},{"id":2,"result":{}},{"method":"x"}]',
    '{"method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}}',
    '{"id":1,"result":{},"error":null}\n{"id":1,"result":{}}',
    b'{"id":2,"result":{"a":"\xff\\ud800"}}',
    "not JSON\n{}",
)
def connection(data: bytes) -> None:
    """Nothing that comes raises, and a call is answered by what bears its id, as it was said, or not at all."""

    async def run() -> None:
        wire = Wire([])
        reports: list[bytes] = []
        wire.peer = peer = Peer("f", wire, on_notification=lambda note: None)
        wire.send = lambda call, message: setattr(call, "sent", True)  # type: ignore[method-assign]
        calls = [asyncio.ensure_future(peer.request("x", b"{}", idle=5, on_progress=reports.append)) for _ in range(2)]
        await asyncio.sleep(0)
        for line in data.split(b"\n"):
            peer.received(line)
        await asyncio.sleep(0)
        peer.lost("it is over")
        answers = await asyncio.gather(*calls, return_exceptions=True)
        for identity, answer in enumerate(answers, 1):
            if isinstance(answer, bytes):
                assert reads(answer) in [message.get("result") for message in said(data, identity)]
            else:
                assert isinstance(answer, UpstreamError)
        for report in reports:
            reads(report)

    in_loop(run)


def said(data: bytes, identity: int) -> Iterator[dict[str, Any]]:
    """The messages with this id, as the standard library reads them: numbers are numbers, texts may be too."""
    for line in data.split(b"\n"):
        try:
            found = reads(repaired(line))
        except Unreadable:
            continue
        for one in found if isinstance(found, list) else [found]:
            members = dict(one[1]) if isinstance(one, tuple) and one[0] == "object" else {}
            if members.get("id") in (("number", f"{identity}"), f"{identity}"):
                yield members


def repaired(line: bytes) -> bytes:
    """Halves of surrogate pairs become replacement characters, as they do for clients."""
    try:
        text = json.dumps(json.loads(line.decode(errors="replace")))
    except (ValueError, RecursionError):
        return line
    return line.decode(errors="replace").encode() if "\\ud" not in text.lower() else _without_halves(line)


def _without_halves(line: bytes) -> bytes:
    from portero.upstream.wire import jsonrpc

    return jsonrpc._LONE_SURROGATE.sub(jsonrpc._repaired, line.decode(errors="replace").encode())


@target(
    CUT.join((b'{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}', b"{}")),
    CUT.join(
        (b'{"supportedVersions":[]}', b'{"protocolVersion":"2025-11-25","serverInfo":{"name":"x","version":"1"}}')
    ),
    CUT.join((b'!{"id":1,"error":{"code":-32022,"message":"x","data":{"supported":["2026-07-28"]}}}', b"{}", b"{}")),
    CUT.join((b'!{"id":1,"error":{"code":-32601,"message":"x"}}', b'{"protocolVersion":"2024-11-05"}')),
    CUT.join((b'{"supportedVersions":["2026-07-28"],"_meta":{"io.modelcontextprotocol/serverInfo":7}}', b"[]")),
    CUT.join((b'{"supportedVersions":["2026-07-28"],"capabilities":' + b"[" * 500 + b"]" * 500 + b"}", b"{}")),
)
def introduction(data: bytes) -> None:
    """However a server introduces itself, it is understood or said to be unusable."""

    async def run() -> None:
        wire = Wire(data.split(CUT))
        wire.peer = Peer("f", wire, on_notification=lambda note: None)
        server, error = None, None
        try:
            server = await negotiate(wire.peer, wire, patience=1)
        except UpstreamError as failed:
            error = failed
        assert (server is None) != (error is None)
        if server is not None:
            for kind in Kind:
                server.offers(kind.capability), server.announces(kind.capability)
        wire.peer.lost("it is over")

    in_loop(run)


TABLE = Replacer.from_entries([Entry("Jane Doe", "Zo\u00eb Quist", bidirectional=True)])
CONFIG = UpstreamConfig(name="f", command="x")
OTHER = UpstreamConfig(name="g", command="x", prefix=False)


@target(
    CUT.join(
        (
            b'{"tools":[{"name":"a","inputSchema":{}}],"nextCursor":"x"}',
            b'{"tools":[{"name":"a"},{"name":7},7,{"name":"Zo\xc3\xab Quist"},{"name":"Zo\xc3\xab Quist"}]}',
        )
    ),
    CUT.join((b'{"tools":[]}', b'{"resources":[{"uri":"x://Zo\xc3\xab Quist"},{"uri":"x://Zo\xc3\xab Quist"}]}')),
    CUT.join(
        (b'{"tools":[]}', b"{}", b'{"resourceTemplates":[{"uriTemplate":"x://{a}"}]}', b'{"prompts":[{"name":"p"}]}')
    ),
    CUT.join((b'{"tools":[],"nextCursor":""}', b'{"tools":null,"nextCursor":7}')),
    CUT.join((b'{"tools":[{"name":"a","name":"b","inputSchema":{"properties":{"r":{"x-mcp-header":"R"}}}}]}', b"{}")),
    CUT.join((b'{"tools":[{"name":"a","annotations":{"readOnlyHint":"yes","title":[]},"outputSchema":null}]}',)),
    CUT.join((b'!{"id":1,"error":{"code":-32601,"message":"x"}}', b'!{"id":2,"error":7}')),
)
def offers(data: bytes) -> None:
    """Whatever a server lists: it is offered whole and under our name, or refused and said, without a real value."""

    async def run() -> None:
        wire = Wire(data.split(CUT))
        wire.peer = peer = Peer("f", wire, on_notification=lambda note: None)
        listing = Listing()
        for kind in Kind:
            try:
                found = await list_all("f", kind, lambda method, params: peer.request(method, params, idle=1))
            except UpstreamError:
                continue
            listing = listing.having(kind, found)
        for name, config in (("f", CONFIG), ("g", OTHER)):
            shown(name, listing, config)
        peer.lost("it is over")

    in_loop(run)


def shown(server: str, listing: Listing, config: UpstreamConfig) -> None:
    sections = [
        merge.section(config, listing, TABLE.mask_text),
        merge.section(OTHER if server == "f" else CONFIG, listing),
    ]
    catalogue = merge.merge(sections, 1)
    merge.warnings(sections[0])
    event = merge.changed(catalogue, server, "r1")  # type: ignore[arg-type]
    for reason in event.dropped:
        assert not any(real in reason for real in ("Zo\u00eb Quist", "Zo\\xeb Quist")), reason
    for item in (*catalogue.tools, *catalogue.prompts):
        for spelling in Spelling:
            _, members = reads(item.listing(spelling))
            _, given = reads(item.definition)
            assert dict(members) == {**dict(given), "name": item.spelled(spelling)}
        assert catalogue.resolve(item.spelled(Spelling.SLASH)) or catalogue.resolve_prompt(item.spelled(Spelling.SLASH))
    for resource in catalogue.resources:
        assert catalogue.owner(resource.uri) == resource.server
    catalogue.search("a")


@target(
    CUT.join((b"\x05\x09", b'id: 1\ndata: {"id":1}\n\n: x\n\nevent: message\ndata: a\ndata: b\n\n')),
    CUT.join((b"\x01", b"retry: 99999999999999999999\nid: \x00\ndata: x\n\n")),
    CUT.join((b"\x01", b"\xef\xbb\xbfdata: x\r\rdata: y\r\n\r\nid\ndata\n\n")),
    CUT.join((b"\x02", b"event: other\ndata: z\n\nretry: -1\nretry: 1e3\ndata: \xff\n\n")),
    CUT.join((b"\x20", b"data: " + b"x" * 2000 + b"\n\n")),
)
def event_stream(data: bytes) -> None:
    """However a stream is cut and whatever is in it: the same events come out, or it is said to be too long."""
    cuts, stream = parts(data, 2)

    def cut(sizes: bytes) -> list[bytes]:
        pieces, at = [], 0
        for size in sizes:
            pieces.append(stream[at : at + size])
            at += size
        return [piece for piece in (*pieces, stream[at:]) if piece]

    async def events(pieces: list[bytes]) -> list[bytes] | str:
        async def body() -> Any:
            for piece in pieces:
                yield piece

        found: list[bytes] = []
        answer = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body())
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(lambda request: answer)) as client:
            streams = EventStreams(client, lambda: "http://x/", 1000)
            async with client.stream("GET", "http://x/") as response:
                try:
                    await streams._events(response, found.append, lambda: False, _Position())
                except TooLong:
                    return "too long"
        return found

    async def run() -> None:
        whole = await events([stream])
        assert await events(cut(cuts)) == whole
        assert await events(cut(b"\x01" * len(stream))) == whole

    in_loop(run)


@target(
    CUT.join((b"gzip", b"\x1f\x8b\x08\x00garbage")),
    CUT.join((b"deflate, gzip", b"x")),
    CUT.join((b"identity", b"x" * 1001)),
    CUT.join((b"\xff", b"x")),
)
def body(data: bytes) -> None:
    """A body is read up to the limit, or refused with an error of the HTTP library or of ours."""
    encoding, content = parts(data, 2)

    async def run() -> None:
        async def pieces() -> Any:
            yield content

        answer = httpx2.Response(200, headers=[(b"content-encoding", encoding)], content=pieces())
        found, error = None, None
        try:
            found = await read_bounded(answer, 1000)
        except (TooLong, httpx2.HTTPError) as failed:
            error = failed
        assert error is not None or (found is not None and len(found) <= 1000)

    in_loop(run)
