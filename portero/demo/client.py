"""The demo's AI client: the MCP SDK's own, over HTTP, and what it makes of an answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any

import attrs
import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from portero.cli.output import complain
from portero.demo.instance import DemoFailed, Instance

READY_SECONDS = 20.0


@attrs.frozen
class Answer:
    """What a client gets for a call: the text of the result, and whether it is an error."""

    text: str
    is_error: bool

    def json(self) -> dict[str, Any]:
        value = json.loads(self.text)
        if not isinstance(value, dict):
            raise DemoFailed(f"The client expected an object and got {self.text}")
        return value


@attrs.frozen
class DemoClient:
    client: Client

    async def call(self, tool: str, **arguments: Any) -> Answer:
        try:
            result = await self.client.call_tool(tool, arguments)
        except MCPError as error:
            return Answer(error.message, is_error=True)
        texts = [getattr(block, "text", "") for block in result.content]
        return Answer("\n".join(texts), is_error=bool(result.is_error))

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self.client.list_tools()).tools]


async def wait_until_ready(instance: Instance) -> None:
    """Waits until the gateway answers; shows what it printed when it ends or takes too long."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS):
                while instance.gateway.poll() is None:
                    with suppress(httpx2.TransportError):  # it does not listen yet
                        if (await http.get(f"http://127.0.0.1:{instance.port}/ready")).status_code == HTTPStatus.OK:
                            return
                    await asyncio.sleep(0.05)
    complain(*instance.gateway_output().splitlines())
    raise DemoFailed("The demo's gateway did not start; above is what it printed. `portero doctor` may know why.")


@asynccontextmanager
async def connected(instance: Instance) -> AsyncIterator[DemoClient]:
    """A client that has shaken hands and sees the office's tools."""
    async with httpx2.AsyncClient(
        headers={"Authorization": f"Bearer {instance.token}"}, trust_env=False, timeout=30
    ) as http:
        transport = streamable_http_client(instance.url, http_client=http)
        async with Client(transport, cache=None) as client:
            demo = DemoClient(client)
            async with asyncio.timeout(READY_SECONDS):
                while "office/send_mail" not in await demo.tools():  # noqa: ASYNC110 - the news is on the other side
                    await asyncio.sleep(0.05)
            yield demo
