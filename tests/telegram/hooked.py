"""Replicas that take webhooks over HTTP, through the gateway's own route, and a relay that adds the secret header."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import aiohttp
from aiohttp import web
from litestar import Litestar

from portero.gateway.http.hooks import Hook, hook_route
from portero.gateway.http.serve import HttpServer, Listen, open_socket
from tests.gateway.house import wait_until


@contextlib.asynccontextmanager
async def serving(hook: Hook) -> AsyncIterator[str]:
    """The hook behind the gateway's server; gives its address."""
    app = Litestar(route_handlers=[hook_route(hook)], openapi_config=None, logging_config=None)
    listen = Listen("127.0.0.1", 0, graceful_seconds=1)
    with open_socket(listen) as sock:
        server = HttpServer(app, listen, sock, before_stop=lambda: None)
        running = asyncio.create_task(server.run())
        await wait_until(lambda: server.started or running.done(), "the server listens")
        try:
            yield server.url + hook.path
        finally:
            server.stop()
            await running


@contextlib.asynccontextmanager
async def relay(target: Callable[[], str], headers: dict[str, str], port: int = 0) -> AsyncIterator[str]:
    """Passes every POST on to ``target()``, with these headers added; gives its own address."""
    async with aiohttp.ClientSession() as session:

        async def take(request: web.Request) -> web.Response:
            try:
                body = await request.read()
                async with session.post(target(), data=body, headers={**request.headers, **headers}) as answer:
                    return web.Response(status=answer.status, body=await answer.read())
            except aiohttp.ClientError:
                return web.Response(status=502)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        finally:
            await runner.cleanup()
