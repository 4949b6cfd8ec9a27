"""The bot: everything of this package put together, for the composition root."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import tzinfo
from typing import Final

import structlog

from handlers.admins import Pairing
from handlers.core import Core
from handlers.decisions import Decisions
from portero.log import Lease, Note
from portero.settings import TelegramSettings
from portero.telegram.cards import Cards
from portero.telegram.client import Client, make_bot
from portero.telegram.context import Context
from portero.telegram.drawing import Drawing
from portero.telegram.intake import Intake
from portero.telegram.leader import LOOK_SECONDS, STEP_BACK_SECONDS, Leader
from portero.telegram.outbox import Outbox
from portero.telegram.pace import Pace
from portero.telegram.people import OneLine, PairingCode, People
from portero.telegram.polling import POLL_SECONDS, Poller
from portero.telegram.webhook import Webhook

logger = structlog.get_logger("portero.telegram")

LEASE: Final = "telegram"
DRAIN_SECONDS: Final = 2.0


class Bot:
    """One per process, on every replica: all send and edit cards, one at a time polls and does the duties.

    Made and stopped on the event loop. Raises ConfigError for a token that is none. ``notifier`` goes to Notifications,
    ``loops`` to the process's background, ``webhook`` (None when polling) to the gateway.
    """

    def __init__(
        self,
        core: Core,
        decisions: Decisions,
        settings: TelegramSettings,
        *,
        zone: tzinfo | None = None,
        pace: Pace | None = None,
        poll_seconds: int = POLL_SECONDS,
        look_seconds: float = LOOK_SECONDS,
        step_back_seconds: float = STEP_BACK_SECONDS,
    ) -> None:
        log = core.log
        self._client = Client(make_bot(settings.token.reveal(), settings.api_base), pace or Pace())
        self._outbox = Outbox(self._client)
        drawing = Drawing(core, zone, show_real=settings.show_real)
        self.notifier = Cards(core, self._client, drawing, lambda: People.of(settings, core.view.admins))
        context = Context(
            core,
            decisions,
            settings,
            self._client,
            self._outbox,
            drawing,
            self.notifier,
            Pairing(core),
            PairingCode(settings.pairing_code),
            OneLine(),
        )
        intake = Intake(context)
        self.webhook = Webhook(settings, settings.webhook_url, self._client, intake) if settings.webhook_url else None
        poller = None
        if self.webhook is None:
            poller = Poller(self._client, intake, Note(log, "telegram.offset"), poll_seconds=poll_seconds)
        self._leader = Leader(
            context,
            lambda: Lease(log, LEASE),
            lambda name: Note(log, name),
            poller=poller,
            webhook=self.webhook,
            look_seconds=look_seconds,
            step_back_seconds=step_back_seconds,
        )

    @property
    def loops(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """What must run as long as the process serves, by name."""
        return {"telegram": self._leader.run}

    async def stop(self) -> None:
        """After its loops were stopped: sends the answers that wait, for a moment, and disconnects."""
        await self._outbox.drain(DRAIN_SECONDS)
        await self._client.close()
