"""The pinned message that says how many approvals wait, kept up to date."""

import structlog

from portero.log import Note
from portero.telegram.client import Gone, Refused, TelegramError
from portero.telegram.context import Context
from portero.telegram.render import notices, rich
from portero.telegram.render.message import Message

logger = structlog.get_logger("portero.telegram")


class Pinned:
    """``note`` holds ``chat:message`` of the pinned message."""

    def __init__(self, context: Context, note: Note) -> None:
        self._context, self._note = context, note
        self._shown: str | None = None
        self._ref: str | None = None

    async def look(self) -> None:
        """Edits it when something changed; sends and pins one where there is none and something waits."""
        context = self._context
        chat = context.people().chat
        if chat is None:
            return
        calls = context.core.view.calls.pending()
        message = notices.pinned(calls, context.drawing.hour)
        wanted = f"{chat} {rich.html(message.text)}"
        if wanted == self._shown:
            return
        ref = self._ref or await self._note.load()
        if ref is not None and ref.startswith(f"{chat}:"):
            try:
                await context.client.edit(chat, int(ref.partition(":")[2]), message)
            except (Gone, Refused) as error:
                logger.info("the pinned message is replaced", error=str(error))
                self._ref = None
            else:
                self._shown = wanted
                return
        if calls:
            await self._pin(chat, message)
        self._shown = wanted

    async def _pin(self, chat: int, message: Message) -> None:
        number = await self._context.client.send(chat, message)
        self._ref = f"{chat}:{number}"
        await self._note.save(self._ref)
        try:
            await self._context.client.pin(chat, number)
        except TelegramError as error:  # in a group the bot needs the right to; the message is of use unpinned too
            logger.warning("the message cannot be pinned", error=str(error))
