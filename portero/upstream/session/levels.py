"""Log messages of a server of the older era: it has one level for a connection, so that is the least anybody wants."""

import asyncio
from typing import Final

import msgspec
import structlog

from portero.domain.mcp import LOG_LEVELS
from portero.errors import UpstreamError
from portero.upstream.session.eras import Server
from portero.upstream.wire.peer import Peer

log = structlog.get_logger("portero.upstream")

WAIT_SECONDS: Final = 1.0
"""How long a call waits for the server to take its level; the server may be slow with it, or say nothing."""


class Levels:
    """Of one connection. Some servers say nothing at all before a level is set."""

    def __init__(self, peer: Peer, server: Server, answer_seconds: float) -> None:
        self._peer, self._answer_seconds = peer, answer_seconds
        self._least = len(LOG_LEVELS) if server.offers("logging") and not server.modern else 0
        self._setting: set[asyncio.Task[None]] = set()

    def below(self, level: str | None) -> bool:
        """Whether the server has to be told of this level, before a call that wants it."""
        return level is not None and LOG_LEVELS.index(level) < self._least

    async def lower(self, level: str) -> None:
        """Tells the server; what it then sends is kept from those who want less."""
        self._least = LOG_LEVELS.index(level)
        task = asyncio.create_task(self._set(level))
        self._setting.add(task)
        task.add_done_callback(self._setting.discard)
        await asyncio.wait([task], timeout=WAIT_SECONDS)

    async def _set(self, level: str) -> None:
        try:
            params = msgspec.json.encode({"level": level})
            await self._peer.request("logging/setLevel", params, idle=self._answer_seconds)
        except UpstreamError as error:
            log.info("a level of log messages was not taken", upstream=self._peer.name, error=type(error).__name__)
