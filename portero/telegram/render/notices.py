"""What the bot says by itself: outcomes, reminders, what ran unasked, what broke."""

from collections.abc import Sequence
from typing import Final

import attrs

from portero.domain.call import Call
from portero.domain.values import Status
from portero.telegram.callbacks import Verb
from portero.telegram.render import rich
from portero.telegram.render.card import keyboard
from portero.telegram.render.facts import LINE, NAME, brief
from portero.telegram.render.message import Button, Message, button
from portero.telegram.render.rich import Rich
from portero.telegram.render.standing import Hour, standing, who
from portero.telegram.render.times import span

MOST_LISTED: Final = 12
BUTTON_NAME: Final = 24
"""Units of a tool's name on a button; the line above it has the whole."""


def outcome(call: Call, hour: Hour, result: str | None) -> Message:
    """A message of its own when a call ends, because the edit of its card makes no sound."""
    lines = standing(call, hour, result)
    tool = rich.join((rich.code(brief(call.tool, NAME)), rich.text(" · task "), rich.code(call.id)))
    quiet = call.status in {Status.COMPLETED, Status.CANCELLED} and not call.is_error
    return Message(rich.lines([lines[0], tool, *lines[1:]]), keyboard(call, 0), silent=quiet)


def reminder(calls: Sequence[Call], hour: Hour) -> Message:
    """Of calls that wait, most of them for long."""
    if len(calls) == 1:
        head = rich.bold("⏰ Still waiting for you")
    else:
        head = rich.bold(f"⏰ {len(calls)} approvals still wait for you")
    return Message(rich.lines([head, *_waiting(calls, hour)]), _show_keys(calls))


def pinned(calls: Sequence[Call], hour: Hour) -> Message:
    """The one message that is kept up to date."""
    count = len(calls)
    if not count:
        return Message(rich.text("✅ Nothing waits for you"), silent=True)
    head = rich.bold(f"⏳ {count:,} {'approval waits' if count == 1 else 'approvals wait'} for you")
    return Message(rich.lines([head, *_waiting(calls, hour, absolute=True)]), _show_keys(calls), silent=True)


def _waiting(calls: Sequence[Call], hour: Hour, *, absolute: bool = False) -> list[Rich]:
    lines = [_waiting_line(call, hour, absolute=absolute) for call in calls[:MOST_LISTED]]
    if len(calls) > MOST_LISTED:
        lines.append(rich.text(f"… and {len(calls) - MOST_LISTED:,} more: /pending"))
    return lines


def _waiting_line(call: Call, hour: Hour, *, absolute: bool) -> Rich:
    expires = call.expires_at or hour.now
    when = f"expires {hour.clock(expires)}" if absolute else f"{span(expires - hour.now)} left"
    return rich.join((rich.code(brief(call.tool, 80)), rich.text(f" · {when} · "), rich.code(call.id)))


def _show_keys(calls: Sequence[Call]) -> tuple[tuple[Button, ...], ...]:
    shown = calls[:MOST_LISTED]
    keys = [
        button(f"Show {number}" if len(shown) > 1 else "Show", Verb.SHOW_TASK, c.id)
        for number, c in enumerate(shown, 1)
    ]
    return tuple(tuple(keys[at : at + 4]) for at in range(0, len(keys), 4))


# --- what ran unasked -------------------------------------------------------------------------------------------------


@attrs.frozen
class Ran:
    """Calls of one tool that nobody was asked about. ``token``: its short name for buttons."""

    tool: str
    token: str
    done: int = 0
    tool_errors: int = 0
    failed: int = 0
    denied: int = 0
    clients: frozenset[str] = frozenset()


def summary(ran: Sequence[Ran], since: int, hour: Hour) -> Message:
    """Those with most calls first."""
    total = sum(one.done + one.tool_errors + one.failed for one in ran)
    denied = sum(one.denied for one in ran)
    words = f"🧾 {total:,} call{'' if total == 1 else 's'} ran unasked" + (f", {denied:,} denied" if denied else "")
    head = rich.join((rich.bold(words), rich.text(f" in {span(hour.now - since)}")))
    lines = [_ran(one) for one in ran[:MOST_LISTED]]
    if len(ran) > MOST_LISTED:
        lines.append(rich.text(f"… and {len(ran) - MOST_LISTED:,} more tools: /logs"))
    keys = tuple(
        (
            button(f"✋ Ask: {short_name(one.tool)}", Verb.TOOL_ASK, one.token),
            button(f"⛔ Deny: {short_name(one.tool)}", Verb.TOOL_DENY, one.token),
        )
        for one in ran[:4]
        if one.done + one.tool_errors + one.failed
    )
    return Message(rich.lines([head, *lines]), keys, silent=True)


def _ran(one: Ran) -> Rich:
    parts = [
        f"{one.done:,} done" if one.done else "",
        f"{one.tool_errors:,} with an error of the tool" if one.tool_errors else "",
        f"{one.failed:,} failed" if one.failed else "",
        f"{one.denied:,} denied" if one.denied else "",
    ]
    by = rich.code(brief(", ".join(sorted(one.clients)), 60))
    counted = ", ".join(part for part in parts if part)
    return rich.join((rich.code(brief(one.tool, 80)), rich.text(f" · {counted} · "), by))


def short_name(tool: str) -> str:
    """The end of a tool's name, which tells more than its server's."""
    name = tool.partition("/")[2] or tool
    return brief(name, BUTTON_NAME)


# --- what broke -------------------------------------------------------------------------------------------------------


def failure(tool: str, token: str, client: str, error: str | None, more: int) -> Message:
    """A call that nobody was asked about failed. ``more``: how many like it were kept quiet since the last one."""
    also = f" (and {more:,} more since the last message)" if more else ""
    lines = [
        rich.bold(f"❌ A call failed{also}"),
        rich.join((rich.code(brief(tool, NAME)), rich.text(" · "), rich.code(brief(client, 60)))),
        rich.code(brief(error, LINE)) if error else (),
    ]
    keys = ((button("✋ Ask from now on", Verb.TOOL_ASK, token), button("⛔ Deny from now on", Verb.TOOL_DENY, token)),)
    return Message(rich.lines(lines), keys)


def happening(
    icon: str, words: str, subject: str, detail: str | None, *, by: str | None = None, silent: bool = False
) -> Message:
    """Anything else worth a message: ``words`` are ours, ``subject`` and ``detail`` foreign."""
    actor = rich.text(f"by {by}") if by else ()
    lines = [
        rich.join((rich.bold(f"{icon} {words}"), rich.text(" "), rich.code(brief(subject, NAME)) if subject else ())),
        rich.code(brief(detail, LINE)) if detail else (),
        actor,
    ]
    return Message(rich.lines(lines), silent=silent)


__all__ = ["Ran", "failure", "happening", "outcome", "pinned", "reminder", "short_name", "summary", "who"]
