"""The fold of a call: one event more."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from portero.domain.call_parts import (
    Approval,
    Decision,
    Dialogue,
    Execution,
    Notice,
    Origin,
    Outcome,
    Question,
    Queued,
    Told,
)
from portero.domain.call_state import Call
from portero.domain.events import (
    ApprovalExpired,
    ApprovalNotified,
    ApprovalNotifyFailed,
    ApprovalRequested,
    CallApproved,
    CallCancelled,
    CallContinued,
    CallDenied,
    CallEvent,
    ExecutionFailed,
    ExecutionOutcomeUnknown,
    ExecutionQueued,
    ExecutionStarted,
    ExecutionSucceeded,
    InputGiven,
    InputRequested,
    InputWithdrawn,
    LateOutcomeRecorded,
    Meta,
    OutcomeResolved,
    PolicyDecided,
    Recorded,
    ResultRead,
    TaskGiven,
    ToolCallRequested,
    UpstreamTaskShown,
)
from portero.domain.ids import CallId, Millis, ReplicaId, call_aggregate
from portero.domain.values import Action, Actor, Resolution, Status
from portero.errors import OUTCOME_UNKNOWN, NotFound

AnyRecorded = Recorded[Any]


def evolve(state: Call | None, recorded: Recorded[CallEvent | None]) -> Call:
    """The state after one more event. Raises NotFound when the first is no request: its beginning is no longer held."""
    event = recorded.event
    if state is None:
        if type(event) is not ToolCallRequested:
            raise NotFound(f"{recorded.aggregate} has no beginning on this log.")
        origin = Origin(CallId(recorded.aggregate[5:]), recorded.seq, recorded.meta.at, event, recorded.meta.trace)
        return Call(origin, recorded.version, recorded.seq, Status.REQUESTED)
    fold = _FOLDS.get(type(event))
    if fold is None:
        return _with(state, recorded, foreign=True)
    return fold(state, event, recorded)


def preview(state: Call, events: Iterable[CallEvent], now: Millis, by: Actor) -> Call:
    """The state as it will be once ``events`` are on the log, for what must be known before."""
    meta = Meta(now, by, ReplicaId(""), "")
    for event in events:
        aggregate = call_aggregate(state.id)
        recorded = Recorded(state.last_seq, "", aggregate, state.version + 1, type(event).__name__, event, meta)
        state = evolve(state, recorded)
    return state


def _with(state: Call, recorded: AnyRecorded, **changes: Any) -> Call:
    return replace(state, version=recorded.version, last_seq=recorded.seq, **changes)


# --- an allowed call --------------------------------------------------------------------------------------------------


def _policy_decided(state: Call, event: PolicyDecided, recorded: AnyRecorded) -> Call:
    if event.action is Action.DENY:
        return _with(state, recorded, policy=event, status=Status.DENIED, ended_at=recorded.meta.at)
    return replace(state, version=recorded.version, last_seq=recorded.seq, policy=event)


def _queued(state: Call, event: ExecutionQueued, recorded: AnyRecorded) -> Call:
    return _with(state, recorded, status=Status.QUEUED, queued=Queued(recorded.meta.at, event))


def _started(state: Call, event: ExecutionStarted, recorded: AnyRecorded) -> Call:
    late = state.execution.late if state.execution else ()
    execution = Execution(event.replica, event.attempt, recorded.meta.at, event.lease_until, event.retry_safe, late)
    return _with(state, recorded, status=Status.EXECUTING, execution=execution, outcome=None, ended_at=None)


def _succeeded(state: Call, event: ExecutionSucceeded, recorded: AnyRecorded) -> Call:
    values = (event.is_error, event.result_blob, event.result_bytes, event.result_digest, event.duration_ms)
    outcome = Outcome(*values, event.asks)
    return _with(state, recorded, status=Status.COMPLETED, outcome=outcome, ended_at=recorded.meta.at)


# --- asking -----------------------------------------------------------------------------------------------------------


def _asked(state: Call, event: ApprovalRequested, recorded: AnyRecorded) -> Call:
    at = recorded.meta.at
    approval = Approval(event.digest, event.expires_at, event.facts, at, event.capabilities, event.as_task)
    return _with(state, recorded, status=Status.PENDING, approval=approval)


def _notified(state: Call, event: ApprovalNotified, recorded: AnyRecorded) -> Call:
    told, notice = state.told or Told(), Notice(event.channel, event.ref)
    notices = told.notices if notice in told.notices else (*told.notices, notice)
    return _with(state, recorded, told=Told(notices))


def _notify_failed(state: Call, event: ApprovalNotifyFailed, recorded: AnyRecorded) -> Call:
    told = state.told or Told()
    return _with(state, recorded, told=Told(told.notices, event.attempt, event.error, event.retry_at))


def _approved(state: Call, event: CallApproved, recorded: AnyRecorded) -> Call:
    decision = Decision(recorded.meta.at, event.by, True, None, event.grant, event.rule)
    return _with(state, recorded, status=Status.QUEUED, approval=_decided(state, decision))


def _denied(state: Call, event: CallDenied, recorded: AnyRecorded) -> Call:
    """Waiting: the decision. Approved already: what was found when it was looked at again before it ran."""
    at = recorded.meta.at
    decision = Decision(at, event.by, False, event.reason, None, event.rule)
    if state.status is Status.PENDING:
        return _with(state, recorded, status=Status.DENIED, approval=_decided(state, decision), ended_at=at)
    return _with(state, recorded, status=Status.DENIED, stopped=decision, ended_at=at)


def _expired(state: Call, event: ApprovalExpired, recorded: AnyRecorded) -> Call:
    """Nobody decided in time; or it was approved, and could not start in time."""
    at = recorded.meta.at
    decision = Decision(at, None, False)
    if state.status is Status.PENDING:
        return _with(state, recorded, status=Status.EXPIRED, approval=_decided(state, decision), ended_at=at)
    return _with(state, recorded, status=Status.EXPIRED, stopped=decision, ended_at=at)


def _cancelled(state: Call, event: CallCancelled, recorded: AnyRecorded) -> Call:
    at = recorded.meta.at
    stopped = Decision(at, event.by, False, event.reason)
    return _with(state, recorded, status=Status.CANCELLED, stopped=stopped, ended_at=at)


def _decided(state: Call, decision: Decision) -> Approval | None:
    return replace(state.approval, decision=decision) if state.approval else None


# --- what came of it --------------------------------------------------------------------------------------------------


def _failed(state: Call, event: ExecutionFailed, recorded: AnyRecorded) -> Call:
    outcome = Outcome(duration_ms=event.duration_ms, error=event.error)
    return _with(state, recorded, status=Status.ERROR, outcome=outcome, ended_at=recorded.meta.at)


def _unknown(state: Call, event: ExecutionOutcomeUnknown, recorded: AnyRecorded) -> Call:
    outcome = Outcome(duration_ms=event.duration_ms, unknown_reason=event.reason)
    return _with(state, recorded, status=Status.UNKNOWN, outcome=outcome, ended_at=recorded.meta.at)


def _late(state: Call, event: LateOutcomeRecorded, recorded: AnyRecorded) -> Call:
    """Where the outcome is open, the answer settles it. Where it was cancelled, it is kept and changes nothing else."""
    execution = state.execution
    if execution is None:
        return _with(state, recorded)
    attempt = event.attempt or execution.attempt
    execution = replace(execution, late=(*execution.late, attempt))
    settled = _with(state, recorded, execution=execution)
    if attempt != execution.attempt or state.status not in {Status.UNKNOWN, Status.CANCELLED}:
        return settled
    outcome = replace(
        state.outcome or Outcome(),
        is_error=event.is_error,
        result_blob=event.result_blob,
        result_bytes=event.result_bytes,
        result_digest=event.result_digest,
        error=event.error,
    )
    if state.status is Status.CANCELLED:
        return replace(settled, outcome=outcome)
    status = Status.COMPLETED if event.error is None else Status.ERROR
    return replace(settled, outcome=outcome, status=status, ended_at=recorded.meta.at)


def _resolved(state: Call, event: OutcomeResolved, recorded: AnyRecorded) -> Call:
    at = recorded.meta.at
    outcome = replace(state.outcome or Outcome(), resolution=event.resolution, resolved_by=event.by, resolved_at=at)
    if event.resolution is Resolution.RUN_AGAIN:
        return _with(state, recorded, status=Status.QUEUED, outcome=outcome, ended_at=None)
    if event.resolution is Resolution.HAPPENED:
        return _with(state, recorded, status=Status.COMPLETED, outcome=outcome, ended_at=at)
    message = f"The outcome was lost; {event.by} says that it did not happen."
    error = msgspec.json.encode({"code": OUTCOME_UNKNOWN, "message": message}).decode()
    return _with(state, recorded, status=Status.ERROR, outcome=replace(outcome, error=error), ended_at=at)


def _read(state: Call, event: ResultRead, recorded: AnyRecorded) -> Call:
    approval = replace(state.approval, read_at=recorded.meta.at) if state.approval else None
    return _with(state, recorded, approval=approval)


# --- the client's part ------------------------------------------------------------------------------------------------


def _input_requested(state: Call, event: InputRequested, recorded: AnyRecorded) -> Call:
    before = state.dialogue or Dialogue()
    questions = (*before.questions, Question(event.key, event.method, event.until, event.blob))
    return _with(state, recorded, dialogue=replace(before, questions=questions, asked=before.asked + 1))


def _input_settled(state: Call, event: InputGiven | InputWithdrawn, recorded: AnyRecorded) -> Call:
    before = state.dialogue or Dialogue()
    questions = tuple(question for question in before.questions if question.key != event.key)
    return _with(state, recorded, dialogue=replace(before, questions=questions))


def _task_given(state: Call, event: TaskGiven, recorded: AnyRecorded) -> Call:
    return _with(state, recorded, dialogue=replace(state.dialogue or Dialogue(), task=True))


def _upstream_task_shown(state: Call, event: UpstreamTaskShown, recorded: AnyRecorded) -> Call:
    return _with(state, recorded, dialogue=replace(state.dialogue or Dialogue(), shown=event))


def _continued(state: Call, event: CallContinued, recorded: AnyRecorded) -> Call:
    return _with(state, recorded, dialogue=replace(state.dialogue or Dialogue(), continued_by=event.by))


_FOLDS: Final[dict[Any, Callable[[Call, Any, AnyRecorded], Call]]] = {
    PolicyDecided: _policy_decided,
    ExecutionQueued: _queued,
    ExecutionStarted: _started,
    ExecutionSucceeded: _succeeded,
    ApprovalRequested: _asked,
    ApprovalNotified: _notified,
    ApprovalNotifyFailed: _notify_failed,
    CallApproved: _approved,
    CallDenied: _denied,
    ApprovalExpired: _expired,
    CallCancelled: _cancelled,
    ExecutionFailed: _failed,
    ExecutionOutcomeUnknown: _unknown,
    LateOutcomeRecorded: _late,
    OutcomeResolved: _resolved,
    InputRequested: _input_requested,
    InputGiven: _input_settled,
    InputWithdrawn: _input_settled,
    TaskGiven: _task_given,
    UpstreamTaskShown: _upstream_task_shown,
    CallContinued: _continued,
    ResultRead: _read,
}
