"""Everything of this package put together."""

from datetime import tzinfo
from typing import Final

from handlers.core import Core
from handlers.people.admins import Pairing
from handlers.people.decisions import Decisions
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
from portero.telegram.redrawing import REST_SECONDS, Redrawing
from portero.telegram.webhook import Webhook

LEASE: Final = "telegram"
DRAIN_SECONDS: Final = 2.0


class Assembly:
    """Made on the event loop. Raises ConfigError for a token that is none. The options are for tests."""

    def __init__(
        self,
        core: Core,
        decisions: Decisions,
        settings: TelegramSettings,
        webhook: Webhook | None,
        *,
        zone: tzinfo | None = None,
        pace: Pace | None = None,
        poll_seconds: int = POLL_SECONDS,
        look_seconds: float = LOOK_SECONDS,
        step_back_seconds: float = STEP_BACK_SECONDS,
        rest_seconds: float = REST_SECONDS,
        since: int,
    ) -> None:
        log = core.log
        self._client = Client(make_bot(settings.token.reveal(), settings.api_base), pace or Pace())
        self._outbox = Outbox(self._client)
        drawing = Drawing(core, zone, show_real=settings.show_real)
        self.cards = Cards(core, self._client, drawing, lambda: People.of(settings, core.view.admins))
        self.redrawing = Redrawing(core, self.cards, rest_seconds=rest_seconds)
        context = Context(
            core,
            decisions,
            settings,
            self._client,
            self._outbox,
            drawing,
            self.cards,
            Pairing(core),
            PairingCode(settings.pairing_code),
            OneLine(),
        )
        intake = Intake(context)
        poller = None
        if webhook is not None:
            webhook.connect(intake.receive)
        else:
            note = Note(log, "telegram.offset")
            poller = Poller(self._client, intake, note, core.clock, poll_seconds=poll_seconds)
        self.leader = Leader(
            context,
            lambda: Lease(log, LEASE),
            lambda name: Note(log, name),
            poller=poller,
            webhook=webhook,
            look_seconds=look_seconds,
            step_back_seconds=step_back_seconds,
            since=since,
        )

    async def close(self) -> None:
        await self._outbox.drain(DRAIN_SECONDS)
        await self._client.close()
