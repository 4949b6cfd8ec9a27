"""All upstreams: one supervised owner each, one catalogue, one way to ask them something."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import structlog

from portero.domain.events import UpstreamConnected, UpstreamEvent, UpstreamLost
from portero.domain.ids import ReplicaId
from portero.errors import UpstreamUnavailable
from portero.settings import UpstreamConfig
from portero.telemetry import UPSTREAM_SECONDS
from portero.upstream.hooks import Notification, OnRequest
from portero.upstream.limits import DEFAULT, Limits
from portero.upstream.offer.catalogue import Catalogue
from portero.upstream.offer.masking import Masks, masker
from portero.upstream.offering import Offering
from portero.upstream.permit import Permit
from portero.upstream.session.eras import Server
from portero.upstream.session.link import Link
from portero.upstream.session.listing import Listing
from portero.upstream.session.reporting import Reporting
from portero.upstream.session.status import State, UpstreamStatus
from portero.upstream.session.supervisor import Supervisor
from portero.upstream.session.watching import can_be_watched
from portero.upstream.shared import Share, Shared
from portero.upstream.wire.calls import Late

log = structlog.get_logger("portero.upstream")


class Upstreams:
    """``on_event`` gets the upstream's name and the event, only when something really changed.

    ``mask`` hides real values in texts, ``masks`` in what they offer; ``on_request`` answers what servers ask (without
    it they are refused), and ``on_notification`` gets what they say beside progress. ``capabilities``: what we declare
    to them, as JSON. ``share`` gets what a server offers of which there is one instance, when it runs here: its lists,
    and whether it tells of changes to resources. It returns that as other replicas will see it.
    """

    def __init__(
        self,
        configs: Sequence[UpstreamConfig],
        *,
        replica: ReplicaId,
        on_event: Callable[[str, UpstreamEvent], None],
        mask: Callable[[str], str],
        masks: Masks,
        on_request: OnRequest | None = None,
        on_notification: Callable[[Notification], None] = lambda _: None,
        capabilities: bytes = b"{}",
        share: Share | None = None,
        limits: Limits = DEFAULT,
    ) -> None:
        self.catalogue = Catalogue()
        self.configs = {config.name: config for config in configs}
        self._replica, self._limits = replica, limits
        self._on_request, self._on_notification = on_request, on_notification
        self._capabilities, self._mask = capabilities, mask
        self._reporting = Reporting(replica, on_event)
        self._offering = Offering(
            configs, replica, self._reporting, masks=masks, share=share, runs=lambda name: name in self._tasks
        )
        self._offering.listeners.append(self._new_catalogue)
        self._supervisors: dict[str, Supervisor] = {}
        for config in configs:
            self._supervisors[config.name] = self._supervisor(config)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    # --- life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start all owners at once and return: nobody waits for a slow or broken server.

        Those of which there is one instance are started by ``open``, where it is to run here.
        """
        for name, config in self.configs.items():
            if not config.disabled and not config.single:
                self._begin(name)

    async def stop(self, timeout: float = 6.0) -> None:
        """Close all connections and end all children; calls under way fail. Takes ``timeout`` seconds at most."""
        await self._end(list(self._tasks), "Portero stops", timeout)

    def open(self, upstream: str, permit: Permit) -> None:
        """Run one here of which there is one instance, for as long as the permit holds."""
        self._supervisors[upstream] = self._supervisor(self.configs[upstream], permit)
        self._supervisors[upstream].watching.resume()
        self._begin(upstream)

    async def close(self, upstream: str, reason: str, timeout: float = 2.0) -> None:
        """End one that ``open`` has started; another replica may run it then. Calls under way fail."""
        await self._end([upstream], reason, timeout)
        self._supervisors[upstream] = self._supervisor(self.configs[upstream])

    def adopt(self, upstream: str, shared: Shared) -> None:
        """Take over what the replica that runs it says that it offers."""
        if not self.is_connected(upstream):
            self._offering.adopt(self._supervisors[upstream], shared)

    def _begin(self, name: str) -> None:
        self._tasks[name] = asyncio.create_task(self._supervisors[name].run(), name=f"upstream {name}")

    async def _end(self, names: Sequence[str], reason: str, timeout: float) -> None:
        tasks = [self._tasks.pop(name) for name in names]
        for name in names:
            supervisor = self._supervisors[name]
            supervisor.grace = min(supervisor.grace, timeout / 3)
        for task in tasks:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=timeout)
            for task in late:
                task.cancel()  # its children get SIGKILL on the way out
            if late:
                await asyncio.wait(late, timeout=1)
        for name in names:
            self._reporting.stopped(name, reason)

    async def settled(self, timeout: float, *names: str) -> bool:
        """Wait until these, or all that run here, have connected or failed once; whether that was in time."""
        awaited = [name for name in names or self._tasks if name in self._supervisors]
        tried = asyncio.gather(*(self._supervisors[name].tried.wait() for name in awaited))
        try:
            async with asyncio.timeout(timeout):
                await tried
        except TimeoutError:
            return False
        return True

    @property
    def starting(self) -> list[str]:
        """Those that have neither connected nor failed yet: what they offer is not known here."""
        return [
            name
            for name, supervisor in self._supervisors.items()
            if not (supervisor.tried.is_set() or self._offering.is_known(name))
        ]

    def is_connected(self, upstream: str) -> bool:
        return self._supervisors[upstream].state is State.CONNECTED

    async def connected(self, upstream: str, timeout: float) -> bool:
        """Whether this one is connected, or becomes so in time."""
        supervisor = self._supervisors.get(upstream)
        return supervisor is not None and await supervisor.connected(timeout)

    # --- use -------------------------------------------------------------------------------------------------------

    async def request(
        self,
        upstream: str,
        method: str,
        params: bytes,
        *,
        on_progress: Callable[[bytes], None] | None = None,
        timeout: float | None = None,
        on_late: Late | None = None,
        wait: float = 0.0,
        context: Any = None,
        capabilities: bytes | None = None,
        log_level: str | None = None,
    ) -> bytes:
        """The upstream's ``result`` as JSON, on one line, as it came.

        ``timeout``: seconds of silence (default: the server's own limit); progress counts as life. ``on_progress`` gets
        a notification's params without our token. ``on_late`` gets what comes after a time-out or cancellation.
        ``wait``: seconds to wait for a connection first. ``context`` comes back in hooks, to say which call is meant.
        ``capabilities`` (the client's, as JSON; nothing without) and ``log_level``: for a modern server. Cancelling the
        awaiting task tells the upstream.
        Raises UpstreamUnavailable (nothing was sent), UpstreamRefused (it answered with an error), OutcomeLost (sent,
        no answer; never tried again here).
        """
        supervisor = self._supervisors.get(upstream)
        if supervisor is None:
            raise UpstreamUnavailable(f"There is no server {upstream!r} in the configuration; nothing was sent.")
        began = time.perf_counter()
        try:
            if wait > 0 and supervisor.state not in (State.DISABLED, State.STOPPED):
                await supervisor.connected(wait)
            return await supervisor.session.request(
                method,
                params,
                idle=timeout,
                on_progress=on_progress,
                on_late=on_late,
                context=context,
                capabilities=capabilities,
                log_level=log_level,
            )
        finally:
            UPSTREAM_SECONDS.observe(time.perf_counter() - began)

    def can_be_watched(self, upstream: str) -> bool:
        """Whether it tells of changes to its resources, as far as it has ever introduced itself."""
        supervisor = self._supervisors.get(upstream)
        if supervisor is None or supervisor.server is None:
            return self._offering.watchable(upstream)
        return can_be_watched(supervisor.server)

    def watch(self, upstream: str, uris: frozenset[str]) -> None:
        """From now on be subscribed to these resources (real URIs) and no others, across all its connections.

        Changes come as ``notifications/resources/updated``, also for what may have been missed between connections.
        """
        supervisor = self._supervisors.get(upstream)
        if supervisor is not None:
            supervisor.watching.want(uris)

    async def watched(self, upstream: str, uri: str, timeout: float) -> None:
        """Returns once the upstream has taken the subscription. Raises UpstreamError, or TimeoutError."""
        supervisor = self._supervisors.get(upstream)
        if supervisor is None:
            raise UpstreamUnavailable(f"There is no server {upstream!r} in the configuration; nothing was sent.")
        await supervisor.watching.taken(uri, timeout)

    def status(self) -> list[UpstreamStatus]:
        """In the order of the configuration."""
        return [self._status(name, supervisor) for name, supervisor in self._supervisors.items()]

    def subscribe(self, listener: Callable[[Catalogue], None]) -> Callable[[], None]:
        """Called with every new catalogue; returns how to end that."""
        self._offering.listeners.append(listener)
        return lambda: self._offering.listeners.remove(listener)

    # --- what the owners report --------------------------------------------------------------------------------------

    def _supervisor(self, config: UpstreamConfig, permit: Permit | None = None) -> Supervisor:
        mask = masker(config, self._mask)

        def new_link() -> Link:
            return Link(
                config,
                self._limits,
                mask=mask,
                capabilities=self._capabilities,
                header_map=lambda tool: dict(self.catalogue.header_map(config.name, tool)),
                on_notification=self._on_notification,
                on_request=self._on_request,
                watching=supervisor.watching,
                permit=permit,
            )

        supervisor = Supervisor(
            config,
            self._limits,
            new_link=new_link,
            mask=mask,
            on_connected=self._connected,
            on_listing=self._listed,
            on_lost=self._lost,
            permit=permit,
        )
        if (before := self._supervisors.get(config.name)) is not None:
            supervisor.watching = before.watching
        return supervisor

    def _connected(self, supervisor: Supervisor, server: Server, listing: Listing) -> None:
        name = supervisor.config.name
        catalogue = self._offering.taken(supervisor, listing)
        tools = sum(tool.server == name for tool in catalogue.tools)
        mask = supervisor.mask
        event = UpstreamConnected(self._replica, mask(server.name), mask(server.version), server.protocol, tools)
        self._reporting.connected(name, event)
        self._offering.publish(catalogue)

    def _listed(self, supervisor: Supervisor, listing: Listing) -> None:
        self._offering.publish(self._offering.taken(supervisor, listing))

    def _lost(self, supervisor: Supervisor, reason: str) -> None:
        state = supervisor.state
        lost = UpstreamLost(self._replica, reason, supervisor.failures, state is State.CRASH_LOOP, supervisor.retry_at)
        self._reporting.lost(supervisor.config.name, lost, state)

    def _new_catalogue(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def _status(self, name: str, supervisor: Supervisor) -> UpstreamStatus:
        catalogue = self.catalogue
        offers, dropped = catalogue.counts(name), catalogue.dropped.get(name, ())
        return attrs.evolve(
            supervisor.status(),
            tools=offers.tools,
            resources=offers.resources,
            templates=offers.templates,
            prompts=offers.prompts,
            dropped=dropped,
        )
