"""What every part of the bot works with."""

import hashlib

import attrs

from handlers.core import Core
from handlers.people.admins import Pairing
from handlers.people.decisions import Decisions
from portero.settings import TelegramSettings
from portero.telegram.cards import Cards
from portero.telegram.client import Client
from portero.telegram.drawing import Drawing
from portero.telegram.outbox import Outbox
from portero.telegram.people import OneLine, PairingCode, People
from portero.telegram.render.message import Message


@attrs.frozen
class Context:
    core: Core
    decisions: Decisions
    settings: TelegramSettings
    client: Client
    outbox: Outbox
    drawing: Drawing
    cards: Cards
    pairing: Pairing
    code: PairingCode
    once: OneLine

    def people(self) -> People:
        return People.of(self.settings, self.core.view.admins)

    def say(self, chat: int, message: Message, *, reply_to: int | None = None) -> None:
        self.outbox.say(chat, message, reply_to=reply_to)

    def tool_of(self, token: str) -> str | None:
        """The tool that a button means; None when nothing known has that token."""
        view = self.core.view
        names = {name for name, _ in view.upstreams.tools()} | {entry.subject for entry in view.activity.recent(10_000)}
        return next((name for name in names if tool_token(name) == token), None)


def tool_token(tool: str) -> str:
    """A tool's short name for buttons, whose data is at most 64 bytes: 16 hex digits."""
    return hashlib.blake2b(tool.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
