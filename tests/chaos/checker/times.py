"""What time brings comes, and not before its time: approvals and grants end, leases run out."""

from collections.abc import Iterator

from tests.chaos.checker.lives import Life, lives_of
from tests.chaos.checker.violation import Violation
from tests.chaos.history import Entry, History

EARLY = "nothing ends before its time"
LATE = "what is over is over"
ONCE = "a grant ends once"
FORGOTTEN = "what time ends does end"
SLACK_MS = 5_000
"""How much later than its time something may be noticed when all is quiet."""
LOST = "stopped before it reported"
"""So an outcome's reason begins when a lease has run out."""


def check(history: History) -> Iterator[Violation]:
    for life in lives_of(history.log).values():
        yield from _approval(life, history.quiet_at)
        yield from _lease(life)
    yield from _grants(history)


def _approval(life: Life, quiet_at: int) -> Iterator[Violation]:
    """An approval can be given for so long, and then holds for as long again until the call has started."""
    about, ends, lasts = f"call {life.id}", 0, 0
    for entry in life.events:
        late, early = entry.at - ends, ends - entry.at
        if entry.type == "ApprovalRequested":
            ends = entry.data["expires_at"]
            lasts = ends - entry.at
        elif entry.type == "ApprovalExpired" and early > 0:
            yield Violation(EARLY, about, f"it expired at {entry.n}, {early} ms too early")
        elif entry.type == "CallApproved":
            if late >= 0:
                yield Violation(LATE, about, f"it was approved at {entry.n}, {late} ms after it had expired")
            ends = entry.at + lasts
        elif entry.type == "OutcomeResolved":
            ends = entry.at + lasts
        elif entry.type == "ExecutionStarted" and life.asked and late >= 0:
            yield Violation(LATE, about, f"it started at {entry.n}, {late} ms after its approval had expired")
    if life.status == "pending-approval" and ends + SLACK_MS < quiet_at:
        yield Violation(FORGOTTEN, about, f"it still waits, {quiet_at - ends} ms after its time")


def _lease(life: Life) -> Iterator[Violation]:
    lease = 0
    for entry in life.events:
        if entry.type == "ExecutionStarted":
            lease = entry.data["lease_until"]
        elif entry.type == "ExecutionOutcomeUnknown" and LOST in entry.data["reason"] and entry.at < lease:
            text = f"its lease ended {lease - entry.at} ms after it was given up at {entry.n}"
            yield Violation(EARLY, f"call {life.id}", text)


def _grants(history: History) -> Iterator[Violation]:
    ends: dict[str, int] = {}
    for entry in history.log:
        if entry.type == "GrantIssued":
            ends[entry.aggregate] = entry.data["expires_at"]
        elif entry.type in {"GrantExpired", "GrantRevoked"}:
            end = ends.pop(entry.aggregate, None)
            if end is None:
                yield Violation(ONCE, entry.aggregate, f"{entry.type} at {entry.n}, and it had ended")
            elif entry.type == "GrantExpired" and entry.at < end:
                yield Violation(EARLY, entry.aggregate, f"it expired at {entry.at}, before {end}")
    for aggregate, end in standing_grants(history.log).items():
        if end + SLACK_MS < history.quiet_at:
            yield Violation(FORGOTTEN, aggregate, f"it still stands, {history.quiet_at - end} ms after its time")


def standing_grants(log: tuple[Entry, ...]) -> dict[str, int]:
    """When those end (ms) that have not ended yet."""
    ends: dict[str, int] = {}
    for entry in log:
        if entry.type == "GrantIssued":
            ends[entry.aggregate] = entry.data["expires_at"]
        elif entry.type in {"GrantExpired", "GrantRevoked"}:
            ends.pop(entry.aggregate, None)
    return ends
