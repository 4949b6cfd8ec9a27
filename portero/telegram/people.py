"""Who may decide, and in which chat the bot talks to them: people by user id, never a chat as such."""

from collections import OrderedDict
from collections.abc import Iterable
from enum import Enum
from typing import Final

import attrs

from portero.domain.admin import Admin
from portero.domain.values import Actor
from portero.settings import Secret, TelegramSettings

ATTEMPTS: Final = 5
"""Wrong pairing codes; after them nobody pairs until Portero is started again."""

REMEMBERED: Final = 1_000
"""Strangers who got their one line; more than that is a flood, and the oldest get it again."""


@attrs.frozen
class People:
    """``chat``: where cards and notices go; None while nobody is known. ``users``: who may decide."""

    chat: int | None
    users: frozenset[int]

    @classmethod
    def of(cls, settings: TelegramSettings, paired: Iterable[Admin]) -> "People":
        """The configured ones and those who paired; a configured chat is where the bot talks, whoever paired."""
        admins = list(paired)
        users = {*settings.admin_user_ids, *(admin.user for admin in admins)}
        chat = settings.admin_chat_id
        if chat is not None and chat > 0:  # a private chat has the id of its user
            users.add(chat)
        if chat is None:
            chat = admins[0].chat if admins else next(iter(settings.admin_user_ids), None)
        return cls(chat, frozenset(users))

    def may(self, who: "Sender") -> bool:
        """A known person, as themselves, in the admin chat or alone with the bot."""
        return who.user in self.users and not who.masked and (who.chat in (self.chat, who.user))


@attrs.frozen
class Sender:
    """Who sent an update, and where. ``masked``: as a chat, like anonymous admins and channels, or as a bot."""

    user: int
    chat: int
    name: str = ""
    masked: bool = False

    @property
    def actor(self) -> Actor:
        return Actor("telegram", str(self.user), self.name)


class Answer(Enum):
    """What became of an attempt to pair."""

    RIGHT = "right"
    WRONG = "wrong"
    LOCKED = "locked"
    OFF = "off"


class PairingCode:
    """Checks codes in constant time, and only a few of them. One object a process."""

    def __init__(self, code: Secret | None) -> None:
        self._code = code
        self._wrong = 0

    def check(self, given: str) -> Answer:
        if not self._code:
            return Answer.OFF
        if self._wrong >= ATTEMPTS:
            return Answer.LOCKED
        if self._code.matches(given):
            return Answer.RIGHT
        self._wrong += 1
        return Answer.LOCKED if self._wrong >= ATTEMPTS else Answer.WRONG


class OneLine:
    """Whether a stranger is to be answered: once, so that nobody can make the bot talk."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[int, int], None] = OrderedDict()

    def due(self, sender: Sender) -> bool:
        key = (sender.user, sender.chat)
        if key in self._told:
            return False
        self._told[key] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return True
