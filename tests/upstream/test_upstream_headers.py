"""The headers of requests to remote servers: whose they are, what of a request they repeat, and what they never do."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.upstream.remote import TOKEN, remote
from tests.upstream.running import running

ERAS = [("legacy", "2025-11-25"), ("modern", "2026-07-28")]


@pytest.mark.parametrize(("era", "protocol"), ERAS)
async def test_only_the_configured_headers_travel(era: str, protocol: str) -> None:
    async with remote("--era", era) as server, running(server.config()) as upstreams:
        meta = {"authorization": "Bearer of-the-client"}
        await upstreams.request("h", "tools/call", _params("echo", {"text": "x"}, {"_meta": meta}))
        (call,) = [one for one in await server.asked() if one["message"].get("method") == "tools/call"]
        headers = call["headers"]
        assert (headers["authorization"], headers["x-own"]) == (TOKEN, "static")
        assert headers["mcp-protocol-version"] == protocol
        assert ("mcp-session-id" in headers) == (era == "legacy")
        assert headers.get("mcp-method") == ("tools/call" if era == "modern" else None)
        assert headers.get("mcp-name") == ("echo" if era == "modern" else None)


async def test_arguments_that_a_modern_tool_wants_in_headers_are_there(tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "text": {"type": "string"},
        },
    }
    file = tmp_path / "tools.json"
    file.write_text(json.dumps([{"name": "echo", "inputSchema": schema}, {"name": "received", "inputSchema": {}}]))
    async with remote("--era", "modern", "--definitions", str(file)) as server, running(server.config()) as upstreams:
        await upstreams.said("h", "echo", {"text": "x", "region": "Zürich"})
        (call,) = [one for one in await server.asked() if one["message"].get("method") == "tools/call"]
        assert call["headers"]["mcp-param-region"] == "=?base64?WsO8cmljaA==?="
        await upstreams.request("h", "resources/read", b'{"uri":"made://up/one"}')
        assert (await server.asked())[-1]["headers"]["mcp-name"] == "made://up/one"


async def test_the_header_with_the_name_is_not_taken_from_what_a_client_says_beside() -> None:
    async with remote("--era", "modern") as server, running(server.config()) as upstreams:
        for more in ({"taskId": "other"}, {"uri": 7}, {"taskId": []}):
            await upstreams.request("h", "tools/call", _params("echo", {"text": "x"}, more))
            assert (await server.asked())[-1]["headers"]["mcp-name"] == "echo"


async def test_a_tool_whose_headers_break_the_rules_is_left_out_and_said(tmp_path: Path) -> None:
    def defined(name: str, header: object) -> dict[str, Any]:
        return {
            "name": name,
            "inputSchema": {"type": "object", "properties": {"a": {"type": "string", "x-mcp-header": header}}},
        }

    file = tmp_path / "tools.json"
    file.write_text(json.dumps([defined("good", "A"), defined("bad", "a b"), defined("worse", 7)]))
    async with remote("--era", "modern", "--definitions", str(file)) as server, running(server.config()) as upstreams:
        assert [tool.name for tool in upstreams.catalogue.tools] == ["good"]
        bad, worse = upstreams.of("h").dropped
        assert bad.startswith("bad: what it says of headers breaks the protocol's rules")
        assert worse.startswith("worse: ")


def _params(tool: str, arguments: dict[str, Any], more: dict[str, Any] | None = None) -> bytes:
    return json.dumps({"name": tool, "arguments": arguments, **(more or {})}).encode()
