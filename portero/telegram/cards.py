"""The notifier: one card for each call, edited as the call goes on, and a message of its own when it ends."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final
from weakref import WeakValueDictionary

import structlog

from handlers.core import Core
from handlers.people.notification import Notified, NotifyError, record
from portero.domain.call import Call
from portero.domain.ids import CallId
from portero.domain.values import SYSTEM, Status
from portero.telegram.client import Client, Gone, NotNow, Refused, TelegramError
from portero.telegram.drawing import Drawing
from portero.telegram.people import People
from portero.telegram.render import notices
from portero.telegram.render.card import without_approval
from portero.telegram.render.message import Message

logger = structlog.get_logger("portero.telegram")

CARD: Final = "telegram"
FILE: Final = "telegram.file"

LONGEST_RETRY_SECONDS: Final = 600.0
GIVE_UP_AFTER: Final = 12
"""Attempts to tell of a call that has ended, some hours; a call that waits is tried for as long as it waits."""
REMEMBERED: Final = 1_000

_ANNOUNCED: Final = {Status.COMPLETED, Status.ERROR, Status.EXPIRED, Status.CANCELLED, Status.UNKNOWN}


class Cards:
    """Implements ``handlers.people.notification.Notifier``. One per process; any replica's may show any call."""

    channel = CARD

    def __init__(self, core: Core, client: Client, drawing: Drawing, people: Callable[[], People]) -> None:
        self._core, self._client, self._drawing, self._people = core, client, drawing, people
        self._locks: WeakValueDictionary[CallId, asyncio.Lock] = WeakValueDictionary()
        self._sent: OrderedDict[CallId, dict[str, str]] = OrderedDict()
        """What was sent from here and may not be on the log yet, so that a repetition does not send it twice."""
        self._drawn: OrderedDict[CallId, Turn] = OrderedDict()
        """Whose turn it was when a call was drawn here last."""
        self.grown_old: Callable[[CallId], None] = lambda _: None
        """Told of a card that may show a turn that is over."""

    async def call_changed(self, call: Call) -> Sequence[Notified]:
        """Shows the call as it stands, and looks once more when that is done: another replica may have shown less."""
        lock = self._locks.setdefault(call.id, asyncio.Lock())
        async with lock:
            told: list[Notified] = []
            try:
                while True:
                    await self._show(call, told)
                    await self._core.catch_up()
                    now = self._core.view.calls.get(call.id)
                    if now is None or _face(now) == _face(call):
                        if now is not None and self._drawn.get(call.id, NOBODYS) != turn(now):
                            self.grown_old(call.id)
                        return told
                    call = now
            except TelegramError as error:
                raise self._failed(call, error, told) from error

    async def redraw(self, identity: CallId) -> bool:
        """Shows on its cards whether it is the client's turn; False while an edit could delay a message.

        Raises TelegramError or LogError: then try again later.
        """
        async with self._locks.setdefault(identity, asyncio.Lock()):
            call = self._core.view.calls.get(identity)
            if call is None or self._drawn.get(identity, NOBODYS) == turn(call):
                return True
            places = [_parts(ref) for ref in self._refs(call, CARD)]
            if not all(self._client.has_room(chat) for chat, _ in places):
                return False
            message = await self._drawing.card(call)
            for where, number in places:
                try:
                    await self._client.edit(where, number, message)
                except (Gone, Refused) as error:
                    logger.info("a card is left as it is", call=identity, error=str(error))
            self._has_drawn(call)
            return True

    async def show_again(self, call: Call) -> None:
        """A new card below the others, for who asked for it; it is kept up to date like the first."""
        chat = self._people().chat
        if chat is not None:
            told: list[Notified] = []
            try:
                await self._send_card(call, await self._drawing.card(call), chat, told)
            finally:
                if _kept(call):
                    await record(self._core, call.id, told)

    async def refresh(self, call: Call, chat: int, message_id: int) -> None:
        """Brings one message up to date that may not be on the log as a card of this call."""
        try:
            await self._client.edit(chat, message_id, await self._drawing.card(call))
        except TelegramError as error:
            logger.info("a tapped card was not brought up to date", call=call.id, error=str(error))

    # --- the card ---------------------------------------------------------------------------------------------------

    async def _show(self, call: Call, told: list[Notified]) -> None:
        chat = self._people().chat
        if chat is None:
            return
        cards = self._refs(call, CARD)
        if not cards and call.status not in {Status.PENDING, Status.UNKNOWN}:
            await self._announce(call, chat, None, told)
            return
        message = await self._drawing.card(call)
        newest: int | None = None
        for ref in cards:
            where, number = _parts(ref)
            try:
                await self._client.edit(where, number, message)
            except Gone:
                continue
            newest = number
            told.append(Notified(ref, CARD))
        if newest is None and call.status in {Status.PENDING, Status.UNKNOWN}:
            newest = await self._send_card(call, message, chat, told)
        self._has_drawn(call)
        await self._announce(call, chat, newest, told)

    def _has_drawn(self, call: Call) -> None:
        self._drawn[call.id] = turn(call)
        self._drawn.move_to_end(call.id)
        if len(self._drawn) > REMEMBERED:
            self._drawn.popitem(last=False)

    async def _send_card(self, call: Call, message: Message, chat: int, told: list[Notified]) -> int:
        """The file first, so that a card which speaks of it is never without it."""
        reply_to: int | None = None
        if message.attachment is not None:
            files = self._refs(call, FILE)
            if files:
                reply_to = _parts(files[-1])[1]
            else:
                try:
                    reply_to = await self._client.send_file(chat, message.attachment)
                    self._remember(call, FILE, _ref(chat, reply_to), told)
                except Refused:
                    logger.exception("the arguments could not be sent as a file", call=call.id)
                    message = Message(message.text, without_approval(message.keyboard))
        try:
            number = await self._client.send(chat, message, reply_to=reply_to)
        except Refused:
            logger.exception("a card was refused, a bare one is sent instead", call=call.id, tool=call.tool)
            number = await self._client.send(chat, self._drawing.bare(call, "Telegram refused the card."))
        self._remember(call, CARD, _ref(chat, number), told)
        return number

    # --- its end ----------------------------------------------------------------------------------------------------

    async def _announce(self, call: Call, chat: int, card: int | None, told: list[Notified]) -> None:
        """Once for each end, in a message of its own: an edit makes no sound."""
        own_refusal = call.status is Status.DENIED and call.decided_by == SYSTEM
        if not call.asked or call.resolution is not None or not (call.status in _ANNOUNCED or own_refusal):
            return
        channel = f"{CARD}.{call.status.value}.{call.attempt}"
        if self._refs(call, channel):
            return
        message = notices.outcome(call, self._drawing.hour, await self._drawing.result(call))
        number = await self._client.send(chat, message, reply_to=card)
        self._remember(call, channel, _ref(chat, number), told)

    # --- bookkeeping ------------------------------------------------------------------------------------------------

    def _refs(self, call: Call, channel: str) -> list[str]:
        found = dict.fromkeys(notice.ref for notice in call.notified if notice.channel == channel)
        own = self._sent.get(call.id, {}).get(channel)
        if own is not None:
            found[own] = None
        return list(found)

    def _remember(self, call: Call, channel: str, ref: str, told: list[Notified]) -> None:
        told.append(Notified(ref, channel))
        self._sent.setdefault(call.id, {})[channel] = ref
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)

    def _failed(self, call: Call, error: TelegramError, told: Sequence[Notified]) -> NotifyError:
        """When to try again; None where that makes no sense any more."""
        failures = call.notify_failures
        seconds: float | None = min(2.0 * 2**failures, LONGEST_RETRY_SECONDS)
        if isinstance(error, NotNow):
            seconds = max(seconds or 0.0, error.seconds)
        waits = call.status in {Status.PENDING, Status.UNKNOWN}
        if isinstance(error, Refused) or (not waits and failures >= GIVE_UP_AFTER):
            seconds = None
        return NotifyError(str(error), None if seconds is None else round(seconds * 1000), told)


def _kept(call: Call) -> bool:
    """Whether messages about it may be recorded: a call that nobody was asked about is closed once it has ended."""
    return call.asked or call.status is Status.UNKNOWN


def _face(call: Call) -> tuple[object, ...]:
    """What of a call its card shows."""
    return call.status, call.attempt, call.decision, call.outcome, call.late


Turn = tuple[tuple[str, ...], CallId | None]
NOBODYS: Final[Turn] = ((), None)


def turn(call: Call) -> Turn:
    """What of a call its card shows when its client is asked: the questions, and the call by which it went on."""
    return (
        tuple(dict.fromkeys(question.method for question in call.questions)),
        call.dialogue.continued_by if call.dialogue is not None else None,
    )


def _ref(chat: int, number: int) -> str:
    return f"{chat}:{number}"


def _parts(ref: str) -> tuple[int, int]:
    chat, _, number = ref.partition(":")
    return int(chat), int(number)
