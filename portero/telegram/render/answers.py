"""What commands answer, as lists and short messages."""

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from portero.domain.call import Call
from portero.domain.grant import Grant
from portero.domain.rule import Rule
from portero.domain.values import Action, Status
from portero.telegram.callbacks import Verb
from portero.telegram.effects import Effect
from portero.telegram.render import rich
from portero.telegram.render.facts import NAME, brief
from portero.telegram.render.listing import Item, Listing
from portero.telegram.render.message import Message, button
from portero.telegram.render.rich import Rich
from portero.telegram.render.standing import Hour, who
from portero.telegram.render.times import count, span
from projections.lines import in_short

ICONS: Final = {
    Status.REQUESTED: "▫️",
    Status.PENDING: "🔔",
    Status.QUEUED: "⏳",
    Status.EXECUTING: "⚙️",
    Status.COMPLETED: "✅",
    Status.ERROR: "❌",
    Status.DENIED: "⛔",
    Status.EXPIRED: "⌛",
    Status.CANCELLED: "🚫",
    Status.UNKNOWN: "❓",
}
ASKS: Final = "💬"
ACTIONS: Final = {Action.ALLOW: "✅ allow", Action.DENY: "⛔ deny", Action.ASK: "✋ ask"}
NAMED: Final = 8
"""Tools named in an answer; the others are counted."""


@attrs.frozen
class Help:
    command: str
    arguments: str
    what: str


COMMANDS: Final = (
    Help("pending", "", "what waits for you"),
    Help("status", "", "how Portero and its servers are"),
    Help("tasks", "[STATUS]", "the newest tasks"),
    Help("task", "ID", "one task with everything about it"),
    Help("grant", "PATTERN DURATION [USES]", "run without asking for a while"),
    Help("revoke", "[ID]", "end one grant, or all"),
    Help("grants", "", "the grants that hold"),
    Help("allow", "PATTERN", "run without asking, for good"),
    Help("deny", "PATTERN", "refuse, for good"),
    Help("rules", "", "what was allowed and denied for good"),
    Help("unrule", "ID", "remove a rule"),
    Help("logs", "[FILTER]", "decisions and results"),
    Help("lock", "[REASON]", "deny everything at once"),
    Help("unlock", "", "end the lock"),
    Help("whoami", "", "your id and this chat's"),
    Help("help", "", "this list"),
)


def plain(words: str, *, silent: bool = False) -> Message:
    return Message(rich.text(words), silent=silent)


def help_text() -> Message:
    lines = [
        rich.bold("Portero asks you before anything dangerous runs"),
        *(rich.text(f"{f'/{entry.command} {entry.arguments}'.rstrip()} — {entry.what}") for entry in COMMANDS),
        rich.text(""),
        rich.text("A pattern is SERVER/TOOL, with * for any run of characters: github/* or stripe/list_*."),
        rich.text("A duration is 30m, 1h, 2h30m, 2d. Filters of /logs: decisions, results, errors, rules, or a word."),
    ]
    return Message(rich.lines(lines))


# --- lists ------------------------------------------------------------------------------------------------------------


def tasks(calls: Sequence[Call], hour: Hour, name: str, title: str) -> Listing:
    return Listing(name, rich.bold(title), tuple(_task(call, hour) for call in calls), "None.")


def _task(call: Call, hour: Hour) -> Item:
    stands = in_short(call)
    words = f" {stands} · {span(hour.now - call.requested_at)} ago"
    if call.status is Status.PENDING and call.expires_at is not None:
        words = f" {span(call.expires_at - hour.now)} left"
    parts = (
        rich.text(f"{ICONS[call.status] if stands == call.status.value else ASKS} "),
        rich.code(brief(call.tool, 80)),
        rich.text(words + " · "),
        rich.code(call.id),
    )
    keys = (button(f"Show {call.id[:6]}", Verb.SHOW_TASK, call.id),) if call.status in _OPEN else ()
    return Item(rich.join(parts), keys)


_OPEN: Final = {Status.PENDING, Status.UNKNOWN}


def grants(held: Iterable[Grant], hour: Hour) -> Listing:
    return Listing("grants", rich.bold("Grants"), tuple(_grant(grant, hour) for grant in held), "No grant holds.")


def _grant(grant: Grant, hour: Hour) -> Item:
    words = f" · {span(grant.expires_at - hour.now)} left"
    if grant.uses_left is not None:
        words += f" · {count(grant.uses_left, 'use')} left"
    words += f" · by {who(grant.by)}"
    text = rich.join(
        (
            rich.code(brief(grant.pattern, NAME)),
            only(literal=grant.literal),
            rich.text(words + " · "),
            rich.code(grant.id),
        )
    )
    return Item(text, (button(f"Revoke {grant.id}", Verb.REVOKE, grant.id),))


def rules(held: Iterable[Rule], hour: Hour) -> Listing:
    return Listing("rules", rich.bold("Rules"), tuple(_rule(rule, hour) for rule in held), "No rule is set.")


def _rule(rule: Rule, hour: Hour) -> Item:
    action = ACTIONS[rule.action] if rule.action is not None else "removed"
    words = f" · by {who(rule.by)}{hour.at(rule.at)} · "
    parts = (
        rich.text(f"{action} "),
        rich.code(brief(rule.pattern, NAME)),
        only(literal=rule.literal),
        rich.text(words),
    )
    return Item(rich.join((*parts, rich.code(rule.id))), (button(f"Remove {rule.id}", Verb.UNRULE, rule.id),))


def only(*, literal: bool) -> Rich:
    return rich.text(" (this tool only)") if literal else ()


# --- effects ----------------------------------------------------------------------------------------------------------


def effect_lines(effect: Effect) -> list[Rich]:
    matching = len(effect.tools)
    if not matching:
        return [rich.text("⚠️ No tool that is known now matches it.")]
    lines = [rich.text(f"{count(matching, 'tool')} {'matches' if matching == 1 else 'match'} now.")]
    if effect.destructive:
        verb = "destroys" if len(effect.destructive) == 1 else "destroy"
        lines.append(_named(f"🔥 {len(effect.destructive):,} of them {verb}: ", effect.destructive))
    if effect.unclear:
        lines.append(rich.text(f"❔ {effect.unclear:,} may destroy: their servers do not say."))
    return lines


def lifted(effect: Effect) -> Rich:
    return _named("⚠️ The configuration denies what this would allow: ", effect.lifts)


def _named(words: str, names: Sequence[str]) -> Rich:
    shown = rich.join((rich.code(brief(name, 60)) for name in names[:NAMED]), ", ")
    more = rich.text(f" and {len(names) - NAMED:,} more") if len(names) > NAMED else ()
    return rich.join((rich.text(words), shown, more))
