"""Hypothesis strategies for requests that are almost right: proper ones of both eras, with a thing or two wrong."""

import json
from typing import Any

import attrs
from hypothesis import strategies as st

from tests.fuzz.victim import FAKE, MAIL, OWNER
from tests.system.place import TOKEN

MODERN = "2026-07-28"
META = "io.modelcontextprotocol/"
TASKS = {"extensions": {META + "tasks": {}}}


@attrs.frozen
class Text:
    """JSON text as it is, right or wrong."""

    bytes: bytes


@attrs.frozen
class Object:
    """An object that may have a member twice."""

    pairs: list[tuple[Any, Any]]


def rendered(value: Any) -> bytes:
    match value:
        case Text():
            return value.bytes
        case Object():
            return b"{%b}" % b",".join(rendered(name) + b":" + rendered(part) for name, part in value.pairs)
        case list():
            return b"[%b]" % b",".join(map(rendered, value))
    return json.dumps(value).encode()


def tree(value: Any) -> Any:
    """The same, with objects whose members can be doubled."""
    if isinstance(value, dict):
        return Object([(name, tree(part)) for name, part in value.items()])
    return [tree(part) for part in value] if isinstance(value, list) else value


# --- proper messages ------------------------------------------------------------------------------------------------

TOOLS = ["fx/do", "fx__do", "fx/danger", "fx/forbidden", "fx/*", "fx/do\u200b", "portero/nothing"]
ARGUMENTS: list[Any] = [
    {"text": f"for {FAKE}"},
    {"text": "x", "place": "here"},
    {},
    {"text": {"a": [1, None, {FAKE: 2.5}]}},
]
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    *(("tools/call", {"name": tool, "arguments": given}) for tool in TOOLS[:4] for given in ARGUMENTS),
    *(("tools/call", {"name": "portero/call", "arguments": {"tool": tool, "args": {"text": FAKE}}}) for tool in TOOLS),
    ("tools/call", {"name": "portero/search_tools", "arguments": {"query": "do something", "category": "email"}}),
    ("tools/call", {"name": "portero/check_task", "arguments": {"task_id": "0123456789abcdef-1", "wait_seconds": 0}}),
    ("tools/call", {"name": "portero/list_tasks", "arguments": {"status": "pending-approval", "limit": 5}}),
    *(("resources/read", {"uri": f"made://{name}"}) for name in ("free", "asked", "denied", "nowhere", FAKE)),
    *(("prompts/get", {"name": f"fx/{name}", "arguments": {"who": FAKE}}) for name in ("free", "asked", "denied")),
    (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "fx/free"}, "argument": {"name": "who", "value": ""}},
    ),
    (
        "completion/complete",
        {"ref": {"type": "ref/resource", "uri": "made://free"}, "argument": {"name": "a", "value": ""}},
    ),
    *((f"{kind}/list", {"cursor": ""}) for kind in ("tools", "prompts", "resources", "resources/templates")),
    ("server/discover", {}),
    ("initialize", {"protocolVersion": "2025-11-25", "capabilities": {"roots": {}}, "clientInfo": {"name": "f"}}),
    ("ping", {}),
    ("logging/setLevel", {"level": "info"}),
    ("tasks/get", {"taskId": "0123456789abcdef-1"}),
    ("tasks/update", {"taskId": "0123456789abcdef-1", "inputResponses": {"a": {"action": "accept"}}}),
    ("tasks/cancel", {"taskId": "0123456789abcdef-1"}),
    ("resources/subscribe", {"uri": "made://free"}),
    ("resources/unsubscribe", {"uri": "made://free"}),
    ("notifications/cancelled", {"requestId": 1, "reason": FAKE}),
    ("notifications/initialized", {}),
    ("portero/nothing", {}),
]
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"} | dict.fromkeys(
    ("tasks/get", "tasks/update", "tasks/cancel"), "taskId"
)
Headers = list[tuple[bytes, bytes]]


def proper(
    method: str, params: dict[str, Any], *, modern: bool, capabilities: Any, version: bytes | None = b"2025-11-25"
) -> tuple[Any, Headers]:
    """The message as a tree, and the headers that go with it; ``version`` is the older era's, None: it is not said."""
    headers = [
        (b"host", b"localhost"),
        (b"authorization", b"Bearer " + TOKEN.encode()),
        (b"accept", b"application/json, text/event-stream"),
        (b"content-type", b"application/json"),
    ]
    if modern:
        meta = {META + "protocolVersion": MODERN, META + "clientCapabilities": capabilities}
        params = {**params, "_meta": {**meta, META + "clientInfo": {"name": "f", "version": "1"}, "progressToken": 7}}
        headers += [(b"mcp-protocol-version", MODERN.encode()), (b"mcp-method", method.encode())]
        if method in NAMED:
            headers.append((b"mcp-name", str(params[NAMED[method]]).encode()))
        if "place" in params.get("arguments", {}):
            headers.append((b"mcp-param-place", str(params["arguments"]["place"]).encode()))
    elif version is not None:
        headers.append((b"mcp-protocol-version", version))
    identity = {} if method.startswith("notifications/") else {"id": 1}
    return tree({"jsonrpc": "2.0", **identity, "method": method, "params": params}), headers


# --- what can be wrong with a value ---------------------------------------------------------------------------------

ODD = [
    *(
        None,
        True,
        False,
        0,
        -1,
        2**53 + 1,
        0.5,
        "",
        " ",
        "fx/do",
        "fx/forbidden",
        FAKE,
        OWNER,
        MAIL,
        "x" * 3000,
        [],
        {},
    ),
    *("fx/*", "*", "../..", "made://denied", MODERN, "2025-03-26", "tools/call", "portero/call", "\u202e", "a\nb"),
    *map(
        Text,
        [
            *(b"1e400", b"-0.0", b"1" * 400, b"NaN", b"Infinity", b"01", b"+1", b".5", b"1.", b"'x'", b"", b"tru"),
            *(rb'"\ud800"', rb'"\udfff\ud800"', rb'"\u0000"', rb'"\x"', b'"\xff"', b'"\xed\xa0\x80"', b'"\x00"'),
            *(b"[" * 400 + b"]" * 400, b"[" * 3000, b'{"a":' * 990 + b"1" + b"}" * 990, b'{"a":1,"a":2}', b'{"a":1,}'),
            *(b"\xef\xbb\xbf1", b"/**/1", b"1 2", rb'"\u002f"', b"{1:2}", b"[1,]"),
        ],
    ),
]
odd_values = st.sampled_from(ODD) | st.text(max_size=5) | st.integers() | st.floats()


def places(value: Any) -> list[tuple[Any, int]]:
    """Every place in a tree: the container and the number of the part in it."""
    match value:
        case Object():
            inner = [(value, number) for number in range(len(value.pairs))]
            return inner + [place for _, part in value.pairs for place in places(part)]
        case list():
            return [(value, number) for number in range(len(value))] + [p for part in value for p in places(part)]
    return []


@st.composite
def altered(draw: st.DrawFn, message: Any) -> Any:
    """With one thing wrong in it."""
    found = places(message)
    if not found:
        return draw(odd_values)
    container, number = draw(st.sampled_from(found))
    how = draw(st.sampled_from(["value", "value", "gone", "doubled", "name", "moved", "unwrapped"]))
    if isinstance(container, list):
        container[number : number + 1] = [] if how == "gone" else [draw(odd_values)]
        return message
    name, value = container.pairs[number]
    if how == "gone":
        del container.pairs[number]
    elif how == "doubled":
        container.pairs.insert(draw(st.integers(0, len(container.pairs))), (name, draw(odd_values)))
    elif how == "name":
        container.pairs[number] = (draw(st.sampled_from([name, "name", "_meta", "id", FAKE, ""]) | odd_values), value)
    elif how == "moved":
        container.pairs.append(container.pairs.pop(number))
    elif how == "unwrapped":
        return value
    else:
        container.pairs[number] = (name, draw(odd_values))
    return message


@st.composite
def altered_bytes(draw: st.DrawFn, body: bytes) -> bytes:
    at = draw(st.integers(0, len(body)))
    how = draw(st.sampled_from(["cut", "put", "mark", "batch", "batches", "blank", "after", "utf16", "byte"]))
    return {
        "cut": body[:at],
        "put": body[:at] + draw(st.binary(min_size=1, max_size=4)) + body[at:],
        "mark": b"\xef\xbb\xbf" + body,
        "batch": b"[%b]" % body,
        "batches": b"[%b,%b,1]" % (body, body),
        "blank": b" \r\n\t" + body + b"\n\n",
        "after": body + draw(st.sampled_from([b"\x00", b"{}", body, b","])),
        "utf16": body.decode("utf-8", "replace").encode("utf-16"),
        "byte": body[:at] + b"\xff" + body[at + 1 :],
    }[how]


# --- what can be wrong with headers ---------------------------------------------------------------------------------

VALUES = [
    *(
        b"",
        b" ",
        b"application/json",
        b"application/json; charset=utf-16",
        b"text/event-stream",
        b"*/*;q=0",
        b"Bearer x",
    ),
    *(
        b"2025-03-26",
        b"2024-11-05",
        MODERN.encode(),
        b"2099-01-01",
        b"fx/do",
        b"fx/forbidden",
        b"tools/call",
        b"tools/list",
    ),
    *(b"=?base64?Zngv?=", b"=?base64?!?=", b"=?utf-8?q?x?=", b"\xff\xfe", b"localhost:1", b"evil.example", b"null"),
    *(b"http://evil.example", b"http://localhost", b"x" * 5000, b"a,b", b"\t1\t", b"Basic eDp5"),
]
NAMES = [
    *(b"host", b"authorization", b"accept", b"content-type", b"mcp-protocol-version", b"mcp-method", b"mcp-name"),
    *(
        b"origin",
        b"mcp-session-id",
        b"mcp-param-place",
        b"mcp-param-other",
        b"traceparent",
        b"last-event-id",
        b"cookie",
    ),
    *(b"content-encoding", b"x-forwarded-for", b"upgrade", b"expect", b"te", b"range"),
]


@st.composite
def altered_headers(draw: st.DrawFn, headers: Headers) -> Headers:
    kept = list(headers)
    how = draw(st.sampled_from(["gone", "doubled", "value", "new", "case"]))
    at = draw(st.integers(0, len(kept) - 1))
    name, value = kept[at]
    if how == "gone":
        del kept[at]
    elif how == "doubled":
        kept.insert(draw(st.integers(0, len(kept))), (name, draw(st.sampled_from([value, *VALUES]))))
    elif how == "value":
        kept[at] = (name, draw(st.sampled_from(VALUES)))
    elif how == "case":
        kept[at] = (name.upper(), value)
    else:
        # "expect: 100-continue" asks for an answer before the body; its value here is never that.
        kept.append((draw(st.sampled_from(NAMES)), draw(st.sampled_from(VALUES))))
    return kept
