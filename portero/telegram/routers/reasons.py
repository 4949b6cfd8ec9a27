"""Denying with a reason: a text that replies to a card. And every other text, which gets a hint."""

from typing import Final

from aiogram import F, Router
from aiogram.types import Message

from portero.domain.ids import CallId
from portero.errors import AlreadyDecided, DecisionError, NotFound
from portero.telegram.admission import Admitted
from portero.telegram.callbacks import parse
from portero.telegram.context import Context
from portero.telegram.people import Sender
from portero.telegram.render import rich
from portero.telegram.render.answers import plain
from portero.telegram.render.facts import brief
from portero.telegram.render.message import Message as Answer
from portero.telegram.routers.approvals import already
from portero.telegram.routers.taps import insist

LONGEST: Final = 1_000
"""Characters of a reason; the model reads it."""

RECENT: Final = 200
"""Finished tasks among which a replied message is looked for."""


def make() -> Router:
    router = Router(name="reasons")
    router.message.filter(Admitted())
    router.message.register(deny, F.reply_to_message, F.text, ~F.text.startswith("/"))
    router.message.register(unknown, F.text.startswith("/"))
    router.message.register(anything)
    return router


async def deny(message: Message, sender: Sender, context: Context) -> None:
    call = _call_of(message.reply_to_message, sender, context)
    if call is None:
        _hint(message, sender, context)
        return
    reason = (message.text or "").strip()[:LONGEST]
    try:
        await insist(context, lambda: context.decisions.deny(call, sender.actor, reason=reason))
    except AlreadyDecided as error:
        context.say(sender.chat, plain(already(error, context)), reply_to=message.message_id)
    except NotFound:
        context.say(sender.chat, plain("This task is not known any more."), reply_to=message.message_id)
    except DecisionError as error:
        context.say(sender.chat, plain(str(error)), reply_to=message.message_id)
    else:
        words = (rich.text("⛔ Denied. The reason goes to the client: "), rich.code(brief(reason)))
        context.say(sender.chat, Answer(rich.join(words), silent=True), reply_to=message.message_id)


async def unknown(message: Message, sender: Sender, context: Context) -> None:
    if sender.chat == sender.user:  # in a group it may be another bot's
        context.say(sender.chat, plain("I do not know that command. /help lists them."), reply_to=message.message_id)


async def anything(message: Message, sender: Sender, context: Context) -> None:
    _hint(message, sender, context)


def _hint(message: Message, sender: Sender, context: Context) -> None:
    if sender.chat == sender.user:  # in a group people also talk to each other
        words = "Reply to a card to deny it with a reason; /pending shows what waits, /help the commands."
        context.say(sender.chat, plain(words, silent=True), reply_to=message.message_id)


def _call_of(replied: Message | None, sender: Sender, context: Context) -> CallId | None:
    """By the messages that the log knows of a call, or else by the buttons of the replied one."""
    if replied is None or replied.from_user is None or replied.from_user.id != context.client.bot.id:
        return None
    ref = f"{sender.chat}:{replied.message_id}"
    calls = context.core.view.calls
    for call in (*calls.pending(), *calls.recent(limit=RECENT)):
        if any(notice.ref == ref for notice in call.notified):
            return call.id
    rows = replied.reply_markup.inline_keyboard if replied.reply_markup else []
    taps = [parse(button.callback_data) for row in rows for button in row]
    return next((CallId(tap.about) for tap in taps if tap is not None and calls.get(CallId(tap.about))), None)
