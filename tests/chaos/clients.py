"""MCP clients of both eras, as bare as they can be: what they send and what they get is written down."""

import json
from typing import Any

import httpx

from tests.system.place import TOKEN, last

MODERN = "2026-07-28"
META = "io.modelcontextprotocol/"
TASKS: dict[str, Any] = {"extensions": {META + "tasks": {}}}
NAMES = {"tools/call": "name", "tasks/get": "taskId", "tasks/cancel": "taskId"}


class Clients:
    """The clients of one address. Raises httpx.TransportError when no answer comes."""

    def __init__(self, url: str, *, timeout: float) -> None:
        headers = {"authorization": f"Bearer {TOKEN}", "accept": "application/json, text/event-stream"}
        self.http = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout)
        self._last_id = 0

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    async def legacy(self, method: str, params: dict[str, Any], identity: int | None = None) -> dict[str, Any]:
        message = {"jsonrpc": "2.0", "id": identity or self.next_id(), "method": method, "params": params}
        return answered(await self._post(message, {"mcp-protocol-version": "2025-11-25"}))

    async def cancel_legacy(self, identity: int) -> None:
        """The notification that calls off a request of the older era."""
        message = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": identity}}
        await self._post(message, {"mcp-protocol-version": "2025-11-25"})

    async def modern(self, method: str, params: dict[str, Any], *, tasks: bool = False) -> dict[str, Any]:
        meta = {META + "protocolVersion": MODERN, META + "clientCapabilities": TASKS if tasks else {}}
        message = {"jsonrpc": "2.0", "id": self.next_id(), "method": method, "params": {**params, "_meta": meta}}
        headers = {"mcp-protocol-version": MODERN, "mcp-method": method, "mcp-name": params[NAMES[method]]}
        return answered(await self._post(message, headers))

    async def close(self) -> None:
        await self.http.aclose()

    async def _post(self, message: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
        headers = {**headers, "content-type": "application/json"}
        return await self.http.post("/mcp", content=json.dumps(message), headers=headers)


def answered(response: httpx.Response) -> dict[str, Any]:
    """The JSON-RPC answer; where it is none, what came instead, as an error that nobody would send."""
    try:
        return last(response)
    except (ValueError, IndexError):
        return {"error": {"code": 0, "message": f"HTTP {response.status_code}: {response.text[:300]!r}"}}
