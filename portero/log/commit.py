"""Group commit: appends made while a round trip is under way go together in the next one, each with its own answer."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import structlog

from portero import telemetry
from portero.errors import LogDivergence, LogError, LogFull, LogUnavailable, LogUncertain
from portero.log.append import REPEATED, WRITTEN, Append, alike, outcome, settle
from portero.log.connect import Store
from portero.log.position import Position
from portero.log.scripts import APPEND, APPEND_THOUGH_FULL, Script
from portero.log.wire import Argument, ServerError, Wire, pack

logger = structlog.get_logger("portero.log")

BATCH_APPENDS: Final = 128
BATCH_BYTES: Final = 1 << 20
"""A script runs alone in the store: a bigger batch would keep others waiting. One append may be bigger by itself."""

NOTHING_WRITTEN: Final = "The audit log is unavailable ({}); nothing was written."
FULL: Final = "The audit log's memory is full; nothing was written. Free memory or raise maxmemory."
UNKNOWN: Final = "The audit log is unavailable ({}); it is not known whether this was written."
_ELSEWHERE: Final = frozenset({"READONLY", "MOVED", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "LOGVOID", "NOAUTH"})
"""Answers after which another connection is the remedy."""
_PING: Final = pack(("PING",))


def _ignore(_: Any) -> None:
    """A reply that changes nothing."""


class Reader(Protocol):
    """Who follows the log in this process, and is spared the reading of what was written here."""

    def written(self, appends: Sequence[tuple[int, Append]], entry: str) -> None:
        """These stand, side by side, each from its sequence on; ``entry`` is the id of the last event's."""

    def behind(self, seq: int) -> None:
        """The log seems to go up to ``seq`` at least."""


class Committer:
    """Turns submitted appends into batches on the wire it was given; one batch is in flight at a time.

    ``diverged`` is told when the store turns out to hold another log.
    """

    def __init__(self, store: Store, position: Position, diverged: Callable[[LogDivergence], None]) -> None:
        self.away: LogError | None = None
        """Why appends are refused at once; None while they are taken."""
        self.since = position.entry
        """The newest entry known when the batch in flight was sent: it cannot stand before that one."""
        self._store, self._limits = store, store.limits
        self._position, self._diverged = position, diverged
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Append] = deque()
        self._flight: list[Append] = []
        self.reader: Reader | None = None
        self._wire: Wire | None = None
        self._keys: tuple[Argument, ...] = ()
        self._scheduled = self._busy = False
        self._sent_at = 0.0
        self._watch: asyncio.TimerHandle | None = None

    # --- the connection, which somebody else keeps ------------------------------------------------------------------

    def attach(self, wire: Wire, token: str) -> None:
        """Takes appends again, on this connection. ``token`` is the name under which it can be declared dead."""
        keys = self._store.keys
        self._wire, self.away, self._busy = wire, None, False
        self._keys = (4, keys.head, keys.log, keys.timers, keys.void(token), keys.prefix)
        self._watch = self._loop.call_later(self._limits.write, self._look)
        if self._queue:
            self._schedule()

    def detach(self) -> list[Append]:
        """Gives up the connection, and returns the appends of which nobody knows whether they were written."""
        if self._watch is not None:
            self._watch.cancel()
        flight, self._flight, self._wire = self._flight, [], None
        return flight

    def refuse(self, error: LogError) -> None:
        """Takes no appends, until ``attach``. Those that wait were not sent, and learn it at once."""
        self.away = error
        queue, self._queue = self._queue, deque()
        self._fail(list(queue), error)

    def again(self, appends: list[Append]) -> None:
        """Puts appends that were certainly not written in front of the queue."""
        self._queue.extendleft(reversed(appends))

    def close(self, error: LogError) -> None:
        """Ends everything, for good: what waits was not sent, and of what is in flight nobody will know."""
        wire, flight = self._wire, self.detach()
        self.refuse(error)
        self._fail(flight, LogUncertain(UNKNOWN.format("the connection to its store is given up")))
        if wire is not None:
            wire.abort(str(error))

    def unanswered(self) -> Sequence[Append]:
        """Those of which the store has not said yet whether they stand."""
        return self._flight

    def waiting(self) -> list[asyncio.Future[Any]]:
        """The futures of everything that has no answer yet."""
        return [append.future for append in (*self._flight, *self._queue)]

    # --- the way out ------------------------------------------------------------------------------------------------

    def submit(self, append: Append) -> None:
        """Queues an append; raises LogError at once while the store is known to be away."""
        if self.away is not None:
            raise alike(self.away)
        self._queue.append(append)
        self._schedule()

    def _schedule(self) -> None:
        """Sends in the next turn of the event loop, so that everybody who was just woken travels along."""
        if not self._scheduled and not self._busy:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        wire, queue = self._wire, self._queue
        if self._busy or not queue or wire is None or wire.closed.done():
            return
        batch = [queue.popleft()]
        size = batch[0].size if queue else 0
        while queue and len(batch) < BATCH_APPENDS and (size := size + queue[0].size) <= BATCH_BYTES:
            batch.append(queue.popleft())
        self._send(wire, APPEND, batch)

    def _send(self, wire: Wire, script: Script, batch: list[Append]) -> None:
        position = self._position
        arguments = [argument for append in batch for argument in append.arguments]
        command = pack(("EVALSHA", script.sha, *self._keys, position.id, position.seq, *arguments))
        self._flight, self.since = batch, position.entry
        self._post(wire, command, self._on_reply)

    def _post(self, wire: Wire, packed: bytes, on_reply: Callable[[Any], None]) -> None:
        self._busy, self._sent_at = True, self._loop.time()
        wire.post(packed, on_reply)

    # --- the way back -----------------------------------------------------------------------------------------------

    def _on_reply(self, reply: Any) -> None:
        if isinstance(reply, ConnectionError):
            return  # detach() gives the flight to whoever finds out
        self._busy = False
        batch, self._flight = self._flight, []
        if isinstance(reply, ServerError):
            self._on_error(batch, reply)
        else:
            self._on_answers(batch, reply)
        if self._queue:
            self._schedule()

    def _on_answers(self, batch: list[Append], reply: list[Any]) -> None:
        written: list[tuple[int, Append]] = []
        repeated = events = last = at = 0
        for append in batch:
            code, one, two, policy = reply[at + 1 : at + 5]
            at += 4
            if code == WRITTEN:
                written.append((one, append))
                events, last = events + append.events, two
                self._position.policy = policy
            elif code == REPEATED:
                repeated += 1
            settle(append, outcome(append, code, one, two, policy))
        if written:
            entry = reply[0].decode()
            self._position.advance(last, entry)
            telemetry.APPENDS_WRITTEN.inc(len(written))
            telemetry.EVENTS_APPENDED.inc(events)
            if self.reader is not None:
                self.reader.written(written, entry)
        if repeated:
            telemetry.APPENDS_REPEATED.inc(repeated)
        if conflicts := len(batch) - len(written) - repeated:
            telemetry.APPENDS_CONFLICT.inc(conflicts)
            if self.reader is not None:  # somebody else wrote what they conflict with
                self.reader.behind(self._position.seq + 1)

    def _on_error(self, batch: list[Append], error: ServerError) -> None:
        """The script did not run, so nothing of the batch was written."""
        if error.code == "NOSCRIPT":
            self.again(batch)
            if self._wire is not None:
                self._wire.post(pack(("SCRIPT", "LOAD", APPEND_THOUGH_FULL.source)), _ignore)
                self._post(self._wire, pack(("SCRIPT", "LOAD", APPEND.source)), self._on_sign_of_life)
        elif error.code in {"LOGID", "LOGSEQ"}:
            divergence = self._position.refused(error.code, str(error).rpartition(" ")[2])
            self._fail(batch, divergence)
            self._diverged(divergence)
        elif error.code == "OOM":
            self._fail([append for append in batch if not append.urgent], LogFull(FULL))
            urgent = [append for append in batch if append.urgent]
            if urgent and self._wire is not None:
                self._send(self._wire, APPEND_THOUGH_FULL, urgent)
        elif error.code in _ELSEWHERE and self._wire is not None:
            self.again(batch)
            self._wire.abort(str(error))
        else:
            logger.error("the store refused appends", error=str(error), appends=len(batch))
            self._fail(batch, LogUnavailable(NOTHING_WRITTEN.format(error)))

    def _fail(self, batch: list[Append], error: LogError) -> None:
        telemetry.APPENDS_FAILED.inc(len(batch))
        for append in batch:
            settle(append, alike(error))

    # --- time -------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """One timer for all: has the batch in flight been out for too long, and is an idle connection still alive?"""
        wire = self._wire
        if wire is None or wire.closed.done():
            return
        left = self._limits.write
        if self._busy:
            left = self._sent_at + self._limits.write - self._loop.time()
            if left <= 0:
                wire.abort("the store did not answer in time")
                return
        else:
            self._post(wire, _PING, self._on_sign_of_life)
        self._watch = self._loop.call_later(left, self._look)

    def _on_sign_of_life(self, reply: Any) -> None:
        if isinstance(reply, ConnectionError):
            return
        self._busy = False
        if self._queue:
            self._schedule()
