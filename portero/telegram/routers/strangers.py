"""For people the bot does not know: pairing, their own id, and otherwise one line and no effect."""

import structlog
from aiogram import Router
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, Message

from portero.errors import AlreadyDecided
from portero.telegram.admission import Admitted
from portero.telegram.context import Context
from portero.telegram.people import Answer, Sender
from portero.telegram.render.answers import help_text, plain

logger = structlog.get_logger("portero.telegram")

_WORDS = {
    Answer.OFF: "Pairing is off: no PAIRING_CODE is set.",
    Answer.WRONG: "That is not the code.",
    Answer.LOCKED: "Pairing is locked until Portero is started again.",
}


def make() -> Router:
    router = Router(name="strangers")
    router.message.filter(Admitted(False))
    router.callback_query.filter(Admitted(False))
    router.message.register(pair, Command("pair"))
    router.message.register(whoami, Command("whoami", "start", "help"))
    router.message.register(anything)
    router.callback_query.register(tap)
    return router


async def pair(message: Message, command: CommandObject, sender: Sender, context: Context) -> None:
    if context.people().users or sender.masked:
        if context.once.due(sender):
            context.say(sender.chat, plain("This bot has its admin already."))
        return
    checked = context.code.check((command.args or "").strip())
    logger.warning("an attempt to pair", user=sender.user, chat=sender.chat, outcome=checked.value)
    if checked is not Answer.RIGHT:
        if checked is not Answer.LOCKED or context.once.due(sender):
            context.say(sender.chat, plain(_WORDS[checked]), reply_to=message.message_id)
        return
    try:
        await context.pairing.pair(sender.user, sender.name, sender.chat)
    except AlreadyDecided:
        context.say(sender.chat, plain("Somebody else was faster: this bot has its admin now."))
        return
    context.say(sender.chat, plain("✅ Paired: you are the admin now, and nobody else can pair."))
    context.say(sender.chat, help_text())


async def whoami(message: Message, sender: Sender, context: Context) -> None:
    if context.once.due(sender):
        hint = "" if context.people().users else " Send /pair CODE to pair."
        words = f"I do not know you. Your user id is {sender.user}, this chat's id is {sender.chat}.{hint}"
        context.say(sender.chat, plain(words), reply_to=message.message_id)


async def anything(message: Message, sender: Sender, context: Context) -> None:
    if sender.chat == sender.user and context.once.due(sender):
        context.say(sender.chat, plain("I do not know you."), reply_to=message.message_id)


async def tap(query: CallbackQuery, context: Context) -> None:
    context.outbox.answer(query.id, "This is not for you.")
