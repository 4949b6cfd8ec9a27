"""How Portero and its servers are, and who asks."""

from typing import Final

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message

from portero.domain.values import Status
from portero.errors import LogError
from portero.telegram.admission import Admitted
from portero.telegram.context import Context
from portero.telegram.people import Sender
from portero.telegram.render import answers, status
from portero.telegram.render.answers import plain

UNKNOWN: Final = 100
"""Tasks with an unknown outcome that are counted."""


def make() -> Router:
    router = Router(name="status")
    router.message.filter(Admitted())
    router.message.register(show_status, Command("status"))
    router.message.register(show_help, Command("help", "start"))
    router.message.register(whoami, Command("whoami"))
    router.message.register(pair, Command("pair"))
    return router


async def show_status(message: Message, sender: Sender, context: Context) -> None:
    context.say(sender.chat, status.status(await standing(context), context.drawing.hour), reply_to=message.message_id)


async def show_help(message: Message, sender: Sender, context: Context) -> None:
    context.say(sender.chat, answers.help_text(), reply_to=message.message_id)


async def whoami(message: Message, sender: Sender, context: Context) -> None:
    words = f"You are {sender.actor.name}, an admin. Your user id is {sender.user}, this chat's id is {sender.chat}."
    context.say(sender.chat, plain(words), reply_to=message.message_id)


async def pair(message: Message, sender: Sender, context: Context) -> None:
    context.say(sender.chat, plain("You are an admin already."), reply_to=message.message_id)


async def standing(context: Context) -> status.Standing:
    """What there is to tell, also while the store does not answer."""
    core = context.core
    view, now = core.view, core.clock()
    store: str | None = None
    lag: int | None = None
    problems: tuple[str, ...] = ()
    try:
        health, head = await core.log.health(), await core.log.head()
        store, lag = f"{health.server}, fsync {health.persistence}", max(0, head.seq - view.seq)
        problems = tuple(problem.text for problem in health.problems)
    except LogError as error:
        problems = (str(error),)
    pending = view.calls.pending()
    newest = view.config.newest()
    return status.Standing(
        pending=len(pending),
        unknown=len(view.calls.recent(status=Status.UNKNOWN, limit=UNKNOWN)),
        untold=sum(call.notify_error is not None for call in pending),
        executing=len(view.calls.executing()),
        grants=len(view.grants.active(now)),
        rules=len(view.rules),
        locked=view.locked,
        upstreams=view.upstreams.states(),
        tools=sum(1 for _ in view.upstreams.tools()),
        replicas=view.replicas.running(),
        skipped=newest.config.skipped if newest is not None else (),
        store=store,
        problems=problems,
        lag=lag,
        archived=view.archived,
        trouble=str(context.client.trouble) if context.client.trouble is not None else None,
    )
