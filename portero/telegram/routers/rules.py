"""Rules: set by commands and buttons, told with their effect, and by a second tap where they override a denial."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

from aiogram import Router
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, Message

from portero.domain.ids import RuleId
from portero.domain.patterns import Pattern
from portero.domain.values import Action
from portero.errors import DecisionError, Invalid, NotFound
from portero.telegram.admission import Admitted
from portero.telegram.callbacks import Tap, Verb
from portero.telegram.context import Context
from portero.telegram.effects import Effect, effect_of
from portero.telegram.people import Sender
from portero.telegram.render import rich
from portero.telegram.render.answers import effect_lines, lifted, plain
from portero.telegram.render.facts import NAME, brief
from portero.telegram.render.message import Message as Answer
from portero.telegram.render.message import button
from portero.telegram.routers.taps import Tapped, insist

CONFIRM_FOR: Final = timedelta(minutes=10)
_USAGE: Final = {
    "allow": "Which tools? /allow PATTERN, such as /allow github/list_*",
    "deny": "Which tools? /deny PATTERN, such as /deny stripe/*",
}
_ACTIONS: Final = {"allow": Action.ALLOW, "deny": Action.DENY}
_SET: Final = {
    Action.ALLOW: "✅ Allowed for good",
    Action.DENY: "⛔ Denied for good",
    Action.ASK: "✋ Asked from now on",
}


def make() -> Router:
    router = Router(name="rules")
    router.message.filter(Admitted())
    router.callback_query.filter(Admitted())
    router.message.register(set_rule, Command("allow", "deny"))
    router.callback_query.register(confirm, Tapped(Verb.CONFIRM))
    router.callback_query.register(dismiss, Tapped(Verb.DISMISS))
    router.callback_query.register(one_tool, Tapped(Verb.TOOL_ASK, Verb.TOOL_DENY))
    router.message.register(unrule, Command("unrule"))
    router.callback_query.register(unrule_tap, Tapped(Verb.UNRULE))
    return router


async def set_rule(message: Message, command: CommandObject, sender: Sender, context: Context) -> None:
    words = (command.args or "").split()
    if len(words) != 1:
        context.say(sender.chat, plain(_USAGE[command.command]), reply_to=message.message_id)
        return
    answer = await _rule(words[0], _ACTIONS[command.command], sender, context)
    context.say(sender.chat, answer, reply_to=message.message_id)


async def confirm(query: CallbackQuery, tap: Tap, sender: Sender, context: Context) -> None:
    asked = query.message.reply_to_message if isinstance(query.message, Message) else None
    words = (asked.text or "").split() if asked is not None else []
    if not isinstance(query.message, Message) or len(words) != 2 or not words[0].startswith("/allow"):
        context.outbox.answer(
            query.id, "I do not know any more what this was about. Send the command again.", alert=True
        )
        return
    if datetime.now(UTC) - query.message.date > CONFIRM_FOR:
        context.outbox.answer(query.id, "That was a while ago. Send the command again.", alert=True)
        return
    answer = await _rule(words[1], Action.ALLOW, sender, context, confirmed=tap.about)
    context.outbox.answer(query.id)
    context.outbox.replace(sender.chat, query.message.message_id, answer)


async def dismiss(query: CallbackQuery, sender: Sender, context: Context) -> None:
    context.outbox.answer(query.id)
    if query.message is not None:
        answer = plain("Nothing was changed.")
        context.outbox.replace(sender.chat, query.message.message_id, answer)


async def one_tool(query: CallbackQuery, tap: Tap, sender: Sender, context: Context) -> None:
    tool = context.tool_of(tap.about)
    if tool is None:
        context.outbox.answer(query.id, "I do not know this tool any more. Use /deny SERVER/TOOL.", alert=True)
        return
    action = Action.ASK if tap.verb is Verb.TOOL_ASK else Action.DENY
    try:
        rule = await context.decisions.set_rule(tool, action, sender.actor, literal=True)
    except DecisionError as error:
        context.outbox.answer(query.id, str(error), alert=True)
        return
    context.outbox.answer(query.id, _SET[action])
    head = rich.join(
        (rich.bold(_SET[action]), rich.text(" "), rich.code(brief(tool, NAME)), rich.text(" (this tool only)"))
    )
    context.say(sender.chat, Answer(head, ((button(f"Remove {rule}", Verb.UNRULE, rule),),), silent=True))


async def unrule(message: Message, command: CommandObject, sender: Sender, context: Context) -> None:
    rule = (command.args or "").strip().lower()
    words = await _remove(RuleId(rule), sender, context) if rule else "Which one? /unrule ID; /rules lists them."
    context.say(sender.chat, plain(words), reply_to=message.message_id)


async def unrule_tap(query: CallbackQuery, tap: Tap, sender: Sender, context: Context) -> None:
    context.outbox.answer(query.id, await _remove(RuleId(tap.about), sender, context), alert=True)


async def _rule(text: str, action: Action, sender: Sender, context: Context, *, confirmed: str | None = None) -> Answer:
    """Sets the rule, or asks first when it would allow what the configuration denies."""
    try:
        pattern = Pattern.parse(text)
    except Invalid as error:
        return plain(str(error))
    effect = effect_of(pattern, context.core.view.upstreams.tools(), context.core.policy)
    if action is Action.ALLOW and effect.lifts:
        token = _token(sender, text, effect)
        if confirmed is None:
            return _question(text, effect, token)
        if confirmed != token:
            return plain("What it would do has changed, or somebody else asked for it. Send the command again.")
    try:
        rule = await context.decisions.set_rule(text, action, sender.actor)
    except DecisionError as error:
        return plain(str(error))
    head = rich.join(
        (rich.bold(_SET[action]), rich.text(" "), rich.code(brief(text, NAME)), rich.text(f" · rule {rule}"))
    )
    over = lifted(effect) if action is Action.ALLOW and effect.lifts else ()
    return Answer(rich.lines([head, *effect_lines(effect), over]), ((button(f"Remove {rule}", Verb.UNRULE, rule),),))


def _question(text: str, effect: Effect, token: str) -> Answer:
    head = rich.join((rich.bold("Allow for good?"), rich.text(" "), rich.code(brief(text, NAME))))
    keys = ((button("Yes, allow it all the same", Verb.CONFIRM, token),), (button("No", Verb.DISMISS),))
    return Answer(rich.lines([head, *effect_lines(effect), lifted(effect)]), keys)


def _token(sender: Sender, text: str, effect: Effect) -> str:
    """Ties a confirmation to the person, the pattern, and what was shown of its effect."""
    shown = "\n".join((str(sender.user), text, *effect.lifts, *effect.tools))
    return hashlib.blake2b(shown.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


async def _remove(rule: RuleId, sender: Sender, context: Context) -> str:
    try:
        await insist(context, lambda: context.decisions.remove_rule(rule, sender.actor))
    except NotFound:
        return "There is no such rule any more."
    except DecisionError as error:
        return str(error)
    return f"Rule {rule} is removed."
