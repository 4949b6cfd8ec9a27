"""What must hold for any bytes that a client sends."""

import json
import re
from types import SimpleNamespace
from typing import Any

import msgspec

from handlers.calls.repeats import refuse_repeats
from portero.domain.ids import ClientId
from portero.errors import Invalid, RpcError
from portero.gateway import wire
from portero.gateway.calls.taskids import parse_task_id
from portero.gateway.exchange import disorder, eras
from portero.gateway.exchange.request import Request
from portero.gateway.http.auth import Clients, Credential, token_digest
from portero.gateway.http.bodies import Accepts, is_json
from portero.gateway.http.origin import Origins
from portero.gateway.offer.pages import Pages
from portero.gateway.sealing import Sealer
from tests.fuzz.target import CUT, Unreadable, outcome, parts, reads, target

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read(data: bytes) -> wire.Message:
    wire.check_text(data)
    return wire.decode(data)


@target(
    '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a"}}',
    ' {"jsonrpc" : "2.0", "id":"\\u0061", "result":{"a":[1,2.5e3,null,true]}}\n',
    '{"jsonrpc":"2.0","id":-1,"error":{"code":1,"message":"x"}}',
    '{"id":1,"id":2,"jsonrpc":"2.0","method":"a","method":"b"}',
    '{"jsonrpc":"2.0","id":1e3,"method":"ping"}',
    '{"id":1,"method":"ping"}',
    '{"jsonrpc":"1.0","id":1,"method":"ping"}',
    '{"jsonrpc":2.0,"id":1,"method":"ping"}',
    '{"jsonrpc":"2.0","id":null,"method":"ping"}',
    '{"jsonrpc":"2.0","id":1,"method":"\\ud800"}',
    '{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}',
    '\ufeff{"jsonrpc":"2.0","id":1,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1,"method":"\xff"}',
    '[{"jsonrpc":"2.0","id":1,"method":"ping"},1,[]]',
    '{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":"ping"}',
    '{"jsonrpc":"2.0","id":-0,"method":"ping","params":[[[[[[[[]]]]]]]]}',
)
def envelope(data: bytes) -> None:
    """A message is taken as any reader of JSON takes it, or refused with a code of JSON-RPC."""
    message, error = outcome(wire.BadMessage, read, data)
    if error is not None:
        assert error.code in (-32700, -32600)
        answer = json.loads(wire.error(error.id, error.code, str(error)))
        assert answer["id"] is None or isinstance(answer["id"], str | int)
        return
    tag, pairs = reads(data)
    members = dict(pairs)
    assert tag == "object"
    assert members["jsonrpc"] == "2.0"
    for name in ("id", "params", "result", "error"):
        raw = getattr(message, name)
        assert (raw is msgspec.UNSET) == (name not in members)
        if raw is not msgspec.UNSET:
            assert reads(bytes(raw)) == members[name]
    if message.method is not msgspec.UNSET:
        assert message.method == members["method"]
    if message.id is not msgspec.UNSET:
        answer = json.loads(wire.result(bytes(message.id), b"{}"))
        assert isinstance(answer["id"], str | int)
    wire.cancelled_request(message)


@target(
    '[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"x"}]',
    "[]",
    "[1,",
    "[[]]",
    '["\\ud800"]',
    " [ 1 , {} ] ",
)
def batch(data: bytes) -> None:
    wire_error = outcome(wire.BadMessage, wire.check_text, data)[1]
    messages, error = outcome(wire.BadMessage, wire.decode_batch, data)
    if error is None and wire_error is None:
        assert [reads(bytes(raw)) for raw in messages] == reads(data)


VERSION = "2026-07-28"


def _modern(method: str, header: str, params: str, more: str = "") -> bytes:
    meta = '{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}%s}'
    return CUT.join(part.encode() for part in (method, VERSION, method, header, params, meta % more))


@target(
    _modern("tools/call", "a/b", '{"name":"a/b"}'),
    _modern("tools/call", "a/b", '{"name":"a\\/b"}'),
    _modern("tools/call", "=?base64?w6k=?=", '{"name":"é"}'),
    _modern("tools/call", "a\\u0062", '{"name":"ab"}'),
    _modern("resources/read", "made://x", '{"uri":"made://x","uri":"made://y"}'),
    _modern("tasks/get", "t", '{"taskId":"t"}'),
    _modern("tools/list", "", "{}", ',"progressToken":1'),
    _modern("prompts/get", "", '{"name":""}'),
    _modern("tools/call", ' "x" ', '{"name":1}'),
)
def modern_headers(data: bytes) -> None:
    """What is recognised as in order by its bytes is in order for the SDK as well."""
    method, version, method_header, name_header, params_text, meta_text = parts(data, 6)
    try:
        params, meta = _members.decode(params_text), _members.decode(meta_text)
        method_text = method.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    headers = {b"mcp-protocol-version": version, b"mcp-method": method_header, b"mcp-name": name_header}
    if not name_header:
        del headers[b"mcp-name"]
    if not eras.is_modern(version):
        return
    quick = eras._in_order(method_text, params, meta, headers)
    _, error = outcome(RpcError, disorder.check, method_text, params, meta, headers)
    assert not (quick and error), str(error)
    assert error is None or error.code in (-32600, -32601, -32602, -32020, -32021, -32022), error.code


@target(
    '{"a":1,"b":{"a":1},"c":[{"a":1},{"a":2}]}',
    '{"a":1,"\\u0061":2}',
    '{"a":{"b":1,"b":1}}',
    '[[{"x":1,"y":2,"x":3}]]',
    "[1e999,-0.0,12345678901234567890]",
    b"\x001",
)
def repeats(data: bytes) -> None:
    """Arguments that mean two things are refused, and no others."""

    def doubled(value: Any) -> bool:
        if isinstance(value, tuple) and value[0] == "object":
            names = [name for name, _ in value[1]]
            return len(names) != len(set(names)) or any(doubled(part) for _, part in value[1])
        return isinstance(value, list) and any(map(doubled, value))

    value, unreadable = outcome(Unreadable, reads, data)
    if unreadable is not None:
        return  # what comes so far is JSON, read once already
    _, error = outcome(Invalid, refuse_repeats, data)
    assert (error is not None) == doubled(value)


LOOPBACK = (b"localhost", b"127.0.0.1", b"::1")


@target(
    CUT.join((b"localhost:8443", b"http://localhost:8443", b"application/json, text/*", b"application/json")),
    CUT.join((b"[::1]", b"null", b"*/*;q=0.1", b"application/json; charset=utf-8")),
    CUT.join((b"LOCALHOST.", b"http://[::1", b"", b"APPLICATION/JSON ;x")),
    CUT.join((b"a@127.0.0.1", b"https://127.0.0.1.evil.example", b"text/*", b"text/plain")),
    CUT.join((b"127.0.0.1:99999999", b"http://127.0.0.1:port/", b"application/*", b"\xff")),
)
def admission(data: bytes) -> None:
    """Nothing in a header raises, and no foreign name passes for ours."""
    host, origin, accept, content_type = parts(data, 4)
    refused = Origins("127.0.0.1").refusal(host, origin or None)
    if refused is None:
        assert any(name in host.lower().translate(None, b"\t\r\n") for name in LOOPBACK), host
        assert not origin or any(name in origin.lower().translate(None, b"\t\r\n") for name in LOOPBACK), origin
    Accepts()(accept)
    is_json(content_type)


SEALER = Sealer(b"of these tests")
CLIENTS = Clients([Credential(ClientId("c"), token_digest(b"token"))])
PAGES = Pages(SEALER, 3)
CURSOR = PAGES.cursor("tools", ClientId("c"), "a/b")


@target(CURSOR, CURSOR[:-1], "MTphL2I", "", "====", "\u00e9", b"\xff", PAGES.cursor("prompts", ClientId("c"), "a/b"))
def cursors(data: bytes) -> None:
    """A cursor is what was made for this client and list, whatever else is refused."""
    found, error = outcome(RpcError, PAGES.read, "tools", ClientId("c"), data.decode("utf-8", "replace"))
    assert found == "a/b" if error is None else error.code == -32602


def _request(params: str) -> str:
    return f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}'


@target(
    _request(
        '{"name":"a","arguments":{"b":1},"_meta":{"progressToken":1,"traceparent":"x","a":[]},"inputResponses":7}'
    ),
    _request('{"name":7,"arguments":[],"_meta":null}'),
    _request('{"name":"\\ud800","arguments":null,"_meta":[]}'),
    _request('{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}'),
    _request("null"),
    _request("7"),
    _request('{"name":"a","name":"b","cursor":{}}'),
    _request('{"arguments":' + "[" * 600 + "]" * 600 + "}"),
)
def params(data: bytes) -> None:
    """What a method reads of a request is of the type that it asks for, or is refused with a code of JSON-RPC."""
    message, error = outcome(wire.BadMessage, read, data)
    if error is not None or message.id is msgspec.UNSET or message.method is msgspec.UNSET:
        return
    inbound: Any = SimpleNamespace(client=ClientId("c"), headers={}, modern=False, session=None)
    request, refused = outcome(RpcError, Request, inbound, message, None)
    if refused is not None:
        assert refused.code in (-32602, -32600, -32020), refused
        return
    for member in ("name", "cursor", "arguments", "a"):
        for ask, kind in ((request.text, str), (request.object, bytes), (request.value, object)):
            found, refused = outcome(RpcError, ask, member)
            assert isinstance(found, kind) if refused is None else refused.code == -32602
    rest = request.rest("name", "arguments")
    assert rest is None or reads(rest)[0] == "object"
    outcome(RpcError, request.trace)


@target("0123456789abcdef-1a", "0123456789ABCDEF", "fu-" + "0" * 32, "-" * 20, "0123456789abcdef-zzzzzzzzzzzzz")
def ids(data: bytes) -> None:
    parsed = parse_task_id(data.decode("utf-8", "replace"))
    if parsed is not None:
        assert re.fullmatch("[0-9a-z]{16}", parsed[0])
        assert parsed[1] >= 0
    assert SEALER.opened("session", ClientId("c"), data.decode("latin-1")) is None
    assert CLIENTS.authenticate(data) is None
    assert CLIENTS.authenticate(b"Bearer " + data) in (None, "c" if data.strip() == b"token" else None)
