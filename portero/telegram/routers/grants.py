"""Grants: issued and revoked by commands and buttons, told with their effect."""

from typing import Final

from aiogram import Router
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, Message

from portero.domain.duration import parse_duration
from portero.domain.ids import GrantId
from portero.domain.patterns import Pattern
from portero.errors import DecisionError, Invalid, NotFound
from portero.telegram.admission import Admitted
from portero.telegram.callbacks import Tap, Verb
from portero.telegram.context import Context
from portero.telegram.effects import effect_of
from portero.telegram.people import Sender
from portero.telegram.render import rich
from portero.telegram.render.answers import effect_lines, plain
from portero.telegram.render.facts import NAME, brief
from portero.telegram.render.message import Message as Answer
from portero.telegram.render.message import button
from portero.telegram.render.times import count, span
from portero.telegram.routers.taps import Tapped, insist

_USAGE: Final = "Which tools, and how long? /grant PATTERN DURATION [USES], such as /grant github/* 30m 5"


def make() -> Router:
    router = Router(name="grants")
    router.message.filter(Admitted())
    router.callback_query.filter(Admitted())
    router.message.register(grant, Command("grant"))
    router.message.register(revoke, Command("revoke"))
    router.callback_query.register(revoke_tap, Tapped(Verb.REVOKE))
    return router


async def grant(message: Message, command: CommandObject, sender: Sender, context: Context) -> None:
    words = (command.args or "").split()
    if len(words) not in {2, 3}:
        context.say(sender.chat, plain(_USAGE), reply_to=message.message_id)
        return
    context.say(sender.chat, await _grant(words, sender, context), reply_to=message.message_id)


async def revoke(message: Message, command: CommandObject, sender: Sender, context: Context) -> None:
    word = (command.args or "").strip().lower()
    context.say(
        sender.chat,
        plain(await _revoke(GrantId(word) if word else None, sender, context)),
        reply_to=message.message_id,
    )


async def revoke_tap(query: CallbackQuery, tap: Tap, sender: Sender, context: Context) -> None:
    context.outbox.answer(query.id, await _revoke(GrantId(tap.about), sender, context), alert=True)


async def _grant(words: list[str], sender: Sender, context: Context) -> Answer:
    text = words[0]
    try:
        pattern, duration = Pattern.parse(text), parse_duration(words[1])
        uses = _uses(words[2]) if len(words) == 3 else None
        grant = await context.decisions.grant(text, duration, sender.actor, uses=uses)
    except DecisionError as error:
        return plain(str(error))
    effect = effect_of(pattern, context.core.view.upstreams.tools(), context.core.policy)
    limit = f", at most {count(uses, 'use')}" if uses is not None else ""
    head = rich.join(
        (
            rich.bold("🎫 Granted "),
            rich.code(brief(text, NAME)),
            rich.text(f" for {span(duration)}{limit} · grant {grant}"),
        )
    )
    stay = rich.text("What is denied stays denied: a grant only spares the asking.") if effect.lifts else ()
    return Answer(rich.lines([head, *effect_lines(effect), stay]), ((button(f"Revoke {grant}", Verb.REVOKE, grant),),))


def _uses(word: str) -> int:
    if not word.isascii() or not word.isdigit() or not 0 < int(word[:9]) <= 1_000_000:
        raise Invalid(f"{word!r} is no number of uses. Write a whole number, such as 5.")
    return int(word)


async def _revoke(grant: GrantId | None, sender: Sender, context: Context) -> str:
    try:
        ended = await insist(context, lambda: context.decisions.revoke(grant, sender.actor))
    except NotFound:
        return "There is no such grant any more."
    except DecisionError as error:
        return str(error)
    if not ended:
        return "No grant holds."
    return f"Revoked: {', '.join(ended)}."
