"""What a person must be told: taken from the work stream, handed to the channel, and the result recorded."""

from typing import Protocol

import attrs
import structlog

from handlers.core import Core
from portero.domain import call as calls
from portero.domain.commands import RecordNotified, RecordNotifyFailed
from portero.domain.ids import CallId, Millis, call_aggregate, split_aggregate
from portero.domain.values import SYSTEM, Status
from portero.log import Pointer, Write

logger = structlog.get_logger()


@attrs.frozen
class Notified:
    """The person was told; ``ref`` is the channel's own reference of the message."""

    ref: str


class NotifyError(Exception):
    """The channel could not tell. ``retry_in_ms`` is None when trying again makes no sense."""

    def __init__(self, message: str, retry_in_ms: int | None) -> None:
        super().__init__(message)
        self.retry_in_ms = retry_in_ms


class Notifier(Protocol):
    """A channel to people, such as Telegram."""

    channel: str

    async def call_changed(self, call: calls.Call) -> Notified | None:
        """Shows a call as it stands: a new card, or an edit of the one that is there. None: nothing to tell.

        Raises NotifyError. Called again for the same state after a crash, so it must be safe to repeat.
        """


class Notifications:
    """The consumer of the ``notification`` work stream. ``notifier`` None: people use the command line."""

    def __init__(self, core: Core, notifier: Notifier | None) -> None:
        self._core = core
        self._notifier = notifier

    async def handle(self, pointer: Pointer) -> None:
        kind, identity = split_aggregate(pointer.aggregate)
        if kind != "call" or self._notifier is None:
            return
        await self._core.view.wait_for(pointer.seq, 5.0)
        await self.deliver(CallId(identity), cause=pointer.seq)

    async def deliver(self, call: CallId, *, cause: int | None = None) -> None:
        """Tells people where a call stands now, and records that they were told, or when to try again."""
        core = self._core
        notifier = self._notifier
        state = core.view.calls.get(call)
        if state is None or notifier is None:
            return
        command: RecordNotified | RecordNotifyFailed
        try:
            told = await notifier.call_changed(state)
            if told is None:
                return
            command = RecordNotified(notifier.channel, told.ref)
        except NotifyError as error:
            logger.warning("notification failed", call=call, error=str(error), retry_in_ms=error.retry_in_ms)
            retry = Millis(core.clock() + error.retry_in_ms) if error.retry_in_ms is not None else None
            command = RecordNotifyFailed(notifier.channel, str(error), retry)

        def build(now: Millis) -> tuple[Write, ...]:
            state = core.view.calls.get(call)
            if state is None or (isinstance(command, RecordNotifyFailed) and state.status is not Status.PENDING):
                return ()
            events = tuple(calls.decide(state, command, now))
            if not events:
                return ()
            after = calls.preview(state, events, now, SYSTEM)
            return (Write(call_aggregate(call), state.version, events, timer=calls.timer(after)),)

        await core.commit(build, actor=SYSTEM, cause=cause)
