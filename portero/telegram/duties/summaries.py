"""Calls that ran unasked, summarised in silent batches, with buttons to be asked about, or to deny, their tools."""

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
        self._read: int | None = None
        self._ran: dict[str, Ran] = {}
        self._since = 0
        self._window = first_ms
        self._last = 0

    async def look(self) -> None:
        """Counts what is new; the view holds only the newest lines, so that must not wait for the batch."""
        context = self._context
        now = context.core.clock()
        if self._read is None:
            self._read = await self._start()
        for entry in context.core.view.activity.since(self._read):
            self._read = entry.seq
            if counts(entry):
                self._since = self._since if self._ran else entry.at
                count(self._ran, entry)
        if not self._ran:
            if now - self._last > 2 * self._window:
                self._window = self._first_ms
            return
        chat = context.people().chat
        if chat is None or now - self._since < self._window:
            return
        read, busiest = self._read, sorted(self._ran.values(), key=_calls, reverse=True)
        await context.client.send(chat, notices.summary(busiest, self._since, context.drawing.hour))
        self._ran, self._last = {}, now
        self._window = min(2 * self._window, LONGEST_MS)
        await self._note.save(str(read))

    async def _start(self) -> int:
        found = await self._note.load()
        if found is not None and found.isdigit():
            return int(found)
        now = self._context.core.view.seq
        await self._note.save(str(now))
        return now


def _calls(ran: Ran) -> int:
    return ran.done + ran.tool_errors + ran.failed + ran.denied


def counts(entry: Entry) -> bool:
    """The end of a call that nobody was asked about, or its refusal by policy."""
    if entry.type == "PolicyDecided":
        return entry.action is Action.DENY
    return entry.type in {"ExecutionSucceeded", "ExecutionFailed"} and entry.action is Action.ALLOW


def count(found: dict[str, Ran], entry: Entry) -> None:
    """Adds one call to its tool's line."""
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
