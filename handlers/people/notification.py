"""What a person must be told: taken from the work stream, handed to the channel, and the result recorded."""

from collections.abc import Sequence
from typing import Protocol

import attrs
import structlog

from handlers.core import Core
from portero.domain import call as calls
from portero.domain.commands import RecordNotified, RecordNotifyFailed
from portero.domain.events import CallEvent
from portero.domain.ids import CallId, Millis, call_aggregate, split_aggregate
from portero.domain.values import SYSTEM, Status
from portero.log import KEEP, Pointer, Write

logger = structlog.get_logger()


@attrs.frozen
class Notified:
    """A message that a person got about a call.

    ``ref`` is the channel's own reference of the message; ``channel`` the notifier's, and where that sends more than
    one message about a call, what this one is: ``telegram`` for the card, ``telegram.half`` for a reminder.
    """

    ref: str
    channel: str


class NotifyError(Exception):
    """The channel could not tell. ``retry_in_ms`` None: trying again makes no sense. ``told``: what went well."""

    def __init__(self, message: str, retry_in_ms: int | None, told: Sequence[Notified] = ()) -> None:
        super().__init__(message)
        self.retry_in_ms = retry_in_ms
        self.told = tuple(told)


class Notifier(Protocol):
    """A channel to people, such as Telegram."""

    channel: str

    async def call_changed(self, call: calls.Call) -> Sequence[Notified]:
        """Shows a call as it stands: a new card, or an edit of the one that is there. Empty: nothing to tell.

        Raises NotifyError. Called again for the same state after a crash, so it must be safe to repeat.
        """


async def tell(core: Core, notifier: Notifier, call: CallId, *, cause: int | None = None) -> None:
    """Tells people where a call stands now, and records that they were told, or when to try again."""
    state = core.view.calls.get(call)
    if state is None:
        return
    failed: RecordNotifyFailed | None = None
    try:
        told = await notifier.call_changed(state)
    except NotifyError as error:
        logger.warning("notification failed", call=call, error=str(error), retry_in_ms=error.retry_in_ms)
        retry = Millis(core.clock() + error.retry_in_ms) if error.retry_in_ms is not None else None
        told, failed = error.told, RecordNotifyFailed(notifier.channel, str(error), retry)
    await record(core, call, told, failed, cause=cause)


async def record(
    core: Core,
    call: CallId,
    told: Sequence[Notified],
    failed: RecordNotifyFailed | None = None,
    *,
    cause: int | None = None,
) -> None:
    """Puts on the log which messages about a call were sent, and what could not be."""
    commands: list[RecordNotified | RecordNotifyFailed] = [RecordNotified(one.channel, one.ref) for one in told]
    if failed is not None:
        commands.append(failed)

    def build(now: Millis) -> tuple[Write, ...]:
        state = core.view.calls.get(call)
        if state is None:
            return ()
        after = state
        events: list[CallEvent] = []
        for command in commands:
            more = calls.decide(after, command, now)
            after = calls.preview(after, more, now, SYSTEM)
            events += more
        if not events:
            return ()
        # While it runs, its timer is the lease, which the heartbeat has moved on since the call started.
        timer = KEEP if after.status is Status.EXECUTING else calls.timer(after)
        return (Write(call_aggregate(call), state.version, tuple(events), timer=timer, ends=after.finished),)

    if commands:
        await core.commit(build, actor=SYSTEM, cause=cause)


class Notifications:
    """The consumer of the ``notification`` work stream. ``notifier`` None: people use the command line."""

    def __init__(self, core: Core, notifier: Notifier | None) -> None:
        self._core = core
        self._notifier = notifier

    async def handle(self, pointer: Pointer) -> None:
        kind, identity = split_aggregate(pointer.aggregate)
        if kind != "call" or self._notifier is None:
            return
        await self._core.reach(pointer.seq)
        await self.deliver(CallId(identity), cause=pointer.seq)

    async def deliver(self, call: CallId, *, cause: int | None = None) -> None:
        if self._notifier is not None:
            await tell(self._core, self._notifier, call, cause=cause)
