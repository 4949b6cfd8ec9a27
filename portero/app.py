"""The composition root: builds a Portero from its settings, runs it, and takes it apart in good order."""

import asyncio
import gc
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import attrs
import structlog

from handlers.background import Background
from handlers.core import Core
from handlers.people.decisions import Decisions
from handlers.people.notification import Notifications
from handlers.upkeep.archiving import Archiving, archive_place
from handlers.upkeep.expiry import Expiry
from handlers.upkeep.loading import load_view
from handlers.upkeep.presence import Presence, configured
from handlers.upkeep.snapshots import Snapshots
from handlers.workings import Workings
from portero import telemetry
from portero.domain.ids import ReplicaId
from portero.gateway.asgi import create_asgi
from portero.gateway.http.auth import credentials_of
from portero.gateway.http.serve import HttpServer, Listen, open_socket
from portero.gateway.options import options_of
from portero.gateway.sealing import Sealer
from portero.gateway.services import Services
from portero.gateway.vitals import Vitals
from portero.log import Follower, Log, Timers, WorkQueue, open_log
from portero.settings import Secret, Settings
from portero.telegram.bot import Bot

logger = structlog.get_logger("portero")

DRAIN_SECONDS: Final = 10.0
"""How long calls under way may take when Portero stops; what is left ends as ``outcome-unknown``."""
RECORD_SECONDS: Final = 3.0
"""How long outcomes that are known may take to reach the log then."""
SNAPSHOT_SECONDS: Final = 5.0
"""How long the last snapshot may take; without it the next start reads more of the log."""
WAITING_EXECUTIONS: Final = 64
"""Approved calls that may wait at once for their upstreams to connect; one that has started does not count."""
GC_THRESHOLDS: Final = (20_000, 20, 100)
"""Calls are not meant to leave cycles behind, and the usual thresholds make the collector run in the midst of them.

Not measured by itself: together with drawing random letters in bulk, 299 became 261 to 269 µs a call on a busy machine.
"""


def new_replica_id() -> ReplicaId:
    return ReplicaId(f"{socket.gethostname()[:24]}-{secrets.token_hex(3)}")


@attrs.frozen
class Connected:
    """A process that follows the log: what the command line needs, and what the gateway is built on."""

    core: Core
    follower: Follower
    decisions: Decisions
    background: Background


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Connected]:
    """Opens the log, loads the view and follows. Raises StoreError, DataFolderInUse, ConfigError or LogError."""
    async with open_log(
        settings.redis_url.reveal() if settings.redis_url else None,
        new_replica_id(),
        data=settings.data_dir,
        name=settings.store_name,
        fsync=settings.fsync,
        archive=archive_place(settings.archive),
    ) as log:
        view = await load_view(log)
        follower = Follower(log, view.apply, (view.seq, view.entry))
        background = Background()
        background.start("follower", follower.run)
        core = Core(
            log,
            view,
            settings.policy,
            settings.replacer.salted(log.id),  # all replicas of one log agree on the table's digest
            approval_ms=settings.approval_timeout_ms,
            lease_ms=settings.lease_ms,
            result_seconds=settings.result_retention_ms // 1000,
            retry_lost=settings.retry_read_only,
        )
        try:
            yield Connected(core, follower, Decisions(core), background)
        finally:
            await background.stop()


@attrs.frozen
class Started:
    """What a person is told when the gateway serves."""

    url: str
    replica: ReplicaId


async def serve(
    settings: Settings, token: Secret, *, announce: Callable[[Started], None], command: str = "portero"
) -> None:
    """Runs the gateway until SIGTERM or SIGINT. ``token`` is the one of the client named ``default``.

    ``command`` is what clients are told to have typed for an approval.

    Raises ConfigError, StoreError or LogError before anything is served; ``announce`` is called once it is.
    """
    listen = Listen(settings.host, settings.port, settings.ssl_cert, settings.ssl_key)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sock = open_socket(listen)
    async with AsyncExitStack() as stack:
        stack.callback(sock.close)
        base = await stack.enter_async_context(connected(settings))
        sealer = await Sealer.of(base.core.log)
        gateway = _Gateway(settings, token, base, listen, sock, command=command, sealer=sealer)
        await gateway.run(stop, announce)


class _Gateway:
    """Everything that serves, on top of a connected process."""

    def __init__(
        self,
        settings: Settings,
        token: Secret,
        base: Connected,
        listen: Listen,
        sock: socket.socket,
        *,
        command: str,
        sealer: Sealer,
    ) -> None:
        self._settings, self._base = settings, base
        core = base.core
        self._presence = Presence(core)
        self._workings = Workings(
            core,
            settings.upstreams,
            on_event=self._presence.upstream,
            mask=settings.scrub,
            secrets=settings.secrets,
        )
        self._upstreams, self._runner = self._workings.upstreams, self._workings.runner
        self._executions = self._workings.executions
        self._bot = Bot(core, base.decisions, settings.telegram) if settings.telegram else None
        self._notifications = Notifications(core, self._bot.notifier if self._bot else None)
        self._expiry = Expiry(core, self._notifications, self._workings.holds, self._workings.subscriptions.wake)
        self._timers = Timers(core.log, self._expiry.wake, core.clock)
        self._snapshots = Snapshots(core)
        self._archiving: Archiving | None = None
        if settings.archive is not None and core.log.archive is not None:
            self._archiving = Archiving(core, core.log.archive, settings.archive)
        self._vitals = Vitals(core, base.follower, self._upstreams, self._timers, self._archive_sample)
        services = Services(
            options_of(settings, command),
            core,
            self._workings.requests,
            base.decisions,
            self._workings.subscriptions,
            self._workings.inquiries,
            sealer,
            self._upstreams,
            self._workings.passing,
            self._workings.tending,
            self._workings.returning,
            self._vitals.readiness,
            self._vitals.sample,
        )
        hooks = [self._bot.webhook] if self._bot and self._bot.webhook else []
        gateway = create_asgi(services, credentials_of(settings, token), hooks=hooks)
        self._server = HttpServer(gateway.app, listen, sock, before_stop=gateway.listeners.close)

    async def run(self, stop: asyncio.Event, announce: Callable[[Started], None]) -> None:
        base = self._base
        log = base.core.log
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        await self._presence.started(self._server.url, configured(self._settings, base.core))
        await self._workings.start()
        self._vitals.started()
        self._start_loops(log)
        server = asyncio.create_task(self._server.run(), name="http")
        stopped = asyncio.create_task(stop.wait(), name="stop")
        try:
            while not (self._server.started or server.done()):  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.005)
            if not server.done():
                announce(Started(self._server.url, log.replica))
            await asyncio.wait((server, stopped), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            await self._end(server)

    def _start_loops(self, log: Log) -> None:
        start, clock = self._base.background.start, self._base.core.clock
        start("presence", self._presence.run)
        for name, loop in self._workings.loops.items():
            start(name, loop)
        start("snapshots", self._snapshots.run)
        if self._archiving is not None:
            start("archive", self._archiving.run)
        start("timers", self._timers.run)
        idle_ms = self._base.core.lease_ms  # who is silent for so long has lost its work as well as its calls
        executing = WorkQueue(log, "execution", clock, idle_ms=idle_ms)
        handle, gave_up = self._executions.handle, self._executions.gave_up
        start("execution", lambda: executing.run(handle, concurrency=WAITING_EXECUTIONS, on_give_up=gave_up))
        notifying = WorkQueue(log, "notification", clock, idle_ms=idle_ms)
        start("notification", lambda: notifying.run(self._notifications.handle))
        if self._bot is not None:
            for name, loop in self._bot.loops.items():
                start(name, loop)

    def _archive_sample(self) -> telemetry.ArchiveSample:
        return self._archiving.sample() if self._archiving else telemetry.ArchiveSample(0, overdue=False)

    async def _end(self, server: asyncio.Task[None]) -> None:
        """Readiness off, no new work, calls under way ended, upstreams stopped, and only then the log."""
        self._vitals.stopping = self._runner.stopping = True
        background, ownership = self._base.background, self._workings.ownership
        ownership.stop()
        await background.stop("execution", "notification", "timers")
        self._workings.inquiries.close()
        self._server.stop()
        await asyncio.gather(server, self._executions.drain(DRAIN_SECONDS), ownership.stopped())
        left = await self._runner.drain(RECORD_SECONDS)
        if left:
            logger.warning("calls still running are left as unknown", calls=left)
        await self._upstreams.stop()
        await self._executions.drain(1.0)
        await self._runner.drain(1.0)
        await self._snapshots.save(SNAPSHOT_SECONDS)
        if self._bot is not None:
            await background.stop(*self._bot.loops)
            await self._bot.stop()
        await background.stop("presence", *self._workings.loops, "snapshots", "archive")
        if self._archiving is not None:
            self._archiving.testify()
        await self._presence.stopped("stopped")
