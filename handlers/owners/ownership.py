"""Servers of which there must be one instance: which replica runs each, and how another takes it over.

A lease says who may try. What counts is the log: who takes a server over writes so, at the version of the one before
and with a later epoch, and every start of a call on it is fenced by that version. So from that place of the log on
nobody else starts anything there, whatever they believe. Before a byte is sent the lease's own time is asked once more;
and a dead man's switch ends the processes of an owner that sleeps through it, before anybody else may start them.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from functools import partial
from typing import Any, Final

import structlog

from handlers.concluding import conclude
from handlers.core import Core
from portero.domain import owner as owners
from portero.domain.call import Call
from portero.domain.commands import EndOwnership, RecordUnknown, TakeOwnership
from portero.domain.events import OwnershipEnded, OwnershipTaken, Recorded
from portero.domain.ids import owner_aggregate
from portero.domain.values import SYSTEM
from portero.errors import DecisionError, LogError, VersionConflict
from portero.log import Lease, Write, fence
from portero.upstream import Switch, Upstreams

logger = structlog.get_logger()

LEASE_PART: Final = 0.4
"""Of the time after which a replica counts as dead: a server is missed sooner than a call is given up."""
SWITCH_PART: Final = 0.05
"""Of the lease's time: so much before its end the switch goes off, so that all is over by then."""
RETRY_SECONDS: Final = 0.5
DRAIN_SECONDS: Final = 10.0
"""How long calls under way may take when a server is given back; what is left ends as ``outcome-unknown``."""


def lease_name(upstream: str) -> str:
    return f"upstream.{upstream}"


class Term:
    """The time in which this replica runs one server; the permit of its connection."""

    def __init__(self, upstream: str, version: int, lease: Lease, switch: Switch | None) -> None:
        self.upstream = upstream
        self.fence: Write = fence(owner_aggregate(upstream), version)
        """Part of every append that starts a call there."""
        self.lost = asyncio.Event()
        """Another replica has it."""
        self.open = True
        """Whether calls may still be started."""
        self.idle = asyncio.Event()
        self.idle.set()
        self._lease, self.switch = lease, switch
        self._calls = 0

    @property
    def valid(self) -> bool:
        return self._lease.held and not self.lost.is_set()

    def watch(self, group: int) -> None:
        if self.switch is not None:
            self.switch.watch(group)

    def release(self) -> None:
        if self.switch is not None:
            self.switch.release()

    def enter(self) -> None:
        """A call is going to be started; ``leave`` when it has ended, or was not."""
        self._calls += 1
        self.idle.clear()

    def leave(self) -> None:
        self._calls -= 1
        if not self._calls:
            self.idle.set()


class Ownership:
    """This replica's part in it. One instance per process; ``run`` for each of the servers.

    ``taken`` is called when this replica runs a server from now on, and can start calls on it.
    """

    def __init__(
        self, core: Core, upstreams: Upstreams, names: Collection[str], *, drain_seconds: float = DRAIN_SECONDS
    ) -> None:
        self._core, self._upstreams, self._drain = core, upstreams, drain_seconds
        self._ttl = LEASE_PART * core.lease_ms / 1000
        self._terms: dict[str, Term] = {}
        self._stopping = asyncio.Event()
        self._leases = {name: self._lease(name) for name in names}
        self.taken: Callable[[str], None] = lambda _: None
        core.view.subscribe(self._seen, OwnershipTaken)
        core.view.subscribe(self._seen, OwnershipEnded)

    def __contains__(self, upstream: str) -> bool:
        """Whether there is one instance of this server."""
        return upstream in self._leases

    def term(self, upstream: str) -> Term | None:
        """While calls on this server can be started here."""
        term = self._terms.get(upstream)
        return term if term is not None and term.open else None

    def stop(self) -> None:
        """Give every server back: ``run`` returns once calls under way have ended, or their time is up."""
        self._stopping.set()

    async def stopped(self) -> None:
        """Returns when this replica runs none of them any more."""
        while self._terms:  # noqa: ASYNC110 - a matter of seconds, once
            await asyncio.sleep(0.01)

    async def run(self, upstream: str) -> None:
        """Takes a server over whenever it is free, and runs it while it may; until ``stop``."""
        lease = self._leases[upstream]
        while not self._stopping.is_set():
            owner = self._core.view.owners.get(upstream)
            lease.after = owner.epoch if owner is not None else 0
            epochs: list[int] = []
            try:
                await lease.run_while_held(partial(self._serve, upstream, lease, epochs.append))
            finally:
                await self._give_back(upstream, epochs)
            if not epochs:
                await asyncio.sleep(RETRY_SECONDS)

    # --- one term ---------------------------------------------------------------------------------------------------

    async def _serve(self, upstream: str, lease: Lease, begun: Callable[[int], None], epoch: int) -> None:
        version = await self._take(upstream, epoch)
        if version is None:
            return
        begun(epoch)
        lost = [call for call in self._core.view.calls.executing() if call.upstream == upstream]
        losing = asyncio.gather(*(self._lose(call) for call in lost))
        local = self._upstreams.configs[upstream].url is None
        switch = await Switch.start(self._off(lease.until)) if local else None
        term = self._terms[upstream] = Term(upstream, version, lease, switch)
        reason = "this replica may not run it any more"
        try:
            self._upstreams.open(upstream, term)
            logger.info("runs a server of which there is one instance", upstream=upstream, epoch=epoch)
            self.taken(upstream)
            await self._over(term)
            term.open = False
            if self._stopping.is_set():
                reason = "Portero stops"
                await self._drained(term)
        finally:
            term.open = False
            losing.cancel()
            await _to_the_end(self._close(term, reason))

    async def _close(self, term: Term, reason: str) -> None:
        await self._upstreams.close(term.upstream, reason)
        if term.switch is not None:
            await term.switch.stop()
        del self._terms[term.upstream]

    async def _over(self, term: Term) -> None:
        """Until it is to be given back, another replica has it, or nothing guards its processes any more."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._stopping, term.lost)]
        ended = [term.switch.ended] if term.switch is not None else []
        try:
            await asyncio.wait([*waits, *ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _take(self, upstream: str, epoch: int) -> int | None:
        """The version at which this replica has it; None when a later lease was there first."""
        core = self._core
        await core.catch_up()
        if self._stopping.is_set():
            return None
        owner = core.view.owners.get(upstream)
        version = owner.version if owner is not None else 0
        now = core.clock()
        try:
            events = tuple(owners.decide(owner, TakeOwnership(core.log.replica, epoch), now))
            write = Write(owner_aggregate(upstream), version, events)
            appended = await core.log.append(write, actor=SYSTEM, now=now, urgent=True)
        except (VersionConflict, DecisionError) as error:
            logger.warning("a server was not taken over", upstream=upstream, epoch=epoch, reason=str(error))
            return None
        await core.reach(appended.last)
        return version + 1

    async def _lose(self, call: Call) -> None:
        """What the owner before had under way: nobody else will say what came of it, or then as a late answer."""
        reason = (
            f"Replica {call.replica}, which ran {call.upstream}, was gone before it reported what came of the call."
        )
        waited = max(0, self._core.clock() - (call.started_at or 0))
        try:
            await conclude(self._core, call.id, RecordUnknown(call.attempt, reason, waited))
        except (LogError, DecisionError) as error:  # its lease ends, and then whoever notices does the same
            logger.warning("a call of the owner before is left to its lease", call=call.id, error=str(error))

    async def _drained(self, term: Term) -> None:
        try:
            async with asyncio.timeout(self._drain):
                await term.idle.wait()
        except TimeoutError:
            logger.warning("calls still running are left as unknown", upstream=term.upstream)

    async def _give_back(self, upstream: str, epochs: list[int]) -> None:
        """Says that nobody runs it, so that others look at once. They would find out by themselves, later."""
        core = self._core
        owner = core.view.owners.get(upstream)
        if not epochs or owner is None:
            return
        command = EndOwnership(
            core.log.replica, epochs[-1], "Portero stops" if self._stopping.is_set() else "it failed"
        )
        try:
            events = tuple(owners.decide(owner, command, core.clock()))
            if events:
                write = Write(owner_aggregate(upstream), owner.version, events)
                await core.log.append(write, actor=SYSTEM, now=core.clock(), urgent=True)
        except (LogError, DecisionError) as error:
            logger.warning("that a server is free is not on the log", upstream=upstream, error=str(error))

    # --- parts ------------------------------------------------------------------------------------------------------

    def _lease(self, upstream: str) -> Lease:
        def kept(until: float) -> None:
            term = self._terms.get(upstream)
            if term is not None and term.switch is not None:
                term.switch.keep(self._off(until))

        return Lease(self._core.log, lease_name(upstream), ttl_seconds=self._ttl, on_kept=kept)

    def _off(self, until: float) -> float:
        return until - SWITCH_PART * self._ttl

    def _seen(self, recorded: Recorded[Any]) -> None:
        upstream, event = recorded.aggregate.partition("/")[2], recorded.event
        lease, term = self._leases.get(upstream), self._terms.get(upstream)
        if lease is None:
            return
        if isinstance(event, OwnershipEnded):
            lease.nudge()
        elif term is not None and event.replica != self._core.log.replica:
            term.open = False
            term.lost.set()


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Whoever is cancelled meanwhile is so afterwards: no process is left because two wanted it gone."""
    task, cancelled = asyncio.create_task(work), False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    task.result()
