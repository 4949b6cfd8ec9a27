"""Reminders at half and at nine tenths of an approval's life, and cards for approvals that never got one."""

from typing import Final

from handlers.people.notification import Notified, record, tell
from portero.domain.call import Call
from portero.domain.ids import CallId
from portero.telegram.cards import CARD
from portero.telegram.context import Context
from portero.telegram.render import notices

HALF: Final = f"{CARD}.half"
LAST: Final = f"{CARD}.ninetenths"

SEPARATE: Final = 3
"""More calls than this are reminded of in one message."""

UNSEEN_MS: Final = 120_000
"""An approval without a card after this long has been missed: whoever was to show it gave up."""


class Reminders:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._sent: dict[tuple[CallId, str], str] = {}
        """Reminders whose record on the log is not known to have succeeded: those are recorded, not sent again."""

    async def look(self) -> None:
        """Sends what is due; what was sent stands on the log, so nobody is reminded twice."""
        chat = self._context.people().chat
        if chat is None:
            return
        for channel, due in self._due(self._context.core.clock()):
            unsent = [call for call in due if (call.id, channel) not in self._sent]
            for group in [unsent] if len(unsent) > SEPARATE else [[call] for call in unsent]:
                ref = await self._remind(chat, group)
                self._sent |= {(call.id, channel): ref for call in group}
            for call in due:
                await self._record(call, channel, self._sent[call.id, channel])
            if due:
                await self._context.core.catch_up()  # or the next look would not see what was recorded
                self._sent = {}

    async def _remind(self, chat: int, group: list[Call]) -> str:
        card = group[0].ref(CARD) if len(group) == 1 else None
        reply_to = int(card.partition(":")[2]) if card is not None else None
        number = await self._context.client.send(
            chat, notices.reminder(group, self._context.drawing.hour), reply_to=reply_to
        )
        return f"{chat}:{number}"

    async def _record(self, call: Call, channel: str, ref: str) -> None:
        told = [Notified(ref, channel)]
        if channel == LAST and call.ref(HALF) is None:
            told.append(Notified(ref, HALF))
        await record(self._context.core, call.id, told)

    async def sweep(self) -> None:
        """Shows approvals that nobody has seen."""
        context = self._context
        if context.people().chat is None:
            return
        view, now = context.core.view, context.core.clock()
        paired_at = max((admin.paired_at for admin in view.admins), default=0)
        for call in view.calls.pending():
            unseen = call.ref(CARD) is None and call.notify_retry_at is None
            if unseen and (now - call.requested_at >= UNSEEN_MS or call.requested_at <= paired_at):
                await tell(context.core, context.cards, call.id)

    def _due(self, now: int) -> list[tuple[str, list[Call]]]:
        half, last = [], []
        for call in self._context.core.view.calls.pending():
            if call.expires_at is None or call.ref(CARD) is None:
                continue
            life, lived = call.expires_at - call.requested_at, now - call.requested_at
            if lived >= life:
                continue
            if lived >= 0.9 * life:
                if call.ref(LAST) is None:
                    last.append(call)
            elif lived >= 0.5 * life and call.ref(HALF) is None:
                half.append(call)
        return [(HALF, half), (LAST, last)]
