"""All upstreams: one supervised owner each, one catalogue, one way to ask them something."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import structlog

from portero.domain.events import CatalogueChanged, UpstreamConnected, UpstreamEvent, UpstreamLost
from portero.domain.ids import ReplicaId
from portero.errors import ConfigError, UpstreamUnavailable
from portero.settings import UpstreamConfig
from portero.telemetry import UPSTREAM_SECONDS
from portero.upstream import merge
from portero.upstream.calls import Late
from portero.upstream.catalogue import Catalogue
from portero.upstream.eras import Server
from portero.upstream.hooks import Notification, OnRequest
from portero.upstream.limits import DEFAULT, Limits
from portero.upstream.link import Link
from portero.upstream.listing import Listing
from portero.upstream.masking import masker
from portero.upstream.names import canonical
from portero.upstream.offers import Prompt, Resource, Template, Tool
from portero.upstream.status import State, UpstreamStatus
from portero.upstream.supervisor import Supervisor
from portero.upstream.watching import can_be_watched

log = structlog.get_logger("portero.upstream")


class Upstreams:
    """``on_event`` gets the upstream's name and the event, only when something really changed.

    ``mask`` hides real values in texts; ``on_request`` answers what servers ask (without it they are refused), and
    ``on_notification`` gets what they say beside progress. ``capabilities``: what we declare to them, as JSON.
    """

    def __init__(
        self,
        configs: Sequence[UpstreamConfig],
        *,
        replica: ReplicaId,
        on_event: Callable[[str, UpstreamEvent], None],
        mask: Callable[[str], str],
        on_request: OnRequest | None = None,
        on_notification: Callable[[Notification], None] = lambda _: None,
        capabilities: bytes = b"{}",
        limits: Limits = DEFAULT,
    ) -> None:
        self.catalogue = Catalogue()
        self.configs = {config.name: config for config in configs}
        self._replica, self._on_event, self._limits = replica, on_event, limits
        self._on_request, self._on_notification = on_request, on_notification
        self._capabilities = capabilities
        self._sections = {config.name: merge.Section(config) for config in configs}
        if len(self._sections) < len(configs):
            raise ConfigError("Two servers in mcps.json have the same name. Give each its own.")
        self._supervisors = {config.name: self._supervisor(config, masker(config, mask)) for config in configs}
        self._said: dict[str, State | str] = {}
        """What the log was told last: the state by name, the digest of the tools by ``name/tools``."""
        self._tasks: list[asyncio.Task[None]] = []
        self._listeners: list[Callable[[Catalogue], None]] = []

    # --- life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start all owners at once and return: nobody waits for a slow or broken server."""
        for supervisor in self._supervisors.values():
            if not supervisor.config.disabled:
                task = asyncio.create_task(supervisor.run(), name=f"upstream {supervisor.config.name}")
                self._tasks.append(task)

    async def stop(self, timeout: float = 6.0) -> None:
        """Close all connections and end all children; calls under way fail. Takes ``timeout`` seconds at most."""
        for supervisor in self._supervisors.values():
            supervisor.grace = min(supervisor.grace, timeout / 3)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout)
            for task in late:
                task.cancel()  # its children get SIGKILL on the way out
            if late:
                await asyncio.wait(late, timeout=1)
        self._tasks.clear()
        for name, said in list(self._said.items()):
            if said is State.CONNECTED:
                self._say(name, UpstreamLost(self._replica, "Portero stops", 0, False, None), State.STOPPED)

    async def settled(self, timeout: float) -> bool:
        """Wait until every upstream has connected or failed once; whether that was in time."""
        tried = asyncio.gather(*(supervisor.tried.wait() for supervisor in self._supervisors.values()))
        try:
            async with asyncio.timeout(timeout):
                await tried
        except TimeoutError:
            return False
        return True

    @property
    def starting(self) -> list[str]:
        """Those that have neither connected nor failed yet: what they offer is not known here."""
        return [name for name, supervisor in self._supervisors.items() if not supervisor.tried.is_set()]

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
        return supervisor is not None and supervisor.server is not None and can_be_watched(supervisor.server)

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
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # --- what the owners report --------------------------------------------------------------------------------------

    def _supervisor(self, config: UpstreamConfig, mask: Callable[[str], str]) -> Supervisor:
        def new_link() -> Link:
            return Link(
                config,
                self._limits,
                mask=mask,
                capabilities=self._capabilities,
                header_map=lambda tool: self._header_map(config.name, tool),
                on_notification=self._on_notification,
                on_request=self._on_request,
                watching=supervisor.watching,
            )

        supervisor = Supervisor(
            config,
            self._limits,
            new_link=new_link,
            mask=mask,
            on_connected=self._connected,
            on_listing=self._listed,
            on_lost=self._lost,
        )
        return supervisor

    def _header_map(self, upstream: str, tool: str) -> dict[tuple[str, ...], str]:
        found = self.catalogue.resolve(canonical(upstream, tool))
        return dict(found.header_map) if found is not None else {}

    def _connected(self, supervisor: Supervisor, server: Server, listing: Listing) -> None:
        name = supervisor.config.name
        catalogue = self._merged(supervisor, listing)
        tools = sum(tool.server == name for tool in catalogue.tools)
        mask = supervisor.mask
        event = UpstreamConnected(self._replica, mask(server.name), mask(server.version), server.protocol, tools)
        self._say(name, event, State.CONNECTED)
        self._publish(catalogue)

    def _listed(self, supervisor: Supervisor, listing: Listing) -> None:
        self._publish(self._merged(supervisor, listing))

    def _lost(self, supervisor: Supervisor, reason: str) -> None:
        state = supervisor.state
        lost = UpstreamLost(self._replica, reason, supervisor.failures, state is State.CRASH_LOOP, supervisor.retry_at)
        self._say(supervisor.config.name, lost, state)

    def _say(self, name: str, event: UpstreamEvent, what: State | str) -> None:
        """Every event once: not each attempt of a server that stays lost, and no list that is the same as before."""
        key = f"{name}/tools" if isinstance(event, CatalogueChanged) else name
        if self._said.get(key) != what:
            self._said[key] = what
            self._on_event(name, event)

    # --- the catalogue -----------------------------------------------------------------------------------------------

    def _merged(self, supervisor: Supervisor, listing: Listing) -> Catalogue:
        """A lost upstream keeps its tools: calls to them say so, and nobody's list of tools flickers."""
        section = merge.section(supervisor.config, listing, supervisor.mask)
        self._sections[supervisor.config.name] = section
        for warning in merge.warnings(section):
            log.warning("catalogue", upstream=supervisor.config.name, warning=warning)
        return merge.merge(list(self._sections.values()), self.catalogue.version + 1)

    def _publish(self, catalogue: Catalogue) -> None:
        before, self.catalogue = self.catalogue, catalogue
        for name, section in self._sections.items():
            for reason in catalogue.dropped.get(name, ()):
                if reason not in before.dropped.get(name, ()):
                    log.warning("refused", upstream=name, reason=reason)
            if section.listed:
                event = merge.changed(catalogue, name, self._replica)
                self._say(name, event, event.digest)
        for listener in list(self._listeners):
            listener(catalogue)

    def _status(self, name: str, supervisor: Supervisor) -> UpstreamStatus:
        def count(offers: Sequence[Tool | Prompt | Resource | Template]) -> int:
            return sum(offer.server == name for offer in offers)

        catalogue = self.catalogue
        return attrs.evolve(
            supervisor.status(),
            tools=count(catalogue.tools),
            resources=count(catalogue.resources),
            templates=count(catalogue.templates),
            prompts=count(catalogue.prompts),
            dropped=catalogue.dropped.get(name, ()),
        )
