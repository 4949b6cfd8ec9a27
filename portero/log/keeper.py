"""Keeps the append connection: connects again by itself, and finds out what became of appends whose answer was lost.

A connection that failed is declared dead in the store first. After that nothing of it can be written any more, wherever
its bytes may still lie, so the log itself says for certain what was written and what never will be.
"""

import asyncio
import secrets
from typing import Final

import structlog

from portero import telemetry
from portero.domain.ids import Seq
from portero.errors import LogDivergence, LogUnavailable, LogUncertain, StoreError
from portero.log.append import Append, Appended, settle
from portero.log.backoff import Backoff
from portero.log.commit import NOTHING_WRITTEN, UNKNOWN, Committer
from portero.log.connect import Store
from portero.log.position import Position
from portero.log.reasons import reason
from portero.log.scripts import APPEND, APPEND_THOUGH_FULL, VOID
from portero.log.wire import ServerError, Wire

logger = structlog.get_logger("portero.log")

LOST: Final = "the connection to its store was lost"
PAGE: Final = 500
NOT_NOW: Final = (OSError, TimeoutError, ServerError, StoreError)
"""What an attempt to connect raises that may go better later."""


class Keeper:
    """Gives the committer a working connection, for as long as ``run`` runs."""

    def __init__(self, store: Store, position: Position, committer: Committer) -> None:
        self._store, self._position, self._committer = store, position, committer
        self._tokens: list[str] = []
        """Names of connections that were lost and are still to be declared dead."""

    async def run(self, wire: Wire, token: str) -> LogDivergence:
        """Watches over the connection that is attached, and replaces it; returns when the store holds another log."""
        loop = asyncio.get_running_loop()
        while True:
            why = await asyncio.shield(wire.closed)
            suspects = self._committer.detach()
            self._tokens.append(token)
            logger.warning("the connection to the log was lost", reason=why, unanswered=len(suspects))
            patience = loop.call_later(self._store.limits.patience, self._give_up, suspects)
            try:
                wire, token = await self._connect_again(suspects)
            except LogDivergence as error:
                _unknown(suspects, LOST)
                return error
            except BaseException:
                _unknown(suspects, LOST)
                raise
            finally:
                patience.cancel()
            logger.info("the log is back")

    async def _connect_again(self, suspects: list[Append]) -> tuple[Wire, str]:
        backoff = Backoff(0.02, 1.0)
        said: set[str] = set()  # each reason once, though a network may give several in turn
        while True:
            try:
                return await self.connect(suspects)
            except NOT_NOW as error:
                self._committer.refuse(LogUnavailable(NOTHING_WRITTEN.format(reason(error))))
                if str(error) not in said:
                    said.add(str(error))
                    logger.warning("cannot reach the log", error=str(error) or "no answer in time")
                await asyncio.sleep(backoff.next())

    def _give_up(self, suspects: list[Append]) -> None:
        self._committer.refuse(LogUnavailable(NOTHING_WRITTEN.format(LOST)))
        _unknown(suspects, LOST)

    # --- connecting -------------------------------------------------------------------------------------------------

    async def connect(self, suspects: list[Append]) -> tuple[Wire, str]:
        """A connection to the same log as ever, attached, and an answer for every suspect.

        Raises any of NOT_NOW, or LogDivergence; then the suspects have none yet.
        """
        wire = await self._store.wire("append")
        try:
            for script in (APPEND, APPEND_THOUGH_FULL):
                await wire.call("SCRIPT", "LOAD", script.source, timeout=self._store.limits.call)
            await self._same_log(wire)
            written = await self._find(wire, suspects) if suspects else {}
            forgotten = bool(suspects) and await self._forgotten(wire)
        except BaseException:
            wire.abort("not usable")
            raise
        self._tokens.clear()
        self._answer(suspects, written, forgotten=forgotten)
        token = secrets.token_hex(8)
        self._committer.attach(wire, token)
        return wire, token

    async def _same_log(self, wire: Wire) -> None:
        """Declares the lost connections dead, and makes sure that everything known of the log still stands."""
        keys, position = self._store.keys, self._position
        known, entry = position.seq, position.entry
        dead = [keys.void(token) for token in self._tokens]
        head = await wire.call("EVAL", VOID.source, 1 + len(dead), keys.head, *dead, timeout=self._store.limits.call)
        position.check(head, known)
        if known == 0:
            return
        [*found] = await wire.call("XRANGE", keys.log, entry, entry, timeout=self._store.limits.call)
        if not found:  # trimmed behind us, or replaced by other events
            [trimmed] = await wire.call("HMGET", keys.head, "trimmed", timeout=self._store.limits.call)
            if known <= int(trimmed or 0):
                return
        if not found or int(found[0][1][7]) != known:
            raise LogDivergence(
                f"Event {known} (entry {entry}) was written or read before and is not on the log any more."
            )

    # --- what became of them ----------------------------------------------------------------------------------------

    async def _find(self, wire: Wire, suspects: list[Append]) -> dict[bytes, list[int]]:
        """The sequences of each suspect's events, by its meta. Certain, because their connection is dead by now."""
        wanted = {append.meta for append in suspects}
        found: dict[bytes, list[int]] = {}
        after = self._committer.since
        while True:
            page = await wire.call(
                "XRANGE", self._store.keys.log, f"({after}", "+", "COUNT", PAGE, timeout=self._store.limits.call
            )
            for entry, fields in page:
                seq = int(fields[7])
                if fields[9] in wanted:
                    found.setdefault(fields[9], []).append(seq)
                self._position.advance(seq, entry.decode())
            if len(page) < PAGE:
                return found
            after = page[-1][0].decode()

    async def _forgotten(self, wire: Wire) -> bool:
        """Whether the stream was trimmed beyond where the suspects may stand: after a very long sleep."""
        log, limit = self._store.keys.log, self._store.limits.call
        found = await wire.call("XRANGE", log, "-", "+", "COUNT", 1, timeout=limit)
        return any(int(fields[7]) > 1 and _order(entry) > _order(self._committer.since) for entry, fields in found)

    def _answer(self, suspects: list[Append], written: dict[bytes, list[int]], *, forgotten: bool) -> None:
        """Those that stand on the log are done; the others are sent again while their caller still waits."""
        now = asyncio.get_running_loop().time()
        again: list[Append] = []
        for append in suspects:
            if (seqs := written.get(append.meta)) is not None:
                telemetry.APPENDS_WRITTEN.inc()
                telemetry.EVENTS_APPENDED.inc(append.events)
                first = Seq(seqs[-1] - append.events + 1)  # the beginning may be trimmed by now
                settle(append, Appended(first, Seq(seqs[-1]), append.policy_floor + append.bumps, repeated=False))
            elif forgotten:
                telemetry.APPENDS_FAILED.inc()
                settle(append, LogUncertain(UNKNOWN.format("this replica slept for too long")))
            elif now < append.deadline and not append.future.done():
                again.append(append)
            else:
                telemetry.APPENDS_FAILED.inc()
                settle(append, LogUnavailable(NOTHING_WRITTEN.format("it did not answer in time")))
        self._committer.again(again)


def _order(entry: bytes | str) -> tuple[int, ...]:
    """Entry ids are two numbers, and stand in their order."""
    text = entry.decode() if isinstance(entry, bytes) else entry
    return tuple(map(int, text.split("-")))


def _unknown(suspects: list[Append], why: str) -> None:
    """For those that still have no answer."""
    telemetry.APPENDS_FAILED.inc(sum(not append.future.done() for append in suspects))
    for append in suspects:
        settle(append, LogUncertain(UNKNOWN.format(why)))
