"""What a replica says of itself on the log: that it lives, with which configuration, and how its upstreams are."""

import asyncio
import os
import socket
from collections.abc import Mapping
from typing import Final

import attrs
import structlog

from handlers.core import NO_BLOBS, Core
from portero import __version__
from portero.domain.events import ConfigLoaded, Event, ReplicaStarted, ReplicaStopped, UpstreamEvent
from portero.domain.ids import Aggregate, replica_aggregate, upstream_aggregate
from portero.domain.values import SYSTEM
from portero.errors import LogError
from portero.log import Write
from portero.settings import Settings

logger = structlog.get_logger()

RETRY_SECONDS: Final = 1.0


@attrs.frozen
class _Report:
    """An event that waits for the log, and what is to be kept beside it for how long."""

    aggregate: Aggregate
    event: Event
    blobs: Mapping[str, bytes]
    blob_seconds: int


class Presence:
    """Writes this replica's own events, in order, and holds them back while the log is away."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._waiting: asyncio.Queue[_Report] = asyncio.Queue()

    def upstream(
        self, name: str, event: UpstreamEvent, blobs: Mapping[str, bytes] = NO_BLOBS, blob_seconds: int = 0
    ) -> None:
        """Takes what an upstream's owner reports; never blocks. ``blobs`` are kept beside it for so long."""
        self._waiting.put_nowait(_Report(upstream_aggregate(name), event, blobs, blob_seconds))

    async def started(self, endpoint: str, config: ConfigLoaded) -> None:
        """Announces the replica, also when the store's memory is full; raises LogError when the log cannot take it."""
        replica = self._core.log.replica
        here = ReplicaStarted(replica, __version__, os.getpid(), socket.gethostname(), endpoint)
        await self._append(replica_aggregate(replica), here, config, urgent=True)

    async def stopped(self, reason: str) -> None:
        """Writes what still waits and says goodbye; a log that is away keeps neither, and that is logged."""
        replica = self._core.log.replica
        try:
            while not self._waiting.empty():
                await self._append_report(self._waiting.get_nowait())
            await self._append(replica_aggregate(replica), ReplicaStopped(replica, reason))
        except LogError as error:
            logger.warning("the end of this replica is not on the log", error=str(error))

    async def run(self) -> None:
        """Writes what comes, for ever."""
        while True:
            report = await self._waiting.get()
            while True:
                try:
                    await self._append_report(report)
                    break
                except LogError as error:
                    logger.warning("upstream event waits for the log", aggregate=report.aggregate, error=str(error))
                    await asyncio.sleep(RETRY_SECONDS)

    async def _append(self, aggregate: Aggregate, *events: Event, urgent: bool = False) -> None:
        core = self._core
        write = Write(aggregate, None, events, ends=True)  # it may be killed, and nobody decides by its version
        await core.log.append(write, actor=SYSTEM, now=core.clock(), urgent=urgent)

    async def _append_report(self, report: _Report) -> None:
        core, write = self._core, Write(report.aggregate, None, (report.event,))
        await core.log.append(write, actor=SYSTEM, now=core.clock(), blobs=report.blobs, blob_ttl=report.blob_seconds)


def configured(settings: Settings, core: Core) -> ConfigLoaded:
    """Digests only: what is configured may be secret."""
    return ConfigLoaded(
        core.log.replica,
        policies=settings.policy.digest,
        replacements=core.replacer.digest,
        upstreams=settings.upstreams_digest,
        default=settings.policy.default,
        upstream_names=tuple(config.name for config in settings.upstreams),
        skipped=settings.skipped,
        singles=tuple(config.name for config in settings.upstreams if config.single and not config.disabled),
    )
