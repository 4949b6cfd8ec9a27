"""A connection that has been negotiated: requests in the server's era, its lists, and word of their changes."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final

import msgspec
import structlog

from portero.domain.mcp import LOG_LEVEL_META
from portero.errors import UpstreamError, UpstreamRefused
from portero.upstream.session.eras import Server, modern_meta
from portero.upstream.session.levels import Levels
from portero.upstream.session.listing import Kind, Listing, list_all
from portero.upstream.session.watching import Watcher, Watching
from portero.upstream.wire.calls import Late
from portero.upstream.wire.peer import Peer

log = structlog.get_logger("portero.upstream")

_RETRY_LISTEN_SECONDS: Final = 30.0


class Session:
    """``list_seconds``: how long an answer to a list request may take."""

    def __init__(self, peer: Peer, server: Server, *, idle: float, list_seconds: float) -> None:
        self.peer, self.server = peer, server
        self._idle, self._list_seconds = idle, list_seconds
        self._meta = modern_meta(server.protocol) if server.modern else b""
        """Declares nothing: what a client can do is said with its own calls."""
        self._levels = Levels(peer, server, list_seconds)

    def request(
        self,
        method: str,
        params: bytes,
        *,
        idle: float | None,
        on_progress: Callable[[bytes], None] | None,
        on_late: Late | None,
        context: Any,
        capabilities: bytes | None,
        log_level: str | None,
    ) -> Awaitable[bytes]:
        """A caller's request. Progress is always asked for: it is what keeps a long call alive."""
        meta = self._meta
        if capabilities is not None and meta:
            meta = modern_meta(self.server.protocol, capabilities)
        if log_level is not None and meta:
            meta = b'%b,"%b":"%b"' % (meta, LOG_LEVEL_META.encode(), log_level.encode())
        answer = self.peer.request(
            method,
            params,
            idle=self._idle if idle is None else idle,
            meta=meta,
            progress=True,
            on_progress=on_progress,
            on_late=on_late,
            context=context,
        )
        return self._after_level(log_level, answer) if self._levels.below(log_level) else answer

    async def _after_level(self, level: str | None, answer: Coroutine[Any, Any, bytes]) -> bytes:
        try:
            await self._levels.lower(str(level))
        except BaseException:
            answer.close()  # nothing was sent
            raise
        return await answer

    async def list_some(self, kinds: Iterable[Kind], listing: Listing) -> Listing:
        """``listing`` with these kinds read anew. Only a broken list of tools is an error; others stay as they were."""
        for kind in kinds:
            if not self.server.offers(kind.capability):
                continue
            try:
                listing = listing.having(kind, await list_all(self.peer.name, kind, self._ask))
            except UpstreamError as error:
                if kind is Kind.TOOLS:
                    raise
                log.warning("a list could not be read", upstream=self.peer.name, method=kind.method, error=str(error))
        return listing

    async def ping(self) -> None:
        """A sign of life from a legacy server."""
        await self._ask("ping", b"{}")

    async def listen(self) -> None:
        """Modern servers tell changes only to those who listen. Runs until cancelled, or until it is in vain."""
        wanted = {
            f"{kind.capability}ListChanged": True
            for kind in (Kind.TOOLS, Kind.RESOURCES, Kind.PROMPTS)
            if self.server.announces(kind.capability)
        }
        params = msgspec.json.encode({"notifications": wanted})
        while wanted and self.server.modern and not self.peer.closed.done():
            try:
                await self.peer.request("subscriptions/listen", params, idle=None, meta=self._meta)
            except UpstreamRefused as refused:
                log.info("it takes no subscriptions", upstream=self.peer.name, code=refused.code)
                return
            except UpstreamError as error:
                log.info("a subscription was cut", upstream=self.peer.name, error=str(error))
            await asyncio.sleep(_RETRY_LISTEN_SECONDS)

    def watcher(self, watching: Watching, missed: Callable[[str], None]) -> Watcher:
        """What keeps this connection subscribed to the resources that are wanted."""
        seconds = self._list_seconds
        return Watcher(self.peer, self.server, watching, missed, meta=self._meta, answer_seconds=seconds)

    async def _ask(self, method: str, params: bytes) -> bytes:
        return await self.peer.request(method, params, idle=self._list_seconds, meta=self._meta)
