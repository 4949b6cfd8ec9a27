"""One connection to an upstream, from its start to its end."""

import asyncio
import os
from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog

from portero.domain.mcp import UPDATED
from portero.errors import UpstreamError, UpstreamRefused
from portero.settings import UpstreamConfig
from portero.upstream.hooks import Notification, OnRequest
from portero.upstream.limits import Limits
from portero.upstream.permit import Permit
from portero.upstream.session.listing import LIST_CHANGED, Kind, Listing
from portero.upstream.session.negotiate import negotiate
from portero.upstream.session.session import Session
from portero.upstream.session.watching import Watching
from portero.upstream.wire.peer import Peer
from portero.upstream.wire.stdio import StdioTransport
from portero.upstream.wire.transport import Transport

log = structlog.get_logger("portero.upstream")

HeaderMap = Callable[[str], dict[tuple[str, ...], str]]


class Carrier(Transport, Protocol):
    """A transport together with what it is carried by: a child process or an HTTP client."""

    peer: Peer

    @property
    def pid(self) -> int | None:
        """Of the child, where there is one."""

    async def start(self) -> None:
        """Raises ``UpstreamUnavailable``."""

    async def stop(self, grace: float) -> None:
        """``grace``: seconds between one way of asking it to end and the next, harder one."""


class Link:
    """``open``, then ``follow`` until it is lost, then ``close``, whatever happened before."""

    def __init__(
        self,
        config: UpstreamConfig,
        limits: Limits,
        *,
        mask: Callable[[str], str],
        capabilities: bytes,
        header_map: HeaderMap,
        on_notification: Callable[[Notification], None],
        on_request: OnRequest | None,
        watching: Watching,
        permit: Permit | None = None,
    ) -> None:
        """``permit``: for a server that only one replica may run."""
        self._config, self._limits, self._mask = config, limits, mask
        self._permit = permit
        self._capabilities, self._header_map = capabilities, header_map
        self._on_notification, self._on_request = on_notification, on_request
        self._watching = watching
        self._carrier: Carrier | None = None
        self._session: Session | None = None
        self._beside: list[asyncio.Task[None]] = []
        self._stale: set[Kind] = set()
        self._wake = asyncio.Event()
        self.in_vain = False
        """It ended while it was asked for its era: the question itself may have been too much for it."""

    @property
    def pid(self) -> int | None:
        return self._carrier.pid if self._carrier is not None else None

    async def open(self, *, modern: bool) -> tuple[Session, Listing]:
        """Connect, introduce ourselves, read the lists. Raises ``UpstreamError``."""
        config, limits = self._config, self._limits
        self._carrier = carrier = await self._new_carrier()
        peer = Peer(config.name, carrier, on_notification=self._notified, on_request=self._on_request, mask=self._mask)
        peer.closed.add_done_callback(lambda _: self._wake.set())
        carrier.peer = peer
        await carrier.start()
        try:
            server = await negotiate(
                peer, carrier, modern=modern, patience=limits.patience, capabilities=self._capabilities
            )
        except UpstreamError:
            self.in_vain = modern and peer.closed.done()
            raise
        self._session = session = Session(
            peer,
            server,
            idle=config.timeout_seconds,
            list_seconds=limits.list_seconds,
        )
        # It listens before it reads: what changes while the lists are read is heard of, and they are read again.
        self._beside.append(asyncio.create_task(session.listen()))
        await asyncio.sleep(0)
        return session, await session.list_some(Kind, Listing())

    async def follow(self, listing: Listing, on_listing: Callable[[Listing], None]) -> str:
        """Keep the lists fresh until the connection is lost; the reason for that."""
        session = self._session
        if session is None:
            return "it was never opened"
        closed = session.peer.closed
        self._beside.append(asyncio.create_task(self._watch(session)))
        while not closed.done():
            stale = await self._next_work()
            if closed.done():
                break
            fresh = await self._read_again(session, stale, listing)
            if isinstance(fresh, str):
                return fresh
            if fresh != listing:
                listing = fresh
                on_listing(listing)
            await asyncio.wait([closed], timeout=self._limits.between_lists)
        return closed.result()

    async def _watch(self, session: Session) -> None:
        def missed(uri: str) -> None:
            self._on_notification(Notification(self._config.name, UPDATED, msgspec.json.encode({"uri": uri})))

        await session.watcher(self._watching, missed).run()

    async def close(self, grace: float) -> None:
        for task in self._beside:
            task.cancel()
        if self._carrier is None:
            return
        if hasattr(self._carrier, "peer"):
            self._carrier.peer.lost("Portero has closed the connection")
        await self._carrier.stop(grace)
        if self._beside:
            await asyncio.wait(self._beside)

    def why_closed(self, otherwise: str) -> str:
        """What ended the connection, where that is known."""
        peer = getattr(self._carrier, "peer", None)
        return peer.closed.result() if peer is not None and peer.closed.done() else otherwise

    # --- parts -------------------------------------------------------------------------------------------------------

    async def _new_carrier(self) -> Carrier:
        if self._config.url is None:
            return StdioTransport(self._config, self._limits, self._mask, os.environ, self._permit)
        # The HTTP client and the SDK take more than a second to import: in a thread, so that nobody waits for it.
        http = await asyncio.to_thread(__import__, "portero.upstream.wire.http", fromlist=["HttpTransport"])
        carrier: Carrier = http.HttpTransport(self._config, self._limits, self._header_map, self._permit)
        return carrier

    def _notified(self, note: Notification) -> None:
        kinds = LIST_CHANGED.get(note.method)
        if kinds is not None:
            self._stale.update(kinds)
            self._wake.set()
        self._on_notification(note)

    async def _next_work(self) -> set[Kind]:
        """What to read again: what has changed; everything of a remote server that was quiet for long."""
        remote = self._config.url is not None
        try:
            async with asyncio.timeout(self._limits.check_every if remote else None):
                await self._wake.wait()
        except TimeoutError:
            return set(Kind)
        self._wake.clear()
        stale, self._stale = self._stale, set()
        return stale

    async def _read_again(self, session: Session, stale: set[Kind], listing: Listing) -> Listing | str:
        """The fresh lists, or why the connection has to be given up."""
        try:
            return await session.list_some([kind for kind in Kind if kind in stale], listing)
        except UpstreamError as error:
            text = self._mask(str(error))
            if self._config.url is not None and not isinstance(error, UpstreamRefused):
                return text  # nothing else tells that a remote server is gone
            log.warning("its tools could not be listed again", upstream=self._config.name, error=text)
            return listing
