"""The lock: everything denied at once, approvals frozen, until it is ended."""

from aiogram import Router
from aiogram.filters import Command, CommandObject
from aiogram.types import Message

from portero.telegram.admission import Admitted
from portero.telegram.context import Context
from portero.telegram.people import Sender
from portero.telegram.render import rich
from portero.telegram.render.message import Message as Answer


def make() -> Router:
    router = Router(name="switch")
    router.message.filter(Admitted())
    router.message.register(lock, Command("lock"))
    router.message.register(unlock, Command("unlock"))
    return router


async def lock(message: Message, command: CommandObject, sender: Sender, context: Context) -> None:
    reason = (command.args or "").strip()[:300] or None
    await context.decisions.lock(sender.actor, reason=reason)
    lines = [
        rich.bold("🔒 Locked"),
        rich.text("Every call is denied and nothing can be approved, on every replica. Calls that run go on."),
        rich.text("/unlock ends it."),
    ]
    context.say(sender.chat, Answer(rich.lines(lines)), reply_to=message.message_id)


async def unlock(message: Message, sender: Sender, context: Context) -> None:
    await context.decisions.unlock(sender.actor)
    words = rich.join((rich.bold("🔓 Unlocked"), rich.text(": policies decide again.")))
    context.say(sender.chat, Answer(words), reply_to=message.message_id)
