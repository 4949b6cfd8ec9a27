"""Reminders at half and at nine tenths of an approval's life, and cards for approvals that never got one."""

from typing import Final

from handlers.notification import Notified, record, tell
from portero.domain.call import Call
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

    async def look(self) -> None:
        """Sends what is due; what was sent stands on the log, so nobody is reminded twice."""
        context = self._context
        chat = context.people().chat
        if chat is None:
            return
        now = context.core.clock()
        for channel, due in self._due(now):
            groups = [due] if len(due) > SEPARATE else [[call] for call in due]
            for group in groups:
                card = group[0].ref(CARD) if len(group) == 1 else None
                reply_to = int(card.partition(":")[2]) if card is not None else None
                message = notices.reminder(group, context.drawing.hour)
                number = await context.client.send(chat, message, reply_to=reply_to)
                for call in group:
                    told = [Notified(f"{chat}:{number}", channel)]
                    if channel == LAST and call.ref(HALF) is None:
                        told.append(Notified(f"{chat}:{number}", HALF))
                    await record(context.core, call.id, told)

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
