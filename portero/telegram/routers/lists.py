"""What there is: pending and recent tasks, grants, rules, the log, the status; long answers in pages."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiogram import Router
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, Message

from portero.domain.values import Status
from portero.errors import DecisionError
from portero.telegram.admission import Admitted
from portero.telegram.callbacks import Tap, Verb
from portero.telegram.context import Context
from portero.telegram.people import Sender
from portero.telegram.render import answers, journal, status
from portero.telegram.render.answers import plain
from portero.telegram.render.listing import Listing, page
from portero.telegram.render.message import Message as Answer
from portero.telegram.routers.standing import standing
from portero.telegram.routers.taps import Tapped

NEWEST: Final = 100
LOGGED: Final = 300


def make() -> Router:
    router = Router(name="lists")
    router.message.filter(Admitted())
    router.callback_query.filter(Admitted())
    router.message.register(listing, Command(*_LISTS))
    router.callback_query.register(turn, Tapped(Verb.PAGE))
    router.message.register(task, Command("task"))
    return router


async def listing(message: Message, command: CommandObject, sender: Sender, context: Context) -> None:
    answer = await _page(command.command, (command.args or "").strip(), 1, context)
    context.say(sender.chat, answer, reply_to=message.message_id)


async def turn(query: CallbackQuery, tap: Tap, sender: Sender, context: Context) -> None:
    context.outbox.answer(query.id)
    if tap.about not in _LISTS or not isinstance(query.message, Message):
        return
    asked = query.message.reply_to_message
    words = (asked.text or "").partition(" ")[2].strip() if asked is not None else ""
    answer = await _page(tap.about, words, tap.page, context)
    context.outbox.replace(sender.chat, query.message.message_id, answer)


async def task(message: Message, command: CommandObject, sender: Sender, context: Context) -> None:
    prefix = (command.args or "").strip().lower()
    if not prefix:
        context.say(sender.chat, plain("Which one? /task ID"), reply_to=message.message_id)
        return
    try:
        call = context.core.view.calls.find(prefix)
    except DecisionError as error:
        context.say(sender.chat, plain(str(error)), reply_to=message.message_id)
        return
    context.outbox.insist(lambda: context.cards.show_again(call))


# --- lists ------------------------------------------------------------------------------------------------------------


async def _pending(words: str, context: Context) -> Listing:
    return answers.tasks(context.core.view.calls.pending(), context.drawing.hour, "pending", "⏳ Pending")


async def _tasks(words: str, context: Context) -> Listing:
    chosen = next((one for one in Status if one.value == words.lower()), None)
    calls = context.core.view.calls.recent(status=chosen, limit=NEWEST)
    title = f"Tasks, {chosen.value}" if chosen is not None else "Tasks, newest first"
    return answers.tasks(calls, context.drawing.hour, "tasks", title)


async def _grants(words: str, context: Context) -> Listing:
    return answers.grants(context.core.view.grants.active(context.core.clock()), context.drawing.hour)


async def _rules(words: str, context: Context) -> Listing:
    return answers.rules(context.core.view.rules, context.drawing.hour)


async def _status(words: str, context: Context) -> Listing:
    return status.status(await standing(context), context.drawing.hour)


async def _logs(words: str, context: Context) -> Listing:
    entries = context.core.view.activity.recent(LOGGED, where=journal.chosen(words))
    return journal.journal(entries, context.drawing.hour, words)


_LISTS: Final[dict[str, Callable[[str, Context], Awaitable[Listing]]]] = {
    "pending": _pending,
    "tasks": _tasks,
    "grants": _grants,
    "rules": _rules,
    "logs": _logs,
    "status": _status,
}


async def _page(name: str, words: str, number: int, context: Context) -> Answer:
    return page(await _LISTS[name](words, context), number)
