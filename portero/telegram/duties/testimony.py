"""The head of the archive's chain, once a day into the chat: a witness that lies outside of store and archive."""

from typing import Final

from portero.domain.archive import witness
from portero.log import Note
from portero.telegram.context import Context
from portero.telegram.render import notices

DAY_MS: Final = 86_400_000


class Testimony:
    """``note`` holds when it was said last, and what: ``ms log:event:hash``."""

    def __init__(self, context: Context, note: Note) -> None:
        self._context, self._note = context, note
        self._said: tuple[int, str] | None = None

    async def look(self) -> None:
        """Says it where a day has gone by and the head is another one."""
        context = self._context
        chat, archived = context.people().chat, context.core.view.archived
        if chat is None or archived is None or not archived.last:
            return
        if self._said is None:
            at, _, head = (await self._note.load() or "0 ").partition(" ")
            self._said = int(at), head
        now, head = context.core.clock(), witness(context.core.log.id, archived)
        if now - self._said[0] < DAY_MS or head == self._said[1]:
            return
        words = f"The archive's head, up to event {archived.last:,}"
        await context.client.send(chat, notices.happening("🗄", words, "", head, silent=True))
        self._said = now, head
        await self._note.save(f"{now} {head}")
