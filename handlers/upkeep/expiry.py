"""What time brings: approvals and grants end, leases run out, notifications are tried again."""

from collections.abc import Awaitable, Callable

import structlog

from handlers.concluding import conclude
from handlers.core import Core
from handlers.people.notification import Notifications
from portero.domain import call as calls
from portero.domain import grant as grants
from portero.domain.commands import Wake
from portero.domain.ids import Aggregate, CallId, GrantId, Millis, SessionId, split_aggregate
from portero.domain.values import SYSTEM
from portero.log import Write

logger = structlog.get_logger()


class Expiry:
    """Answers timers. Any replica may; the version check lets one of them act.

    ``holds`` says whether a call runs in this very process: after a time without the log, or asleep, its lease is over
    before the heartbeat can prolong it, but it is not lost. ``wake_session`` answers the timers of sessions.
    """

    def __init__(
        self,
        core: Core,
        notifications: Notifications,
        holds: Callable[[Aggregate], bool] = lambda _: False,
        wake_session: Callable[[SessionId], Awaitable[Millis | None]] | None = None,
    ) -> None:
        self._core = core
        self._notifications = notifications
        self._wake_session = wake_session
        self._holds = holds

    async def wake(self, aggregate: Aggregate) -> Millis | None:
        """A timer of this aggregate was due; returns when it wants to be woken next."""
        kind, identity = split_aggregate(aggregate)
        await self._core.catch_up()
        if kind == "call" and self._holds(aggregate):
            return Millis(self._core.clock() + self._core.lease_ms)
        if kind == "call":
            return await self._wake_call(CallId(identity))
        if kind == "grant":
            return await self._wake_grant(aggregate, GrantId(identity))
        if kind == "session" and self._wake_session is not None:
            return await self._wake_session(SessionId(identity))
        logger.warning("a timer of something unknown was dropped", aggregate=aggregate)
        return None

    async def _wake_call(self, call: CallId) -> Millis | None:
        core = self._core
        await conclude(core, call, Wake())
        state = core.view.calls.get(call)
        if state is not None and state.notify_due(core.clock()):
            await self._notifications.deliver(call)
        await core.catch_up()
        state = core.view.calls.get(call)
        return calls.timer(state) if state is not None else None

    async def _wake_grant(self, aggregate: Aggregate, grant: GrantId) -> Millis | None:
        core = self._core

        def build(now: Millis) -> tuple[Write, ...]:
            state = core.view.grants.get(grant)
            events = tuple(grants.decide(state, Wake(), now)) if state is not None else ()
            return (Write(aggregate, None, events, timer=None, ends=True),) if events else ()

        await core.commit(build, actor=SYSTEM, urgent=True)
        await core.catch_up()
        state = core.view.grants.get(grant)
        return grants.timer(state) if state is not None else None
