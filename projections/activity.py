"""What happened lately, one line each: decisions, outcomes, and everything that people and replicas did."""

from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import attrs
import msgspec

from portero.domain.call import Call
from portero.domain.events import Event, Recorded
from portero.domain.ids import ClientId, Millis
from portero.domain.values import Action, Actor
from projections.limits import Limits
from projections.lines import SAID_TO_TASKS, Line, line_of


class Entry(msgspec.Struct, frozen=True):
    """One line. ``type`` is the event's own name; a call that was allowed has one entry only, when it ends."""

    seq: int
    at: Millis
    type: str
    aggregate: str
    subject: str
    """What it is about: a tool, a pattern, an upstream, a replica, a person."""
    actor: Actor
    client: ClientId | None = None
    action: Action | None = None
    """What the policy said of the call, or what a rule says."""
    detail: str | None = None
    """A reason, an error, a number: for people, short."""
    is_error: bool = False
    duration_ms: int | None = None


@attrs.frozen
class ActivityState:
    entries: tuple[Entry, ...]
    counts: dict[str, int]


class Activity:
    """The newest entries, and how many there ever were of each type."""

    def __init__(self, limits: Limits) -> None:
        self._entries: deque[Entry] = deque(maxlen=limits.activity)
        self._counts: Counter[str] = Counter()

    def recent(
        self, limit: int = 50, *, where: Callable[[Entry], bool] | None = None, before: int | None = None
    ) -> list[Entry]:
        """Newest first; ``before``: only entries with a smaller sequence, for the next page."""
        found: list[Entry] = []
        for entry in reversed(self._entries):
            if len(found) >= limit:
                break
            if (before is None or entry.seq < before) and (where is None or where(entry)):
                found.append(entry)
        return found

    def since(self, seq: int) -> list[Entry]:
        """Those after ``seq``, oldest first."""
        found: list[Entry] = []
        for entry in reversed(self._entries):
            if entry.seq <= seq:
                break
            found.append(entry)
        return found[::-1]

    @property
    def counts(self) -> dict[str, int]:
        return dict(self._counts)

    def fold_call(self, recorded: Recorded[Any], call: Call) -> None:
        line = line_of(recorded.event)
        if line.detail is None and call.kind in SAID_TO_TASKS:
            line = msgspec.structs.replace(line, detail=SAID_TO_TASKS[call.kind])
        self._add(recorded, line, call.tool, call.client, call.action)

    def fold(self, recorded: Recorded[Event], subject: str | None = None) -> None:
        line = line_of(recorded.event)
        about = subject or line.subject or recorded.aggregate.partition("/")[2]
        self._add(recorded, line, about, None, line.action)

    def _add(
        self, recorded: Recorded[Any], line: Line, subject: str, client: ClientId | None, action: Action | None
    ) -> None:
        meta = recorded.meta
        self._counts[recorded.type] += 1
        self._entries.append(
            Entry(
                recorded.seq,
                meta.at,
                recorded.type,
                recorded.aggregate,
                subject,
                line.by or meta.actor,
                client,
                action,
                line.detail,
                line.is_error,
                line.duration_ms,
            )
        )

    def dump(self) -> ActivityState:
        return ActivityState(tuple(self._entries), dict(self._counts))

    def load(self, state: ActivityState) -> None:
        self._entries.extend(state.entries)
        self._counts = Counter(state.counts)
