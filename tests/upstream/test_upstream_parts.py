"""The small parts of the pipe, by themselves: lines out of chunks, params, messages."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portero.errors import UpstreamError
from portero.upstream.wire import jsonrpc
from portero.upstream.wire.calls import Call
from portero.upstream.wire.lines import Lines
from portero.upstream.wire.params import OURS, with_meta, without_progress_token
from portero.upstream.wire.peer import Peer

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)
OBJECTS = st.dictionaries(TEXTS | st.sampled_from(["_meta", "name", "arguments"]), JSON, max_size=5)


@given(st.lists(st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"")), max_size=20), st.data())
def test_lines_come_whole_however_they_are_cut(lines: list[bytes], data: Any) -> None:
    got: list[bytes] = []
    long: list[int] = []
    feeder = Lines(20, got.append, lambda head, tail, size: long.append(size))
    stream = b"\n".join(lines)
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        feeder.feed(stream[:cut])
        stream = stream[cut:]
    feeder.end()
    assert got == [line for line in lines if 0 < len(line) <= 20]
    assert long == [len(line) for line in lines if len(line) > 20]


def test_of_a_line_that_is_too_long_only_the_edges_are_kept() -> None:
    found: list[tuple[bytes, bytes, int]] = []
    feeder = Lines(1000, lambda line: None, lambda *edges: found.append(edges))
    feeder.feed(b"begin")
    for _ in range(1000):
        feeder.feed(b"x" * 100)
        assert feeder._size < 1100 or not feeder._parts
    feeder.feed(b"end\nnext\n")
    ((head, tail, size),) = found
    assert head.startswith(b"beginxxx")
    assert tail.endswith(b"xxxend")
    assert (len(head), len(tail), size) == (256, 256, 100_008)


@given(OBJECTS, OBJECTS, st.booleans(), st.booleans())
def test_params_keep_everything_but_what_is_ours_to_say(
    params: dict[str, Any], meta: dict[str, Any], compact: bool, ascii_only: bool
) -> None:
    theirs = meta | {"progressToken": "theirs", "io.modelcontextprotocol/clientInfo": {}}
    given_params = params | {"_meta": theirs}
    separators = (",", ":") if compact else (", ", ": ")
    text = json.dumps(given_params, separators=separators, ensure_ascii=ascii_only).encode()
    result = json.loads(with_meta(text, b'"progressToken":7'))
    kept = {key: value for key, value in theirs.items() if key not in OURS}
    assert result == given_params | {"_meta": kept | {"progressToken": 7}}


@pytest.mark.parametrize(
    ("params", "result"),
    [
        (b"", {"_meta": {"t": 1}}),
        (b"{}", {"_meta": {"t": 1}}),
        (b'{"a":1}', {"a": 1, "_meta": {"t": 1}}),
        (b' { "a" : 1 } ', {"a": 1, "_meta": {"t": 1}}),
        (b'{"_meta":null,"a":1}', {"a": 1, "_meta": {"t": 1}}),
        (b'{"\\u005fmeta":{"progressToken":9,"k":2}}', {"_meta": {"k": 2, "t": 1}}),
        (b'{"a":"_meta\\""}', {"a": '_meta"', "_meta": {"t": 1}}),
    ],
)
def test_meta_goes_into_params_of_any_shape(params: bytes, result: dict[str, Any]) -> None:
    merged = with_meta(params, b'"t":1')
    assert json.loads(merged) == result
    assert merged.count(b"_meta") == json.dumps(result).count("_meta")


def test_without_anything_to_say_params_stay_as_they_are() -> None:
    assert with_meta(b'{"a": 1.50}', b"") == b'{"a": 1.50}'
    assert json.loads(with_meta(b'{"_meta":{"progressToken":1}}', b"")) == {}


def test_a_report_of_progress_loses_our_token_only() -> None:
    params = b'{"progressToken":7,"progress":1.50,"x":[1]}'
    assert without_progress_token(params) == b'{"progress":1.50,"x":[1]}'


@given(OBJECTS)
def test_results_pass_through_the_envelope_unchanged(result: dict[str, Any]) -> None:
    text = json.dumps(result)
    (message,) = jsonrpc.decode(b'{"jsonrpc":"2.0","id":1,"result":%b}' % text.encode())
    assert bytes(message.result).decode() == text


@given(st.binary())
def test_anything_is_a_message_or_no_message(data: bytes) -> None:
    with contextlib.suppress(jsonrpc.NotAMessage):
        assert isinstance(jsonrpc.decode(data), list)


def test_batches_are_taken_apart() -> None:
    found = jsonrpc.decode(b'[{"id":1,"result":{}},{"method":"m"}]')
    assert [(message.id, message.method) for message in found if message.method is None] == [(1, None)]
    assert len(found) == 2


def test_bytes_that_are_no_text_do_not_cost_the_answer() -> None:
    (message,) = jsonrpc.decode(b'{"id":1,"result":{"a":"\xff\xfe"}}')
    assert json.loads(bytes(message.result)) == {"a": "��"}


@pytest.mark.parametrize("raw", [b"[]", b'{"code":"x"}', b"7", b'{"code":1,"message":2}'])
def test_an_error_that_is_none_is_an_internal_error(raw: bytes) -> None:
    assert jsonrpc.decode_error(raw)[0] == -32603


def test_deep_nesting_is_no_way_in() -> None:
    with pytest.raises(jsonrpc.NotAMessage):
        jsonrpc.decode(b'{"id":1,"result":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


class Wire:
    """A transport that only remembers."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, call: Call, message: bytes) -> None:
        call.sent = True
        self.sent.append(message)

    def post(self, message: bytes) -> None:
        self.sent.append(message)

    def cancel(self, call: Call, reason: str) -> None:
        self.sent.append(jsonrpc.cancelled(call.id, reason))

    def speak(self, protocol: str | None, modern: bool) -> None:
        pass


@pytest.mark.parametrize("first", ["cancel", "answer"])
async def test_an_answer_in_the_moment_of_a_cancellation_is_not_lost(first: str) -> None:
    late: list[bytes | UpstreamError] = []
    peer = Peer("f", Wire(), on_notification=lambda note: None)
    call = asyncio.create_task(peer.request("tools/call", b"{}", idle=5, on_late=late.append))
    await asyncio.sleep(0)
    if first == "cancel":
        call.cancel()
    peer.received(b'{"id":1,"result":{"n":1}}')
    if first == "answer":
        call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert late == [b'{"n":1}']
    assert peer.in_flight == 0


async def test_nesting_that_can_be_read_once_and_not_again_is_garbage() -> None:
    """How deep msgspec goes depends on how deep it is called."""
    peer = Peer("f", Wire(), on_notification=lambda note: None)
    call = asyncio.create_task(peer.request("tools/call", b"{}", idle=5, on_progress=lambda report: None))
    await asyncio.sleep(0)
    for depth in range(900, 1000):
        nested = b"[" * depth + b"]" * depth
        peer.received(b'{"method":"notifications/progress","params":{"progressToken":1,"x":%b}}' % nested)
        peer.received(b'{"method":"notifications/cancelled","params":{"requestId":1,"x":%b}}' % nested)
    peer.received(b'{"id":1,"result":{}}')
    assert await call == b"{}"


async def test_answers_to_nothing_are_counted_and_harm_nobody() -> None:
    peer = Peer("f", Wire(), on_notification=lambda note: None)
    for data in (b'{"id":99,"result":{}}', b'{"id":"x","result":{}}', b'{"id":1}', b"{}", b'{"id":null,"result":1}'):
        peer.received(data)
    assert peer.garbage == 5


async def test_an_id_that_comes_back_as_text_is_the_same_id() -> None:
    peer = Peer("f", Wire(), on_notification=lambda note: None)
    call = asyncio.create_task(peer.request("tools/call", b"{}", idle=5))
    await asyncio.sleep(0)
    peer.received(b'{"id":"1","result":{"n":1}}')
    assert await call == b'{"n":1}'


@pytest.mark.parametrize("text", ["9" * 5000, "\u0661", "1 ", "+1", "0x1", ""])
async def test_a_text_that_is_none_of_our_ids_is_garbage(text: str) -> None:
    """Python refuses to read a number of more than 4,300 digits; Arabic digits it would take."""
    peer = Peer("f", Wire(), on_notification=lambda note: None)
    reports: list[bytes] = []
    call = asyncio.create_task(peer.request("tools/call", b"{}", idle=5, on_progress=reports.append))
    await asyncio.sleep(0)
    peer.received(json.dumps({"id": text, "result": {}}).encode())
    peer.received(json.dumps({"method": "notifications/progress", "params": {"progressToken": text}}).encode())
    assert (peer.garbage, reports) == (1, [])
    peer.received(b'{"id":1,"result":{"n":1}}')
    assert await call == b'{"n":1}'


async def test_a_null_error_beside_a_result_is_no_error() -> None:
    peer = Peer("f", Wire(), on_notification=lambda note: None)
    call = asyncio.create_task(peer.request("tools/call", b"{}", idle=5))
    await asyncio.sleep(0)
    peer.received(b'{"id":1,"error":null,"result":{"n":1}}')
    assert await call == b'{"n":1}'
