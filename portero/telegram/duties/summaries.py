"""Calls that ran unasked, summarised in silent batches, with buttons to be asked about, or to deny, their tools."""

from collections.abc import Iterable
from typing import Final

import attrs

from portero.domain.values import Action
from portero.log import Note
from portero.telegram.context import Context, tool_token
from portero.telegram.render import notices
from portero.telegram.render.notices import Ran
from projections.activity import Entry

FIRST_MS: Final = 30_000
"""The first batch after a quiet time is told this soon; while calls go on, each batch takes twice as long."""
LONGEST_MS: Final = 900_000


class Summaries:
    """``note`` holds the sequence up to which calls were summarised."""

    def __init__(self, context: Context, note: Note, *, first_ms: int = FIRST_MS) -> None:
        self._context, self._note, self._first_ms = context, note, first_ms
        self._told: int | None = None
        self._window = first_ms
        self._last = 0

    async def look(self) -> None:
        context = self._context
        view, now = context.core.view, context.core.clock()
        if self._told is None:
            self._told = await self._start()
        entries = [entry for entry in view.activity.since(self._told) if counts(entry)]
        if not entries:
            if now - self._last > 2 * self._window:
                self._window = self._first_ms
            return
        chat = context.people().chat
        if chat is None or now - entries[0].at < self._window:
            return
        newest = max(view.seq, entries[-1].seq)
        await context.client.send(chat, notices.summary(summarise(entries), entries[0].at, context.drawing.hour))
        self._told, self._last = newest, now
        self._window = min(2 * self._window, LONGEST_MS)
        await self._note.save(str(newest))

    async def _start(self) -> int:
        found = await self._note.load()
        if found is not None and found.isdigit():
            return int(found)
        now = self._context.core.view.seq
        await self._note.save(str(now))
        return now


def counts(entry: Entry) -> bool:
    """The end of a call that nobody was asked about, or its refusal by policy."""
    if entry.type == "PolicyDecided":
        return entry.action is Action.DENY
    return entry.type in {"ExecutionSucceeded", "ExecutionFailed"} and entry.action is Action.ALLOW


def summarise(entries: Iterable[Entry]) -> list[Ran]:
    """By tool, those with most calls first."""
    found: dict[str, Ran] = {}
    for entry in entries:
        ran = found.get(entry.subject) or Ran(entry.subject, tool_token(entry.subject))
        denied, failed = entry.type == "PolicyDecided", entry.type == "ExecutionFailed"
        wrong = not (denied or failed) and entry.is_error
        found[entry.subject] = attrs.evolve(
            ran,
            done=ran.done + (not (denied or failed or wrong)),
            tool_errors=ran.tool_errors + wrong,
            failed=ran.failed + failed,
            denied=ran.denied + denied,
            clients=ran.clients | {entry.client or ""},
        )
    return sorted(found.values(), key=lambda ran: -(ran.done + ran.tool_errors + ran.failed + ran.denied))
