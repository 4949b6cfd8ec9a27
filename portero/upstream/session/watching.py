"""Subscriptions to the resources of one upstream: what is wanted, and what its present connection has taken."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import structlog

from portero.errors import METHOD_NOT_FOUND, UpstreamError, UpstreamRefused, UpstreamUnavailable
from portero.upstream.session.eras import Server
from portero.upstream.wire.peer import Peer

log = structlog.get_logger("portero.upstream")

RETRY_SECONDS: Final = 30.0


class Watching:
    """What is wanted outlives connections: each new one subscribes to all of it again. URIs are the real ones."""

    def __init__(self) -> None:
        self.wanted: frozenset[str] = frozenset()
        self.changed = asyncio.Event()
        self._taken: dict[str, UpstreamError | None] = {}
        """By the present connection; the error where it was refused."""
        self._known: set[str] = set()
        """What some connection has taken: after the next one there may be an update that nobody told."""
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def want(self, uris: frozenset[str]) -> None:
        if uris != self.wanted:
            for uri in self.wanted - uris:
                self._settle(uri, UpstreamUnavailable("nobody wants to hear of it any more"))
                self._taken.pop(uri, None)
            self.wanted = uris
            self._known &= uris
            self.changed.set()

    def resume(self) -> None:
        """Another replica's connection had all this: there may be an update that nobody told."""
        self._known |= self.wanted

    async def taken(self, uri: str, timeout: float) -> None:
        """Returns once the upstream has taken the subscription. Raises UpstreamError, or TimeoutError."""
        if uri in self._taken:
            error = self._taken[uri]
            if error is not None:
                raise error
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(uri, set()).add(future)
        try:
            async with asyncio.timeout(timeout):
                await future
        finally:
            if uri in self._waiting:
                self._waiting[uri].discard(future)

    # --- for the connection -----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """A new connection has taken nothing yet."""
        self._taken.clear()
        self.changed.set()

    def took(self, uri: str, error: UpstreamError | None = None) -> bool:
        """Notes what became of one; True when an earlier connection had it already."""
        self._taken[uri] = error
        self._settle(uri, error)
        if error is not None:
            return False
        again = uri in self._known
        self._known.add(uri)
        return again

    def _settle(self, uri: str, error: UpstreamError | None) -> None:
        for future in self._waiting.pop(uri, ()):
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)


def can_be_watched(server: Server) -> bool:
    """Whether it says that it tells of changes to resources."""
    resources = server.capabilities.get("resources")
    return isinstance(resources, dict) and resources.get("subscribe") is True


class _Acknowledged(msgspec.Struct):
    class Honoured(msgspec.Struct):
        resourceSubscriptions: list[str] = []  # noqa: N815 - the protocol's name

    notifications: Honoured = msgspec.field(default_factory=Honoured)


_acknowledged = msgspec.json.Decoder(_Acknowledged)


class Watcher:
    """Keeps one connection subscribed to what is wanted. ``missed`` is told what may have changed before it."""

    def __init__(
        self,
        peer: Peer,
        server: Server,
        watching: Watching,
        missed: Callable[[str], None],
        *,
        meta: bytes,
        answer_seconds: float,
    ) -> None:
        self._peer, self._server, self._watching, self._missed = peer, server, watching, missed
        self._meta, self._answer_seconds = meta, answer_seconds
        self._held: frozenset[str] = frozenset()
        self._listening: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        watching = self._watching
        watching.begin()
        try:
            while True:
                await watching.changed.wait()
                watching.changed.clear()
                wanted = watching.wanted
                if not can_be_watched(self._server):
                    self._refuse(wanted, UpstreamRefused(METHOD_NOT_FOUND, "it does not tell of changes"))
                elif self._server.modern:
                    await self._listen_to(wanted)
                else:
                    await self._subscribe(wanted)
        finally:
            await self._end(self._listening)

    # --- the older era: one request for each ------------------------------------------------------------------------

    async def _subscribe(self, wanted: frozenset[str]) -> None:
        for uri in sorted(self._held - wanted):
            await self._ask("resources/unsubscribe", uri)
        for uri in sorted(wanted - self._held):
            error = await self._ask("resources/subscribe", uri)
            if uri in self._watching.wanted:
                self._took(uri, error)
        self._held = wanted

    async def _ask(self, method: str, uri: str) -> UpstreamError | None:
        try:
            await self._peer.request(method, msgspec.json.encode({"uri": uri}), idle=self._answer_seconds)
        except UpstreamError as error:
            log.info("a subscription was not taken", upstream=self._peer.name, method=method)
            return error
        return None

    # --- the newer era: one stream for all --------------------------------------------------------------------------

    async def _listen_to(self, wanted: frozenset[str]) -> None:
        """The new stream is open before the old one ends, so that nothing is missed between them."""
        if wanted == self._held:
            return
        before, self._listening, self._held = self._listening, None, wanted
        if wanted:
            opened = asyncio.Event()
            self._listening = asyncio.create_task(self._keep_listening(wanted, opened))
            waiting = asyncio.create_task(opened.wait())
            await asyncio.wait({self._listening, waiting}, timeout=self._answer_seconds, return_when="FIRST_COMPLETED")
            waiting.cancel()
        await self._end(before)

    async def _keep_listening(self, wanted: frozenset[str], opened: asyncio.Event) -> None:
        def acknowledged(params: bytes) -> None:
            honoured = _acknowledged.decode(params).notifications.resourceSubscriptions
            for uri in wanted & self._watching.wanted:
                known = uri in honoured
                self._took(
                    uri, None if known else UpstreamRefused(METHOD_NOT_FOUND, "it does not tell of changes to it")
                )
            opened.set()

        params = msgspec.json.encode({"notifications": {"resourceSubscriptions": sorted(wanted)}})
        while not self._peer.closed.done():
            try:
                await self._peer.request(
                    "subscriptions/listen", params, idle=None, meta=self._meta, on_progress=acknowledged
                )
            except UpstreamRefused as refused:
                self._refuse(wanted, refused)
                return
            except UpstreamError as error:
                log.info("a subscription was cut", upstream=self._peer.name, error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)

    # --- both -------------------------------------------------------------------------------------------------------

    def _refuse(self, wanted: Iterable[str], error: UpstreamError) -> None:
        for uri in wanted:
            self._watching.took(uri, error)

    def _took(self, uri: str, error: UpstreamError | None) -> None:
        if self._watching.took(uri, error):
            self._missed(uri)

    async def _end(self, task: asyncio.Task[Any] | None) -> None:
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])
