"""What must hold for any bytes that an upstream says."""

from typing import Any

import msgspec

from portero.errors import RpcError
from portero.gateway.exchange.results import Results
from portero.upstream.wire import jsonrpc
from portero.upstream.wire.lines import Lines
from tests.fuzz.target import CUT, Unreadable, outcome, parts, reads, target

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


@target(
    '{"content":[]}',
    '{"resultType":"complete","_meta":{"a":1},"content":[]}',
    '{"resultType":null,"_meta":null}',
    '{"resultType":"input_required","inputRequests":{}}',
    ' { "content" : "resultType" } ',
    "{}",
    '{"_meta":[]}',
    '{"a":{"resultType":1}}',
)
def result(data: bytes) -> None:
    """An upstream's result stays an object, with all its members; only the era's own are added or taken away."""
    try:
        tag, pairs = reads(data)
        _members.decode(data)
    except (Unreadable, TypeError, ValueError, RecursionError):
        return
    if tag != "object":
        return
    members = dict(pairs)
    results = Results("1")
    for modern in (False, True):
        cached = modern and len(data) % 2 == 0
        fitted, error = outcome(RpcError, results.upstream, data, modern=modern, cached=cached)
        if error is not None:
            assert error.code == -32603
            continue
        _, got = reads(fitted)
        own = {"resultType", "ttlMs", "cacheScope", "_meta"}
        kept = {name: value for name, value in members.items() if name not in own}
        assert {name: value for name, value in got if name not in own} == kept


@target(
    '{"jsonrpc":"2.0","id":1,"result":{}}',
    '{"jsonrpc":"2.0","id":"1","result":[],"error":null}',
    '{"id":1,"error":{"code":-1,"message":"\\ud83d","data":"\\ud83d\\ude00"}}',
    '{"method":"notifications/x","params":"\\ud83d"}',
    '[{"id":1,"result":1},{"method":"a"}]',
    b'{"id":1,"result":"\xff\xfe"}',
    '{"id":1,"result":"\\\\ud83d"}',
    '{"id":1.5}',
    "log line",
    b'{"method":"nic[af\x83\x96"}',
)
def upstream_message(data: bytes) -> None:
    """Whatever a server prints is a message or is not; nothing else comes of it."""
    try:
        messages = jsonrpc.decode(data)
    except jsonrpc.NotAMessage:
        return
    for message in messages:
        for raw in (message.params, message.result, message.error):
            if bytes(raw):
                reads(bytes(raw))
        error = jsonrpc.error_of(message)
        assert error is None or isinstance(error[0], int)
    jsonrpc.error_in(data)


@target(CUT.join((b"\x03\x01", b"ab\ncd\n\nef")), CUT.join((b"\x01", b"0123456789" * 40 + b"\nx\n")))
def lines(data: bytes) -> None:
    """However a stream is cut into pieces, the same lines come out; those that are too long are told."""
    cuts, stream = parts(data, 2)

    def fed(pieces: list[bytes]) -> list[Any]:
        found: list[Any] = []
        reader = Lines(300, found.append, lambda head, tail, size: found.append((head, tail, size)))
        for piece in pieces:
            reader.feed(piece)
        reader.end()
        return found

    pieces, at = [], 0
    for size in cuts:
        pieces.append(stream[at : at + size])
        at += size
    assert fed([*pieces, stream[at:]]) == fed([stream])
    assert fed([stream[n : n + 1] for n in range(len(stream))]) == fed([stream])
    whole = [line for line in stream.split(b"\n") if line]
    assert fed([stream]) == [line if len(line) <= 300 else (line[:256], line[-256:], len(line)) for line in whole]
