"""A client of the endpoint that speaks JSON-RPC by hand, in either era."""

import json
from typing import Any

import attrs
import httpx

MODERN = "2026-07-28"
META = "io.modelcontextprotocol/"
TASKS = {"extensions": {META + "tasks": {}}}


@attrs.define
class Caller:
    """Speaks JSON-RPC to the endpoint, in one of the eras."""

    http: httpx.AsyncClient
    modern: bool
    capabilities: dict[str, Any] = attrs.field(factory=dict)
    path: str = "/mcp"
    _ids: int = 0

    async def __aenter__(self) -> "Caller":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    def message(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        self._ids += 1
        params = dict(params or {})
        if self.modern:
            meta = {
                META + "protocolVersion": MODERN,
                META + "clientInfo": {"name": "tests", "version": "1"},
                META + "clientCapabilities": self.capabilities,
            }
            params["_meta"] = {**meta, **params.get("_meta", {})}
        return {"jsonrpc": "2.0", "id": self._ids, "method": method, **({"params": params} if params else {})}

    def headers(self, method: str, params: dict[str, Any] | None = None) -> dict[str, str]:
        if not self.modern:
            return {"mcp-protocol-version": "2025-11-25"}
        headers = {"mcp-protocol-version": MODERN, "mcp-method": method}
        for member in ("name", "uri", "taskId"):
            if member in (params or {}):
                headers["mcp-name"] = params[member]  # type: ignore[index]
        return headers

    async def post(self, method: str, params: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        message = self.message(method, params)
        return await self.http.post(self.path, json=message, headers={**self.headers(method, params), **headers})

    async def rpc(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result; an error fails the test."""
        response = await self.post(method, params)
        answer = last_message(response)
        assert "result" in answer, answer
        assert answer["id"] == self._ids
        return answer["result"]

    async def ended(self, task: str, *, past: tuple[str, ...] = ("working",)) -> dict[str, Any]:
        """The task when it is past these states; the extension has no waiting, so this asks again and again."""
        for _ in range(1_000):
            found = await self.rpc("tasks/get", {"taskId": task})
            if found["status"] not in past:
                return found
        raise AssertionError(f"task {task} is not past {past}")

    async def error(self, method: str, params: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """The HTTP status and the error; a result fails the test."""
        response = await self.post(method, params)
        answer = last_message(response)
        assert "error" in answer, answer
        return response.status_code, answer["error"]

    async def told(self, name: str, **arguments: Any) -> list[dict[str, Any]]:
        """The log messages that come with a tool's answer."""
        response = await self.post("tools/call", {"name": name, "arguments": arguments})
        return [message for message in messages(response) if message.get("method") == "notifications/message"]

    async def tool(self, name: str, **arguments: Any) -> dict[str, Any]:
        return await self.rpc("tools/call", {"name": name, "arguments": arguments})

    async def document(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The JSON in the one text item of a tool's result."""
        return document(await self.tool(name, **arguments))


def document(result: dict[str, Any]) -> dict[str, Any]:
    (item,) = result["content"]
    assert item["type"] == "text"
    loaded = json.loads(item["text"])
    assert isinstance(loaded, dict)
    return loaded


def messages(response: httpx.Response) -> list[dict[str, Any]]:
    """Every JSON-RPC message of an answer, plain or streamed."""
    if response.headers["content-type"].startswith("text/event-stream"):
        lines = response.text.splitlines()
        return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    return [response.json()]


def last_message(response: httpx.Response) -> dict[str, Any]:
    return messages(response)[-1]
