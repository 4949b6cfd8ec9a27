"""The upstream behind the conformance runs: what the official suite asks a server for, built on the SDK, both eras.

Run it over stdio, or over HTTP with ``--port``; ``--era legacy`` makes it a server that knows the handshake only.
"""

import argparse
import asyncio
import importlib
from typing import Any

import mcp_types as types
import uvicorn
from asking import Asking, Call
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.runner import serve_loop
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from offered import CHANGING, PROMPTS, RESOURCES, TEMPLATES, prompt, read
from register import TOOLS, definitions
from tasks import TASKS_EXTENSION, Tasks

INVALID_PARAMS = -32602

for module in ("toolbox", "questions", "jobs"):  # they register their tools
    importlib.import_module(module)


def whole(result: dict[str, Any]) -> dict[str, Any]:
    """With the members that the modern era wants; the SDK leaves out what does not belong."""
    return {"resultType": "complete", "ttlMs": 0, "cacheScope": "private", **result}


class Everything:
    """``tools`` and ``prompts`` grow by one each time that a test asks for a change."""

    def __init__(self) -> None:
        self.bus = InMemorySubscriptionBus()
        self.tasks = Tasks()
        self.changes = 0
        server: Server[Any] = Server(
            "everything",
            version="1.0.0",
            on_list_tools=self.list_tools,
            on_call_tool=self.call_tool,
            on_list_resources=self.list_resources,
            on_list_resource_templates=self.list_templates,
            on_read_resource=self.read_resource,
            on_subscribe_resource=self.nothing,
            on_unsubscribe_resource=self.nothing,
            on_list_prompts=self.list_prompts,
            on_get_prompt=self.get_prompt,
            on_completion=self.complete,
            on_set_logging_level=self.nothing,
            on_subscriptions_listen=ListenHandler(self.bus),
        )
        server.extensions[TASKS_EXTENSION] = {}
        server.middleware.append(self.tasks.middleware)
        self.server = server

    async def nothing(self, *_: Any) -> Any:
        return types.EmptyResult()

    # --- lists -----------------------------------------------------------------------------------------------------

    async def list_tools(self, *_: Any) -> Any:
        return whole({"tools": definitions(self.changes)})

    async def list_resources(self, *_: Any) -> Any:
        return whole({"resources": RESOURCES})

    async def list_templates(self, *_: Any) -> Any:
        return whole({"resourceTemplates": TEMPLATES})

    async def list_prompts(self, *_: Any) -> Any:
        return whole(
            {"prompts": [*PROMPTS, *({"name": f"prompt_{n}", "description": "new"} for n in range(self.changes))]}
        )

    # --- use -------------------------------------------------------------------------------------------------------

    async def call_tool(self, ctx: Any, params: types.CallToolRequestParams) -> Any:
        if params.name in CHANGING:
            self.changes += 1
            await CHANGING[params.name](ctx.session, self.bus)
            return whole({"content": [{"type": "text", "text": "changed"}]})
        tool = TOOLS.get(params.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"there is no tool {params.name}")
        call = Call(ctx, params.arguments or {}, self.tasks)
        try:
            return whole(await tool(call))
        except Asking as asking:
            return asking.result

    async def read_resource(self, ctx: Any, params: types.ReadResourceRequestParams) -> Any:
        return whole(read(str(params.uri)))

    async def get_prompt(self, ctx: Any, params: types.GetPromptRequestParams) -> Any:
        try:
            return whole(await prompt(params.name, Call(ctx, params.arguments or {}, self.tasks)))
        except Asking as asking:
            return asking.result

    async def complete(self, ctx: Any, params: types.CompleteRequestParams) -> Any:
        values = [word for word in ("paris", "park", "party") if word.startswith(params.argument.value)]
        return whole({"completion": {"values": values, "total": len(values), "hasMore": False}})


def legacy_only(app: Any) -> Any:
    """The same application as a server that never heard of later versions."""

    async def older(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers") or ())
        if headers.get(b"mcp-protocol-version", b"") > b"2025-11-25":
            body = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"unsupported protocol version"}}'
            kind = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 400, "headers": kind})
            await send({"type": "http.response.body", "body": body})
            return
        await app(scope, receive, send)

    return older


async def over_stdio(server: Server[Any], *, legacy: bool) -> None:
    options = server.create_initialization_options(NotificationOptions(True, True, True))
    async with stdio_server() as (read_stream, write_stream):
        if legacy:
            await serve_loop(server, read_stream, write_stream, lifespan_state={}, init_options=options)
        else:
            await server.run(read_stream, write_stream, options)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--era", choices=["both", "legacy"], default="both")
    parser.add_argument("--port", type=int)
    given = parser.parse_args()
    server = Everything().server
    legacy = given.era == "legacy"
    if given.port is None:
        asyncio.run(over_stdio(server, legacy=legacy))
        return
    app = server.streamable_http_app()
    uvicorn.run(legacy_only(app) if legacy else app, port=given.port, log_level="error")


if __name__ == "__main__":
    main()
