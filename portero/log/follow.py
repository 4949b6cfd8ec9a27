"""Reads the log as it grows and hands every event on, in order, once: the heart of every projection."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from portero.errors import LogDivergence
from portero.log.backoff import Backoff
from portero.log.entries import RecordedEvent
from portero.log.keeper import NOT_NOW
from portero.log.log import START, Log
from portero.log.wire import Wire

logger = structlog.get_logger("portero.log")

BATCH: Final = 500
"""Events applied between two turns of the event loop: about 5 ms."""

Sink = Callable[[Sequence[RecordedEvent]], None]


class Follower:
    """Applies the log to ``sink`` from behind ``at`` = (sequence, entry id) on; one for a Log.

    A gap in the sequence, a step back or another log's id stop it for good: ``run`` raises LogDivergence, and the Log
    takes no appends any more.
    """

    def __init__(self, log: Log, sink: Sink, at: tuple[int, str] = (0, START)) -> None:
        self.seq, self.entry = at
        self._log, self._sink = log, sink
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._known = self.seq
        self._said = ""

    @property
    def lag(self) -> int:
        """Events that are known to stand on the log and were not applied yet."""
        return max(0, max(self._known, self._log.position.seq) - self.seq)

    @property
    def silent(self) -> float:
        """Seconds since the store was last heard; more than a few mean that it is away, or hangs."""
        return self._loop.time() - self._heard

    @property
    def diverged(self) -> LogDivergence | None:
        return self._log.diverged

    async def run(self) -> None:
        """Follows for ever, across lost connections; raises LogDivergence, and whatever the sink raises."""
        backoff = Backoff(0.02, 1.0)
        self._log.position.followed = self.seq
        self._log.position.advance(self.seq, self.entry)
        self._log.entries.follow(followed=True)
        try:
            while True:
                await self._follow_once(backoff)
                await asyncio.sleep(backoff.next())
        except LogDivergence as error:
            self._log.diverge(error)
            raise
        finally:
            self._log.entries.follow(followed=False)

    async def _follow_once(self, backoff: Backoff) -> None:
        """Until the connection is lost, or there was none to be had."""
        wire: Wire | None = None
        try:
            wire = await self._log.store.wire("follow")
            await self._check(wire)
            backoff.reset()
            await self._read(wire)
        except NOT_NOW as error:
            if str(error) != self._said:
                self._said = str(error)
                logger.warning("cannot follow the log", error=self._said or "no answer in time", seq=self.seq)
        finally:
            if wire is not None:
                wire.abort("done")

    async def _read(self, wire: Wire) -> None:
        key = self._log.store.keys.log
        limits = self._log.store.limits
        while True:
            reply: dict[bytes, list[Any]] | None = await wire.call(
                "XREAD", "COUNT", BATCH, "BLOCK", limits.block_ms, "STREAMS", key, self.entry, timeout=limits.blocked
            )
            self._heard, self._said = self._loop.time(), ""
            if reply:
                [page] = reply.values()
                self._apply(self._log.entries.recorded(page, self.seq))
            else:
                await self._check(wire)

    def _apply(self, events: list[RecordedEvent]) -> None:
        last = events[-1]
        self._sink(events)
        self.seq, self.entry = last.seq, last.entry
        position = self._log.position
        position.followed = last.seq
        position.advance(last.seq, last.entry)

    async def _check(self, wire: Wire) -> None:
        """Nothing came: is it still the same log? A flushed store would be silent for ever."""
        known = self._log.position.seq
        head = await wire.call(
            "HMGET", self._log.store.keys.head, "id", "seq", "entry", "policy", timeout=self._log.store.limits.call
        )
        self._known = self._log.position.check(head, known)
