"""A whole Portero for the gateway's tests: a real log, a real upstream, the endpoint on a loopback port."""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx

from handlers.background import Background
from handlers.core import Core
from handlers.decisions import Decisions
from handlers.execution import Executions
from handlers.expiry import Expiry
from handlers.notification import Notifications
from handlers.requests import Requests
from handlers.running import Runner
from portero.domain.ids import CallId, ReplicaId
from portero.domain.policy import ConfigPolicy
from portero.domain.replacement import Replacer
from portero.domain.values import Action, Actor
from portero.gateway.asgi import Gateway, create_asgi
from portero.gateway.auth import Credential, token_digest
from portero.gateway.options import Options
from portero.gateway.serve import HttpServer, Listen, open_socket
from portero.gateway.services import Readiness, Services
from portero.gateway.taskids import parse_task_id
from portero.log import Follower, Log, Timers, WorkQueue, open_log
from portero.settings import UpstreamConfig
from portero.telemetry import Sample, UpstreamSample
from portero.upstream import Upstreams
from projections import View

UPSTREAM = Path(__file__).parent / "upstream_server.py"
ADMIN = Actor("cli", "admin", "Ada")
MODERN = "2026-07-28"
META = "io.modelcontextprotocol/"
TASKS = {"extensions": {META + "tasks": {}}}

POLICIES = {
    "fixture/effect": Action.ASK,
    "fixture/shout": Action.ASK,
    "fixture/fail": Action.ALLOW,
    "fixture/hidden": Action.DENY,
    "fixture/prompt:hidden": Action.DENY,
    "fixture/resource:made://asked": Action.ASK,
    "fixture/resource:made://denied": Action.DENY,
}


def fixture(effects: Path, *, name: str = "fixture", **more: Any) -> UpstreamConfig:
    """The made-up upstream. Its tool ``effect`` leaves lines in ``effects``."""
    return UpstreamConfig(name=name, command=sys.executable, args=(str(UPSTREAM), str(effects)), **more)


async def wait_until(condition: Callable[[], bool], description: str, seconds: float = 5.0) -> None:
    async def look() -> None:
        while not condition():  # noqa: ASYNC110 - conditions of other parts have no event
            await asyncio.sleep(0.005)

    try:
        await asyncio.wait_for(look(), seconds)
    except TimeoutError:
        raise AssertionError(f"waited {seconds} s in vain: {description}") from None


@attrs.define
class House:
    """Everything that runs, and how a test looks into it."""

    url: str
    folder: Path
    effects: Path
    core: Core
    view: View
    log: Log
    decisions: Decisions
    upstreams: Upstreams
    gateway: Gateway
    server: HttpServer
    ready: list[str]
    _serving: asyncio.Task[None]

    def client(self, name: str = "default", **headers: str) -> httpx.AsyncClient:
        """An HTTP client of the named Portero client; the server knows any name's token."""
        given = {
            "authorization": f"Bearer token-of-{name}",
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
            **headers,
        }
        return httpx.AsyncClient(base_url=self.url, headers=given, timeout=20)

    def caller(self, name: str = "default", *, modern: bool = False, **more: Any) -> "Caller":
        return Caller(self.client(name), modern, **more)

    async def approve(self, task: str) -> None:
        await self.decisions.approve(self.call_id(task), ADMIN)

    def call_id(self, task: str) -> CallId:
        parsed = parse_task_id(task)
        assert parsed is not None
        return parsed[0]

    def effects_seen(self) -> list[str]:
        return self.effects.read_text().splitlines() if self.effects.exists() else []

    async def stop(self) -> None:
        self.server.stop()
        await self._serving


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

    async def error(self, method: str, params: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """The HTTP status and the error; a result fails the test."""
        response = await self.post(method, params)
        answer = last_message(response)
        assert "error" in answer, answer
        return response.status_code, answer["error"]

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


async def raw(house: House, data: bytes) -> bytes:
    """What the server answers to bytes as they are, until it closes the connection."""
    host, port = house.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


@attrs.define
class AnyName:
    """Credentials of every client a test may make up."""

    names: tuple[str, ...]

    def credentials(self) -> list[Credential]:
        return [Credential(name, token_digest(f"token-of-{name}".encode())) for name in self.names]


NAMES = AnyName(("default", *(f"client{n}" for n in range(1000))))


@asynccontextmanager
async def open_house(
    *,
    options: Options | None = None,
    policies: dict[str, Action] | None = None,
    default: Action = Action.ALLOW,
    upstreams: Callable[[Path], list[UpstreamConfig]] = lambda effects: [fixture(effects)],
    replacer: Replacer | None = None,
    listen: Callable[[Listen], Listen] = lambda listen: listen,
    beside: House | None = None,
) -> AsyncIterator[House]:
    """Starts everything on a store of its own, or as another replica on the one of ``beside``; takes it down again."""
    folder = beside.folder if beside else Path(tempfile.mkdtemp(prefix="portero-"))
    effects = folder / "effects"
    options = options or Options(version="1.2.3", port=0)
    async with AsyncExitStack() as stack:
        if beside is None:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        replica = ReplicaId("r1" if beside is None else "r2")
        log = await stack.enter_async_context(open_log(None, replica, data=folder / "data", fsync="everysec"))
        view = View()
        follower = Follower(log, view.apply, (view.seq, view.entry))
        background = Background()
        stack.push_async_callback(background.stop)
        core = Core(
            log,
            view,
            ConfigPolicy(POLICIES if policies is None else policies, default),
            replacer or Replacer.from_entries([]),
        )
        configs = upstreams(effects)
        ups = Upstreams(configs, replica=log.replica, on_event=lambda *_: None, mask=core.replacer.mask_text)
        runner = Runner(core, ups)
        executions = Executions(core, runner, ups)
        decisions = Decisions(core)
        notifications = Notifications(core, None)
        ready: list[str] = []

        def sample() -> Sample:
            states = tuple(UpstreamSample(s.name, s.state.value, s.failures) for s in ups.status())
            return Sample(not ready, follower.lag, view.seq, len(view.calls.pending()), states)

        services = Services(
            options, core, Requests(core, runner), decisions, ups, lambda: Readiness(tuple(ready)), sample
        )
        gateway = create_asgi(services, NAMES.credentials())
        background.start("follower", follower.run)
        queue = WorkQueue(log, "execution", core.clock)
        background.start("execution", lambda: queue.run(executions.handle))
        background.start("timers", Timers(log, Expiry(core, notifications).wake, core.clock).run)
        await ups.start()
        stack.push_async_callback(ups.stop)
        for config in configs:
            if not config.disabled:
                assert await ups.connected(config.name, 10)
        where = listen(Listen(options.host, options.port, graceful_seconds=5))
        server = HttpServer(gateway.app, where, open_socket(where), before_stop=gateway.begin_stop)
        serving = asyncio.create_task(server.run())
        await wait_until(lambda: server.started or serving.done(), "the server listens")
        house = House(server.url, folder, effects, core, view, log, decisions, ups, gateway, server, ready, serving)
        stack.push_async_callback(house.stop)
        yield house
