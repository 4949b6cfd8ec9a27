"""A whole Portero for the gateway's tests: a real log, a real upstream, the endpoint on a loopback port."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx

from handlers.background import Background
from handlers.between.returning import Returning
from handlers.calls.inquiries import Inquiries
from handlers.core import Core
from handlers.people.decisions import Decisions
from handlers.people.notification import Notifications
from handlers.resources.subscriptions import Subscriptions
from handlers.upkeep.expiry import Expiry
from handlers.upkeep.presence import Presence
from handlers.workings import Workings
from portero.domain.call import Call
from portero.domain.ids import CallId, ReplicaId
from portero.domain.policy import ConfigPolicy
from portero.domain.replacement import Replacer
from portero.domain.values import Action, Actor
from portero.gateway.asgi import Gateway, create_asgi
from portero.gateway.calls.taskids import parse_task_id
from portero.gateway.http.auth import Credential, token_digest
from portero.gateway.http.serve import HttpServer, Listen, open_socket
from portero.gateway.notices.listeners import Listener
from portero.gateway.options import Options
from portero.gateway.sealing import Sealer
from portero.gateway.services import Readiness, Services
from portero.log import Follower, Log, Timers, WorkQueue, open_log
from portero.settings import UpstreamConfig
from portero.telemetry import Sample, UpstreamSample
from portero.upstream import Limits, Upstreams
from projections import View
from tests.gateway.caller import META, MODERN, TASKS, Caller, document, last_message, messages

__all__ = ["META", "MODERN", "TASKS", "Caller", "House", "document", "last_message", "messages", "open_house"]

UPSTREAM = Path(__file__).parent / "upstream_server.py"
ADMIN = Actor("cli", "admin", "Ada")
QUICK = Limits(first_retry=0.02, longest_retry=0.05, slow_retry=0.2, slowest_retry=0.4, between_lists=0.01, grace=0.5)

POLICIES = {
    "fixture/effect": Action.ASK,
    "fixture/shout": Action.ASK,
    "fixture/fail": Action.ALLOW,
    "fixture/hidden": Action.DENY,
    "fixture/prompt:hidden": Action.DENY,
    "fixture/resource:made://asked": Action.ASK,
    "fixture/resource:made://denied": Action.DENY,
}


def fixture(effects: Path, *, name: str = "fixture", modern: bool = False, **more: Any) -> UpstreamConfig:
    """The made-up upstream. Its tool ``effect`` leaves lines in ``effects``."""
    args = (str(UPSTREAM), str(effects), *(["modern"] if modern else []))
    return UpstreamConfig(name=name, command=sys.executable, args=args, **more)


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
    subscriptions: Subscriptions
    inquiries: Inquiries
    gateway: Gateway
    server: HttpServer
    ready: list[str]
    _background: Background
    _follower: Follower
    _serving: asyncio.Task[None]
    _post: Callable[[], Awaitable[None]]
    returning: Returning

    def client(self, name: str = "default", **headers: str) -> httpx.AsyncClient:
        """An HTTP client of the named Portero client; the server knows any name's token."""
        given = {
            "authorization": f"Bearer token-of-{name}",
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
            **headers,
        }
        return httpx.AsyncClient(base_url=self.url, headers=given, timeout=20)

    def caller(self, name: str = "default", *, modern: bool = False, **more: Any) -> Caller:
        return Caller(self.client(name), modern, **more)

    def streams(self) -> list[Listener]:
        """The open streams of notices."""
        return list(self.gateway.listeners.open)

    async def approve(self, task: str) -> None:
        await self.decisions.approve(self.call_id(task), ADMIN)

    def call_id(self, task: str) -> CallId:
        parsed = parse_task_id(task)
        assert parsed is not None
        return parsed[0]

    def sees(self, call: CallId, condition: Callable[[Call], bool]) -> Callable[[], bool]:
        """Whether this replica's view holds the call by now, and so."""

        def look() -> bool:
            state = self.view.calls.get(call)
            return state is not None and condition(state)

        return look

    def effects_seen(self) -> list[str]:
        return self.effects.read_text().splitlines() if self.effects.exists() else []

    @asynccontextmanager
    async def without_letters(self) -> AsyncIterator[None]:
        """Meanwhile this replica sends and gets none."""
        await self._background.stop("post")
        yield
        self._background.start("post", self._post)

    @asynccontextmanager
    async def behind(self) -> AsyncIterator[None]:
        """Meanwhile this replica sees nothing of what is new on the log."""
        await self._background.stop("follower")
        yield
        self._background.start("follower", self._follower.run)

    async def stop(self) -> None:
        self.inquiries.close()
        self.server.stop()
        await self._serving


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
    answer_seconds: float = 30.0,
    late: Collection[str] = (),
) -> AsyncIterator[House]:
    """Starts everything on a store of its own, or as another replica on the one of ``beside``; takes it down again.

    ``late``: upstreams that are not waited for.
    """
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
        mask = core.replacer.mask_text
        presence, shared = Presence(core), any(config.single for config in configs)
        workings = Workings(
            core,
            configs,
            on_event=presence.upstream if shared else lambda *_: None,
            mask=mask,
            limits=QUICK,
            update_seconds=0.1,
            answer_seconds=answer_seconds,
        )
        ups = workings.upstreams
        decisions = Decisions(core)
        notifications = Notifications(core, None)
        ready: list[str] = []

        def sample() -> Sample:
            states = tuple(UpstreamSample(s.name, s.state.value, s.failures) for s in ups.status())
            return Sample(not ready, follower.lag, view.seq, len(view.calls.pending()), states)

        services = Services(
            options,
            core,
            workings.requests,
            decisions,
            workings.subscriptions,
            workings.inquiries,
            await Sealer.of(log),
            ups,
            workings.passing,
            workings.tending,
            workings.returning,
            lambda: Readiness(tuple(ready)),
            sample,
        )
        gateway = create_asgi(services, NAMES.credentials())
        background.start("follower", follower.run)
        queue = WorkQueue(log, "execution", core.clock)
        background.start("execution", lambda: queue.run(workings.executions.handle))
        expiry = Expiry(core, notifications, workings.runner.holds, workings.subscriptions.wake)
        background.start("timers", Timers(log, expiry.wake, core.clock).run)
        for loop_name, loop in workings.loops.items():
            if loop_name not in {"leases", "subscriptions"}:  # what only matters after a time
                background.start(loop_name, loop)
        if shared:  # replicas that do not run a server learn from the log what it offers
            background.start("presence", presence.run)
        await workings.start()
        stack.push_async_callback(ups.stop)
        stack.push_async_callback(background.stop, *(name for name in workings.loops if name.startswith("owner")))
        for config in configs:
            if not config.disabled and config.name not in late:
                assert await ups.connected(config.name, 10)
        where = listen(Listen(options.host, options.port, graceful_seconds=5))
        server = HttpServer(gateway.app, where, open_socket(where), before_stop=gateway.listeners.close)
        serving = asyncio.create_task(server.run())
        await wait_until(lambda: server.started or serving.done(), "the server listens")
        house = House(
            server.url,
            folder,
            effects,
            core,
            view,
            log,
            decisions,
            ups,
            workings.subscriptions,
            workings.inquiries,
            gateway,
            server,
            ready,
            background,
            follower,
            serving,
            workings.loops["post"],
            workings.returning,
        )
        stack.push_async_callback(house.stop)
        yield house
