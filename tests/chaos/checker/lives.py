"""A call's life: which event may follow which, and how every call stands after each of them."""

import json
from collections.abc import Iterator, Mapping

import attrs

from tests.chaos.checker.violation import Violation
from tests.chaos.history import Entry, History

LIVES = "a call's events follow one another as they may"
ENDS = "every call has an end"

NEXT: Mapping[tuple[str, str], str] = {
    ("", "ToolCallRequested"): "requested",
    ("requested", "PolicyDecided"): "decided",
    ("decided", "ApprovalRequested"): "pending-approval",
    ("decided", "ExecutionStarted"): "executing",
    ("decided", "ExecutionQueued"): "approved-queued",
    ("pending-approval", "CallApproved"): "approved-queued",
    ("pending-approval", "CallDenied"): "denied",
    ("pending-approval", "ApprovalExpired"): "expired",
    ("pending-approval", "CallCancelled"): "cancelled",
    ("approved-queued", "ExecutionStarted"): "executing",
    ("approved-queued", "ExecutionFailed"): "error",
    ("approved-queued", "CallDenied"): "denied",
    ("approved-queued", "CallCancelled"): "cancelled",
    ("approved-queued", "ApprovalExpired"): "expired",
    ("approved-queued", "ExecutionOutcomeUnknown"): "outcome-unknown",
    ("executing", "ExecutionSucceeded"): "completed",
    ("executing", "ExecutionFailed"): "error",
    ("executing", "ExecutionOutcomeUnknown"): "outcome-unknown",
    ("executing", "CallCancelled"): "cancelled",
}
"""What changes a status; late answers, resolutions and bookkeeping are looked at one by one."""

OPEN = frozenset({"requested", "decided", "approved-queued", "executing"})
ENDED = frozenset({"completed", "error", "denied", "expired", "cancelled", "outcome-unknown"})


@attrs.define
class Life:
    """One call so far. ``statuses``: each with the sequence from which on it held."""

    id: str
    argument: str
    tool: str
    statuses: list[tuple[int, str]] = attrs.field(factory=list)
    events: list[Entry] = attrs.field(factory=list)
    asked: bool = False
    action: str = ""
    attempts: int = 0
    runner: str = ""
    """The replica that runs the attempt."""
    retry_safe: bool = False
    answered: set[int] = attrs.field(factory=set)
    """Attempts that have an answer on the log, in time or late."""
    read: bool = False
    wrong: list[Violation] = attrs.field(factory=list)

    @property
    def status(self) -> str:
        return self.statuses[-1][1] if self.statuses else ""

    def of(self, *types: str) -> list[Entry]:
        return [entry for entry in self.events if entry.type in types]

    def take(self, entry: Entry) -> None:
        problem = self._problem(entry)
        if problem:
            text = f"{entry.type} at {entry.n} while {self.status or 'unknown'}: {problem}"
            self.wrong.append(Violation(LIVES, f"call {self.id}", text))
        self.events.append(entry)
        after = self._after(entry)
        if after != self.status:
            self.statuses.append((entry.n, after))

    # --- what may come ------------------------------------------------------------------------------------------------

    def _problem(self, entry: Entry) -> str | None:
        look = LOOKS.get(entry.type)
        if (look is None or look in AFTER) and (self.status, entry.type) not in NEXT:
            return "it must not come here"
        return look(self, entry) if look is not None else None

    def _telling_problem(self, entry: Entry) -> str | None:
        return None if self.asked or self.status in ENDED else "nobody was asked"

    def _read_problem(self, entry: Entry) -> str | None:
        return None if self.status in ENDED and not self.read else "read before its end, or twice"

    def _failed_problem(self, entry: Entry) -> str | None:
        if self.status == "approved-queued":
            return "it says that it was sent, and it had not started" if entry.data["sent"] else None
        return self._outcome_problem(entry)

    def _unknown_problem(self, entry: Entry) -> str | None:
        """What waits to run is in doubt only because it has run before."""
        return "it has never run" if self.status == "approved-queued" and not self.attempts else None

    def _outcome_problem(self, entry: Entry) -> str | None:
        """Only who has started an attempt knows what came of it."""
        return None if entry.replica == self.runner else f"{self.runner} runs it, and {entry.replica} says so"

    def _denied_problem(self, entry: Entry) -> str | None:
        """What is approved is refused only by Portero itself, when it looks once more."""
        refused = self.status != "approved-queued" or entry.data["by"]["kind"] == "system"
        return None if refused else "it was decided already"

    def _start_problem(self, entry: Entry) -> str | None:
        if entry.data["attempt"] != self.attempts + 1:
            return f"attempt {entry.data['attempt']} after {self.attempts}"
        if self.status == "decided" and self.action != "allow":
            return f"the policy said {self.action}"
        return None

    def _queued_problem(self, entry: Entry) -> str | None:
        return f"the policy said {self.action}" if self.action != "allow" else None

    def _late_problem(self, entry: Entry) -> str | None:
        attempt = entry.data["attempt"] or self.attempts
        if not 0 < attempt <= self.attempts:
            return f"there was no attempt {attempt}"
        if attempt in self.answered:
            return f"attempt {attempt} has an answer already"
        return "it is not late" if self.status == "executing" and attempt == self.attempts else None

    def _resolved_problem(self, entry: Entry) -> str | None:
        if self.status != "outcome-unknown":
            return "its outcome is not unknown"
        if entry.data["by"]["kind"] != "system":
            return None
        if entry.data["resolution"] != "run-again":
            return "only a person can say that"
        return (
            None
            if self.retry_safe and (self.asked or self.of("ExecutionQueued"))
            else "it runs again by itself, and must not"
        )

    # --- how it stands then -------------------------------------------------------------------------------------------

    def _after(self, entry: Entry) -> str:
        data = entry.data
        match entry.type:
            case "ToolCallRequested":
                pass
            case "PolicyDecided":
                self.action = data["action"]
                return "denied" if self.action == "deny" else "decided"
            case "ApprovalRequested":
                self.asked = True
            case "ExecutionStarted":
                self.attempts, self.retry_safe = data["attempt"], data["retry_safe"]
                self.runner = data["replica"]
            case "ExecutionSucceeded" | "ExecutionFailed":
                self.answered.add(self.attempts)
            case "ResultRead":
                self.read = True
            case "LateOutcomeRecorded":
                attempt = data["attempt"] or self.attempts
                self.answered.add(attempt)
                if self.status == "outcome-unknown" and attempt == self.attempts:
                    return "completed" if data["error"] is None else "error"
            case "OutcomeResolved":
                return {"happened": "completed", "not-happened": "error", "run-again": "approved-queued"}[
                    data["resolution"]
                ]
        return NEXT.get((self.status, entry.type), self.status)


AFTER = (
    Life._queued_problem,
    Life._start_problem,
    Life._outcome_problem,
    Life._failed_problem,
    Life._denied_problem,
    Life._unknown_problem,
)
"""These look closer at what may come here by the table."""
LOOKS = {
    "ApprovalNotified": Life._telling_problem,
    "ApprovalNotifyFailed": Life._telling_problem,
    "ResultRead": Life._read_problem,
    "LateOutcomeRecorded": Life._late_problem,
    "OutcomeResolved": Life._resolved_problem,
    "ExecutionQueued": Life._queued_problem,
    "ExecutionStarted": Life._start_problem,
    "ExecutionSucceeded": Life._outcome_problem,
    "ExecutionFailed": Life._failed_problem,
    "CallDenied": Life._denied_problem,
    "ExecutionOutcomeUnknown": Life._unknown_problem,
}


def lives_of(log: tuple[Entry, ...]) -> dict[str, Life]:
    """Every call on the log, by its id; one whose beginning is missing has an empty argument."""
    found: dict[str, Life] = {}
    for entry in log:
        if entry.call is None:
            continue
        life = found.get(entry.call)
        if life is None:
            tool = f"{entry.data.get('upstream', '')}/{entry.data.get('name', '')}"
            life = found[entry.call] = Life(entry.call, argument_of(entry), tool)
        life.take(entry)
    return found


def argument_of(entry: Entry) -> str:
    """The id that the request gave itself among its arguments."""
    text = entry.data.get("arguments") or "{}"
    return str(json.loads(text).get("id", ""))


def check(history: History) -> Iterator[Violation]:
    for life in lives_of(history.log).values():
        yield from life.wrong
        if life.status in OPEN:
            since = life.events[-1]
            text = f"it is {life.status} since {since.type} at {since.n}, and all has been quiet"
            yield Violation(ENDS, f"call {life.id}", text)
