"""Given what happened, when this is asked, then that follows: one line each."""

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest
from msgspec.structs import replace

from portero.domain import call as calls
from portero.domain import grant as grants
from portero.domain import rule as rules
from portero.domain.commands import RecordFailure, RecordSuccess, RequestCall, StartExecution
from portero.domain.events import (
    ApprovalExpired,
    ApprovalRequested,
    CallApproved,
    CallCancelled,
    CallDenied,
    ExecutionFailed,
    ExecutionOutcomeUnknown,
    ExecutionQueued,
    ExecutionStarted,
    ExecutionSucceeded,
    LateOutcomeRecorded,
    Meta,
    OutcomeResolved,
    PolicyDecided,
    Recorded,
    ToolCallRequested,
)
from portero.domain.ids import CallId, ClientId, Millis, ReplicaId
from portero.domain.values import SYSTEM, Action, Actor, Kind, Reason, Resolution, Tier, ToolFacts

NOW = Millis(1_800_000_000_000)
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
CALL = CallId("0123456789abcdef")
CLIENT = ClientId("claude")
R1, R2 = ReplicaId("r1"), ReplicaId("r2")
ANA, BEN = Actor("telegram", "1", "Ana"), Actor("cli", "ben")
EXPIRES, LEASE = Millis(NOW + DAY), Millis(NOW + HOUR)
SAFE = ToolFacts(read_only=True)
BY_PATTERN = Reason(Tier.PATTERN, "github/*")


def recorded(
    event: Any, *, aggregate: str, version: int, seq: int = 0, at: int = NOW, by: Actor = SYSTEM
) -> Recorded[Any]:
    meta = Meta(Millis(at), by, R1, f"w{seq}")
    return Recorded(seq or version, f"{at}-{version}", aggregate, version, type(event).__name__, event, meta)


def unreadable(
    aggregate: str, version: int, type_: str = "FromTheFuture", *, seq: int = 0, at: int = NOW
) -> Recorded[Any]:
    """What the log gives for an event of a newer release."""
    return Recorded(seq or version, "", aggregate, version, type_, None, Meta(Millis(at), SYSTEM, R1, ""))


@attrs.frozen
class Story:
    state: Any
    decide: Callable[..., list[Any]]

    def when(self, command: Any, *, at: int = NOW + SECOND, **also: Any) -> "Ending":
        return Ending(lambda: self.decide(self.state, command, Millis(at), **also))


@attrs.frozen
class Ending:
    answer: Callable[[], list[Any]]

    def then(self, *events: Any) -> None:
        assert self.answer() == list(events)

    def then_nothing(self) -> None:
        assert self.answer() == []

    def then_refused(self, error: type[Exception], text: str | None = None) -> Any:
        with pytest.raises(error, match=text) as caught:
            self.answer()
        return caught.value


def folded(evolve: Callable[[Any, Any], Any], aggregate: str, events: Sequence[Any]) -> Any:
    state = None
    for version, event in enumerate(events, 1):
        state = evolve(state, recorded(event, aggregate=aggregate, version=version))
    return state


def call_of(*events: Any) -> Any:
    return folded(calls.evolve, f"call/{CALL}", events)


def given(*events: Any) -> Story:
    """A call."""
    return Story(call_of(*events), calls.decide)


def given_grant(*events: Any) -> Story:
    return Story(folded(grants.evolve, "grant/g1234567", events), grants.decide)


def given_rule(*events: Any) -> Story:
    aggregate = f"rule/{rules.rule_id(events[0].pattern, literal=events[0].literal)}" if events else ""
    return Story(folded(rules.evolve, aggregate, events), rules.decide)


# --- beginnings that many stories share -------------------------------------------------------------------------

REQUESTED = ToolCallRequested(CLIENT, Kind.TOOL, "github", "create_issue", '{"title":"x"}', None, 13)


def request(action: Action, **changes: Any) -> RequestCall:
    command = RequestCall(
        client=CLIENT, kind=Kind.TOOL, upstream="github", name="create_issue", arguments='{"title":"x"}',
        arguments_blob=None, arguments_bytes=13, extra=None, action=action, reason=BY_PATTERN, policy_version=7,
        facts=ToolFacts(), digest="d1", approval_expires_at=EXPIRES, replica=R1, lease_until=LEASE, retry_safe=False,
    )  # fmt: skip
    return replace(command, **changes)


def decided(action: Action) -> PolicyDecided:
    return PolicyDecided(action, BY_PATTERN, 7)


DENIED_BY_POLICY = (REQUESTED, decided(Action.DENY))
PENDING = (REQUESTED, decided(Action.ASK), ApprovalRequested("d1", EXPIRES, ToolFacts()))
PENDING_SAFE = (REQUESTED, decided(Action.ASK), ApprovalRequested("d1", EXPIRES, SAFE))
QUEUED = (*PENDING, CallApproved(ANA))
STARTED = ExecutionStarted(R1, 1, LEASE)
EXECUTING = (*QUEUED, STARTED)
EXECUTING_SAFE = (*PENDING_SAFE, CallApproved(ANA), ExecutionStarted(R1, 1, LEASE, retry_safe=True))
ALLOWED = (REQUESTED, decided(Action.ALLOW), STARTED)
ASKED_FOR = ExecutionQueued(R1, "d1", wait_ms=MINUTE, lease_ms=15 * SECOND)
ELSEWHERE = (REQUESTED, decided(Action.ALLOW), ASKED_FOR)
"""Allowed, and waiting for the replica that runs the server."""
SAFE_ELSEWHERE = (REQUESTED, decided(Action.ALLOW), replace(ASKED_FOR, facts=SAFE))
LOST = ExecutionOutcomeUnknown("the connection broke", 40)
UNKNOWN = (*EXECUTING, LOST)

# --- what may come of it ------------------------------------------------------------------------------------------

ERROR = '{"code":-32000,"message":"no"}'
SUCCESS = RecordSuccess(1, False, "b1", 8, "d1", 12)
SUCCEEDED = ExecutionSucceeded(False, "b1", 8, "d1", 12)
FAILURE = RecordFailure(1, ERROR, sent=True, duration_ms=5)
FAILED = ExecutionFailed(ERROR, sent=True, duration_ms=5)
LATE = LateOutcomeRecorded(False, "b1", 8, "d1", attempt=1)
START = StartExecution(R2, LEASE, retry_safe=False)
RUN_AGAIN = OutcomeResolved(ANA, Resolution.RUN_AGAIN)

EXPIRED = (*PENDING, ApprovalExpired())
DENIED = (*PENDING, CallDenied(ANA, "not today"))
CANCELLED = (*PENDING, CallCancelled(BEN))
COMPLETED = (*EXECUTING, SUCCEEDED)
ERRED = (*EXECUTING, FAILED)
