"""The replica that holds the bot's lease: it polls or registers the webhook, and does the duties, each on its own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiogram.types import BotCommand

from portero.errors import LogError
from portero.log import Lease, Note
from portero.telegram.client import NotNow, TelegramError
from portero.telegram.context import Context
from portero.telegram.duties.announcer import Announcer
from portero.telegram.duties.pinned import Pinned
from portero.telegram.duties.reminders import Reminders
from portero.telegram.duties.summaries import Summaries
from portero.telegram.duties.testimony import Testimony
from portero.telegram.intake import KINDS
from portero.telegram.polling import Poller, SteppedBack
from portero.telegram.render.answers import COMMANDS
from portero.telegram.webhook import Webhook

logger = structlog.get_logger("portero.telegram")

LOOK_SECONDS: Final = 1.0
SWEEP_SECONDS: Final = 5.0
SAVE_SECONDS: Final = 30.0
REGISTER_SECONDS: Final = 600.0
"""How often the webhook and the commands are set anew: somebody else may have changed them."""
STEP_BACK_SECONDS: Final = 20.0
LONGEST_PAUSE_SECONDS: Final = 60.0

STRANGERS_COMMANDS: Final = (
    ("pair", "pair with the code that the operator set"),
    ("whoami", "your id and this chat's"),
)


class Leader:
    """``poller`` or ``webhook``, not both. ``since``: where the log was when the process began. Times are for tests."""

    def __init__(
        self,
        context: Context,
        lease: Callable[[], Lease],
        note: Callable[[str], Note],
        *,
        poller: Poller | None,
        webhook: Webhook | None,
        look_seconds: float = LOOK_SECONDS,
        step_back_seconds: float = STEP_BACK_SECONDS,
        since: int,
    ) -> None:
        self._context, self._lease, self._poller, self._webhook = context, lease, poller, webhook
        self._note, self._look, self._step_back = note, look_seconds, step_back_seconds
        self._since = since

    async def run(self) -> None:
        """For ever: waits for the lease, does the work while it is held, and waits again."""
        while True:
            try:
                await self._lease().run_while_held(self._work)
            except SteppedBack:
                logger.warning("steps back: another program polls with this bot's token", pause=self._step_back)
                await asyncio.sleep(self._step_back)
            except LogError as error:
                logger.warning("the bot waits for the log", error=str(error))
                await asyncio.sleep(self._look)

    async def _work(self, epoch: int) -> None:
        context, note = self._context, self._note
        reminders, announcer = Reminders(context), Announcer(context, note("telegram.announced"), self._since)
        loops = [
            self._every(self._look, reminders.look),
            self._every(SWEEP_SECONDS * self._look, reminders.sweep),
            self._every(self._look, Pinned(context, note("telegram.pinned")).look),
            self._every(self._look, announcer.look),
            self._every(SAVE_SECONDS, announcer.save),
            self._every(self._look, Summaries(context, note("telegram.summarised")).look),
            self._every(SWEEP_SECONDS * self._look, Testimony(context, note("telegram.testimony")).look),
            self._every(REGISTER_SECONDS, self._register),
            self._every(REGISTER_SECONDS, self._offer_commands),
        ]
        if self._poller is not None:
            loops.append(self._poller.run())
        tasks = [asyncio.ensure_future(loop) for loop in loops]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _every(self, seconds: float, duty: Callable[[], Awaitable[None]]) -> None:
        """Does its duty again and again; whatever it meets, it tries again soon, then ever later."""
        first = pause = min(seconds, self._look)
        while True:
            wait = seconds
            try:
                await duty()
                pause = first
            except (TelegramError, LogError) as error:
                asked = error.seconds if isinstance(error, NotNow) and not error.barred else 0.0
                wait = max(pause, asked)
                logger.warning("a duty of the bot waits", duty=duty.__qualname__, error=str(error), retry_in=wait)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            except Exception:
                logger.exception("a duty of the bot failed", duty=duty.__qualname__)
                wait = pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(wait)

    async def _register(self) -> None:
        if self._webhook is not None:
            await self._context.client.webhook(self._webhook.url, self._webhook.secret, KINDS)

    async def _offer_commands(self) -> None:
        client, chat = self._context.client, self._context.people().chat
        await client.commands([BotCommand(command=name, description=what) for name, what in STRANGERS_COMMANDS])
        if chat is not None:
            known = [
                BotCommand(command=entry.command, description=f"{entry.arguments} {entry.what}".strip())
                for entry in COMMANDS
            ]
            await client.commands(known, chat)
