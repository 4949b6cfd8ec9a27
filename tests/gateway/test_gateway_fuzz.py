"""Whatever bytes come: a JSON-RPC error with the right status, never a 500, a hang, or an execution."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.house import META, MODERN, House, open_house, raw

QUICK = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))

HEADERS = {
    "authorization": "Bearer token-of-default",
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
}
STATUSES = {200, 202, 400, 404}


@pytest.fixture(scope="module")
def runner() -> Any:
    """A house in a loop of its own: hypothesis runs examples in plain functions."""
    with asyncio.Runner() as runner:
        opened = open_house()
        house = runner.run(opened.__aenter__())
        http = httpx.AsyncClient(base_url=house.url, headers=HEADERS, timeout=10)
        yield runner, house, http
        runner.run(http.aclose())
        runner.run(opened.__aexit__(None, None, None))


def judge(response: httpx.Response, house: House) -> None:
    assert response.status_code in STATUSES, response.text
    if response.status_code == 202:
        assert response.content == b""
        return
    answers = response.json()
    for answer in answers if isinstance(answers, list) else [answers]:
        assert answer["jsonrpc"] == "2.0"
        assert ("error" in answer) != ("result" in answer)
        if "error" in answer:
            assert isinstance(answer["error"]["code"], int)
            assert answer["error"]["code"] != -32603, "an exception of ours"
            assert isinstance(answer["error"]["message"], str)
    assert not house.effects_seen(), "something was executed"


def send(runner: Any, content: bytes, headers: dict[str, Any] | None = None) -> None:
    loop, house, http = runner
    judge(loop.run(http.post("/mcp", content=content, headers=headers or {})), house)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
methods = st.sampled_from(
    [
        "initialize",
        "ping",
        "tools/list",
        "prompts/list",
        "prompts/get",
        "resources/list",
        "resources/read",
        "completion/complete",
        "logging/setLevel",
        "server/discover",
        "tasks/get",
        "tasks/cancel",
        "notifications/cancelled",
        "portero/nothing",
    ]
)
members = st.sampled_from(
    [
        "name",
        "arguments",
        "uri",
        "cursor",
        "taskId",
        "ref",
        "argument",
        "level",
        "_meta",
        "requestId",
        "protocolVersion",
    ]
)


@QUICK
@given(st.binary(max_size=300))
def test_any_bytes(runner: Any, body: bytes) -> None:
    send(runner, body)


@QUICK
@given(json_values)
def test_any_json(runner: Any, body: Any) -> None:
    send(runner, json.dumps(body).encode())


@QUICK
@given(
    st.fixed_dictionaries(
        {"jsonrpc": st.just("2.0")},
        optional={
            "id": json_values,
            "method": methods | st.text() | json_values,
            "params": st.dictionaries(members, json_values, max_size=5) | json_values,
            "result": json_values,
            "error": json_values,
        },
    )
)
def test_almost_messages(runner: Any, body: Any) -> None:
    send(runner, json.dumps(body).encode())


@QUICK
@given(
    methods,
    st.dictionaries(members, json_values, max_size=4),
    st.dictionaries(
        st.sampled_from(["protocolVersion", "clientCapabilities", "clientInfo", "logLevel"]).map(lambda key: META + key)
        | st.sampled_from(["progressToken", "traceparent"]),
        json_values | st.just(MODERN) | st.just({}),
    ),
    st.dictionaries(
        st.sampled_from(["mcp-method", "mcp-name", "mcp-protocol-version", "mcp-param-x", "traceparent"]),
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1) | st.just(MODERN),
    ),
)
def test_modern_messages_with_odd_metadata(
    runner: Any, method: str, params: dict[str, Any], meta: dict[str, Any], headers: dict[str, str]
) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    send(runner, json.dumps(body).encode(), {"mcp-protocol-version": MODERN, "mcp-method": method, **headers})


@QUICK
@given(
    st.sampled_from([f"portero/{tool}" for tool in ("search_tools", "call", "check_task", "list_tasks")]), json_values
)
def test_the_own_tools_take_any_arguments(runner: Any, tool: str, arguments: Any) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    send(runner, json.dumps(body).encode())


@QUICK
@given(st.text() | st.just("fixture/effect ").map(lambda name: name + "\u200b") | st.just("fixture/*"))
def test_no_made_up_name_runs_anything(runner: Any, name: str) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": {}}}
    send(runner, json.dumps(body).encode())


@QUICK
@given(json_values, st.sampled_from(["echo", "raw", "region", "typed"]))
def test_strings_that_are_no_text(runner: Any, value: Any, tool: str) -> None:
    """Half surrogate pairs and control characters, escaped, somewhere in the arguments of a call."""
    text = json.dumps({"v": value, "text": "x"})[:-1] + ',"s":"\\ud800 \\udfff \\u0000"}'
    body = f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"nobody/{tool}","arguments":{text}}}}}'
    send(runner, body.encode())


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"authorization", b"accept", b"content-type", b"host", b"origin", b"mcp-name", b"x-any"]),
            st.binary(max_size=40).map(lambda value: value.replace(b"\r", b"").replace(b"\n", b"")),
        ),
        max_size=5,
    )
)
def test_any_headers(runner: Any, lines: list[tuple[bytes, bytes]]) -> None:
    loop, house, _ = runner
    head = b"".join(name + b": " + value + b"\r\n" for name, value in lines)
    request = b"POST /mcp HTTP/1.1\r\nconnection: close\r\ncontent-length: 2\r\n" + head + b"\r\n{}"
    answer = loop.run(raw(house, request))
    status = int(answer.split(b" ")[1])
    assert 400 <= status < 500, answer
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["jsonrpc"] == "2.0"
