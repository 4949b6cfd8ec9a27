"""The server: Bot API over HTTP on loopback, long polling with a kept offset, webhook delivery, faults."""

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import attrs
from aiohttp import web

from tests.telegram.fake_api.errors import ApiError, Fault, Garbage, Hang, conflict
from tests.telegram.fake_api.methods import Methods, Upload
from tests.telegram.fake_api.world import World

TOKEN = "7000001:fake-token-for-tests"


@attrs.frozen
class Request:
    """One call that arrived, for tests to look at. ``refused``: what it was answered, where that was an error."""

    method: str
    parameters: dict[str, Any]
    refused: str | None
    at: float


class FakeApi:
    """``async with FakeApi.running() as api``; ``api.base`` is what TELEGRAM_API_BASE should be."""

    def __init__(self) -> None:
        self.world = World()
        self.methods = Methods(self.world)
        self.requests: list[Request] = []
        self.faults: dict[str, deque[Fault]] = {}
        self.rule: Callable[[str, dict[str, Any]], Fault | None] | None = None
        """Asked for each request when no fault waits for its method."""
        self.impatient: list[str] = []
        """Requests that came to a chat before the time that a 429 had named was over."""
        self.down = False
        """Every connection is cut at once."""
        self._quiet: dict[Any, tuple[float, float]] = {}
        self._poll: asyncio.Future[None] | None = None
        self._runner: web.AppRunner | None = None
        self._delivering: asyncio.Task[None] | None = None
        self.port = 0

    # --- for tests --------------------------------------------------------------------------------------------------

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls) -> AsyncIterator["FakeApi"]:
        api = cls()
        await api.start()
        try:
            yield api
        finally:
            await api.stop()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fail(self, method: str, *faults: Fault) -> None:
        """The next requests of this method meet these faults, one each; ``*`` is every method but getUpdates."""
        self.faults.setdefault(method, deque()).extend(faults)

    def calls(self, method: str) -> list[Request]:
        return [request for request in self.requests if request.method == method]

    def refusals(self) -> list[str]:
        """What was refused for being wrong, and not because a test wanted it."""
        return [f"{request.method}: {request.refused}" for request in self.requests if request.refused is not None]

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = 10.0) -> Any:
        """Waits until the condition gives something true, and returns that."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"not within {seconds} s: {what}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, 0.05)):
                    await self.world.changed.wait()
        return found

    # --- life -------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        app = web.Application(client_max_size=60_000_000)
        app.router.add_route("*", "/bot{token}/{method}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        self._delivering = asyncio.create_task(self._deliver())

    async def stop(self) -> None:
        """Telegram goes away; what it knows stays, and ``start`` brings it back at the same address."""
        if self._delivering is not None:
            self._delivering.cancel()
            await asyncio.wait([self._delivering])
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    # --- requests ---------------------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        given = await _parameters(request)
        if self.down:
            return await _cut(request)
        if request.match_info["token"] != TOKEN:
            return _answer(ApiError(401, "Unauthorized"))
        where = given.get("chat_id", method)
        since, until = self._quiet.get(where, (0.0, 0.0))
        if method != "answerCallbackQuery" and since < time.monotonic() < until:
            self.impatient.append(method)
        fault = self._fault(method, given)
        if isinstance(fault, ApiError) and fault.status == 429:
            now = time.monotonic()  # what was under way when it was said is no disobedience
            self._quiet[where] = (now + 0.3, now + fault.parameters["retry_after"])
        if isinstance(fault, ApiError):
            return _answer(fault)
        if fault is not None and not getattr(fault, "done", False):
            return await self._misbehave(request, fault)
        response = await self._answered(method, given)
        return response if fault is None else await self._misbehave(request, fault)

    async def _answered(self, method: str, given: dict[str, Any]) -> web.Response:
        refused = None
        try:
            result = await self._updates(given) if method == "getUpdates" else self.methods.call(method, given)
            response = web.json_response({"ok": True, "result": result})
        except ApiError as error:
            refused = error.description
            response = _answer(error)
        shown = {name: value for name, value in given.items() if not isinstance(value, Upload)}
        self.requests.append(Request(method, shown, refused, time.monotonic()))
        self.world.touch()
        return response

    def _fault(self, method: str, given: dict[str, Any]) -> Fault | None:
        for name in (method, "*"):
            if self.faults.get(name) and not (name == "*" and method == "getUpdates"):
                return self.faults[name].popleft()
        return self.rule(method, given) if self.rule is not None else None

    async def _misbehave(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if isinstance(fault, Hang):
            await asyncio.sleep(fault.seconds)
            return web.Response(status=504)
        if isinstance(fault, Garbage):
            return web.Response(status=fault.status, text="<html><h1>Bad Gateway</h1></html>", content_type="text/html")
        return await _cut(request)

    # --- updates ----------------------------------------------------------------------------------------------------

    async def _updates(self, given: dict[str, Any]) -> list[dict[str, Any]]:
        """Long polling: an offset confirms what is below it; a second poller ends the first with 409."""
        if self.methods.webhook is not None:
            raise conflict(
                "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
            )
        if self._poll is not None and not self._poll.done():
            self._poll.set_exception(conflict())
            await asyncio.sleep(0)
        mine = self._poll = asyncio.get_running_loop().create_future()
        offset, limit = int(given.get("offset", 0)), int(given.get("limit", 100))
        deadline = time.monotonic() + float(given.get("timeout", 0))
        updates = self.world.updates
        updates[:] = [update for update in updates if update["update_id"] >= offset]
        while True:
            if mine.done():
                mine.result()
            if updates:
                mine.done() or mine.set_result(None)
                return updates[:limit]
            left = deadline - time.monotonic()
            if left <= 0:
                mine.done() or mine.set_result(None)
                return []
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, 0.05)):
                    await self.world.changed.wait()

    async def _deliver(self) -> None:
        """Webhook: each update is posted until it is taken with a 2xx, in order."""
        async with aiohttp.ClientSession() as session:
            while True:
                webhook, updates = self.methods.webhook, self.world.updates
                if webhook is None or not updates:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.05):
                            await self.world.changed.wait()
                    continue
                headers = {"X-Telegram-Bot-Api-Secret-Token": webhook["secret"]} if webhook["secret"] else {}
                try:
                    async with session.post(webhook["url"], json=updates[0], headers=headers) as response:
                        taken = response.status // 100 == 2
                except aiohttp.ClientError:
                    taken = False
                if taken:
                    updates.pop(0)
                    self.world.touch()
                else:
                    await asyncio.sleep(0.05)


async def _parameters(request: web.Request) -> dict[str, Any]:
    given: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        return given | await request.json()
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            given[name] = Upload(value.filename, value.file.read())
        else:
            given[name] = value if isinstance(value, str) else value.decode()
    return given


def _answer(error: ApiError) -> web.Response:
    body = {"ok": False, "error_code": error.status, "description": error.description}
    if error.parameters:
        body["parameters"] = error.parameters
    return web.Response(status=error.status, text=json.dumps(body), content_type="application/json")


async def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    return web.Response(status=500)
