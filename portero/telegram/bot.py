"""The bot for the composition root: there at once, while the library behind it, slow to import, loads in a thread."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from handlers.core import Core
from handlers.people.decisions import Decisions
from handlers.people.notification import Notified
from portero.domain.call import Call
from portero.settings import TelegramSettings
from portero.telegram.webhook import Webhook

if TYPE_CHECKING:
    from portero.telegram.assembly import Assembly


class Bot:
    """One per process, on every replica: all send and edit cards, one at a time polls and does the duties.

    ``notifier`` goes to Notifications, ``loops`` to the process's background, ``webhook`` (None when polling) to the
    gateway; ``stop`` comes after the loops were stopped. aiogram takes 3 to 4 s of CPU to import (measured), which the
    start of a gateway must not wait for, so it is imported when the loop runs.
    """

    channel = "telegram"

    def __init__(self, core: Core, decisions: Decisions, settings: TelegramSettings, **options: Any) -> None:
        self._core, self._decisions, self._settings, self._options = core, decisions, settings, options
        self._since = core.view.seq
        self._assembled: asyncio.Future[Assembly] = asyncio.get_running_loop().create_future()
        self.webhook = Webhook(settings, settings.webhook_url) if settings.webhook_url else None

    @property
    def notifier(self) -> "Bot":
        return self

    @property
    def loops(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """What must run as long as the process serves, by name."""
        return {"telegram": self._run, "telegram cards": self._redraw}

    async def call_changed(self, call: Call) -> Sequence[Notified]:
        """See ``handlers.people.notification.Notifier``."""
        assembly = await asyncio.shield(self._assembled)
        return await assembly.cards.call_changed(call)

    async def stop(self) -> None:
        """Sends the answers that wait, for a moment, and disconnects."""
        if self._assembled.done():
            await self._assembled.result().close()

    async def _run(self) -> None:
        if not self._assembled.done():
            assemble = await asyncio.to_thread(_import)
            self._assembled.set_result(
                assemble(self._core, self._decisions, self._settings, self.webhook, since=self._since, **self._options)
            )
        await self._assembled.result().leader.run()

    async def _redraw(self) -> None:
        await (await asyncio.shield(self._assembled)).redrawing.run()


def _import() -> Any:
    from portero.telegram.assembly import Assembly

    return Assembly
