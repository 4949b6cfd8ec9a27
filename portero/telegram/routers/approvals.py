"""The buttons of cards: one decision for each task, whatever is tapped, by whom, on which replica."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiogram import Router
from aiogram.types import CallbackQuery

from handlers.people.decisions import Decided, Decisions
from portero.domain.ids import CallId
from portero.domain.values import Actor, Resolution, Status
from portero.errors import AlreadyDecided, DecisionError, NotFound
from portero.telegram.admission import Admitted
from portero.telegram.callbacks import Tap, Verb
from portero.telegram.cards import CARD
from portero.telegram.context import Context
from portero.telegram.people import Sender
from portero.telegram.render.facts import brief
from portero.telegram.routers.taps import Tapped, insist

MINUTE: Final = 60_000

Decide = Callable[[Decisions, CallId, Actor], Awaitable[Decided]]

_DECIDE: Final[dict[Verb, Decide]] = {
    Verb.APPROVE: lambda decisions, call, by: decisions.approve(call, by),
    Verb.GRANT_10M: lambda decisions, call, by: decisions.approve(call, by, grant_ms=10 * MINUTE),
    Verb.GRANT_1H: lambda decisions, call, by: decisions.approve(call, by, grant_ms=60 * MINUTE),
    Verb.ALWAYS_ALLOW: lambda decisions, call, by: decisions.approve(call, by, always=True),
    Verb.DENY: lambda decisions, call, by: decisions.deny(call, by),
    Verb.ALWAYS_DENY: lambda decisions, call, by: decisions.deny(call, by, always=True),
    Verb.HAPPENED: lambda decisions, call, by: decisions.resolve(call, by, Resolution.HAPPENED),
    Verb.NOT_HAPPENED: lambda decisions, call, by: decisions.resolve(call, by, Resolution.NOT_HAPPENED),
    Verb.RUN_AGAIN: lambda decisions, call, by: decisions.resolve(call, by, Resolution.RUN_AGAIN),
}
_DONE: Final = {
    Verb.APPROVE: "✅ Approved",
    Verb.GRANT_10M: "✅ Approved, and granted for 10 minutes",
    Verb.GRANT_1H: "✅ Approved, and granted for 1 hour",
    Verb.ALWAYS_ALLOW: "✅ Approved, and allowed from now on",
    Verb.DENY: "⛔ Denied",
    Verb.ALWAYS_DENY: "⛔ Denied, and denied from now on",
    Verb.HAPPENED: "☑️ Noted: it happened",
    Verb.NOT_HAPPENED: "☑️ Noted: it did not happen",
    Verb.RUN_AGAIN: "🔁 It runs again",
}


def make() -> Router:
    router = Router(name="approvals")
    router.callback_query.filter(Admitted())
    router.callback_query.register(decide, Tapped(*_DECIDE))
    router.callback_query.register(reveal, Tapped(Verb.REVEAL))
    router.callback_query.register(show, Tapped(Verb.SHOW_TASK))
    return router


async def decide(query: CallbackQuery, tap: Tap, sender: Sender, context: Context) -> None:
    call = CallId(tap.about)
    try:
        await insist(context, lambda: _DECIDE[tap.verb](context.decisions, call, sender.actor))
    except AlreadyDecided as error:
        context.outbox.answer(query.id, already(error, context), alert=True)
    except NotFound:
        context.outbox.answer(query.id, "This task is not known any more.", alert=True)
    except DecisionError as error:
        context.outbox.answer(query.id, str(error), alert=True)
    else:
        context.outbox.answer(query.id, _DONE[tap.verb])
    _bring_up_to_date(query, call, sender, context)


async def reveal(query: CallbackQuery, tap: Tap, context: Context) -> None:
    call = context.core.view.calls.get(CallId(tap.about))
    pages = await context.drawing.reals(call) if call is not None else []
    if 1 <= tap.page <= len(pages):
        context.outbox.answer(query.id, pages[tap.page - 1], alert=True)
    else:
        context.outbox.answer(query.id, "Nothing in this task is replaced.")


async def show(query: CallbackQuery, tap: Tap, context: Context) -> None:
    call = context.core.view.calls.get(CallId(tap.about))
    if call is None:
        context.outbox.answer(query.id, "This task is not known any more.", alert=True)
        return
    context.outbox.answer(query.id)
    context.outbox.insist(lambda: context.cards.show_again(call))


def already(error: AlreadyDecided, context: Context) -> str:
    """Who was first, and when."""
    hour = context.drawing.hour
    words = {Status.QUEUED.value: "approved", Status.EXECUTING.value: "approved and running"}
    by = f" by {brief(error.by, 60)}" if error.by else ""
    return f"Already {words.get(error.status, error.status)}{by}{hour.at(error.at)}."


def _bring_up_to_date(query: CallbackQuery, call: CallId, sender: Sender, context: Context) -> None:
    """A tapped message that the log does not know as the task's card, such as one sent twice, is edited as well."""
    state = context.core.view.calls.get(call)
    if state is None or query.message is None:
        return
    number = query.message.message_id
    if any(notice.channel == CARD and notice.ref == f"{sender.chat}:{number}" for notice in state.notified):
        return
    context.outbox.later(context.cards.refresh(state, sender.chat, number))
