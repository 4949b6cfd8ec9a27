"""Help, and who asks."""

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message

from portero.telegram.admission import Admitted
from portero.telegram.context import Context
from portero.telegram.people import Sender
from portero.telegram.render import answers
from portero.telegram.render.answers import plain
from portero.telegram.render.facts import brief


def make() -> Router:
    router = Router(name="help")
    router.message.filter(Admitted())
    router.message.register(show_help, Command("help", "start"))
    router.message.register(whoami, Command("whoami"))
    router.message.register(pair, Command("pair"))
    return router


async def show_help(message: Message, sender: Sender, context: Context) -> None:
    context.say(sender.chat, answers.help_text(), reply_to=message.message_id)


async def whoami(message: Message, sender: Sender, context: Context) -> None:
    name = brief(sender.name, 60)
    words = f"You are {name}, an admin. Your user id is {sender.user}, this chat's id is {sender.chat}."
    context.say(sender.chat, plain(words), reply_to=message.message_id)


async def pair(message: Message, sender: Sender, context: Context) -> None:
    context.say(sender.chat, plain("You are an admin already."), reply_to=message.message_id)
