"""What may become of a call: every command, decided against the call as it stands and the time."""

from collections.abc import Callable
from typing import Any, Final

from portero.domain import call_dialogue
from portero.domain.call_evolve import evolve, preview
from portero.domain.call_state import Call
from portero.domain.call_unsent import not_run, too_late_to_start, waited_in_vain
from portero.domain.commands import (
    Approve,
    CallCommand,
    Cancel,
    Continue,
    Deny,
    GiveInput,
    GiveTask,
    MarkRead,
    RecordFailure,
    RecordNotified,
    RecordNotifyFailed,
    RecordSuccess,
    RecordUnknown,
    RequestCall,
    RequestInput,
    ResolveOutcome,
    ShowUpstreamTask,
    StartExecution,
    Wake,
    WithdrawInput,
)
from portero.domain.events import (
    ApprovalExpired,
    ApprovalNotified,
    ApprovalNotifyFailed,
    ApprovalRequested,
    CallApproved,
    CallCancelled,
    CallDenied,
    CallEvent,
    ExecutionFailed,
    ExecutionOutcomeUnknown,
    ExecutionStarted,
    ExecutionSucceeded,
    LateOutcomeRecorded,
    OutcomeResolved,
    PolicyDecided,
    ResultRead,
    ToolCallRequested,
)
from portero.domain.ids import Millis
from portero.domain.values import SYSTEM, Action, Resolution, Status
from portero.errors import AlreadyDecided, DecisionError, Invalid, NotFound

__all__ = ["MAX_ATTEMPTS", "Call", "decide", "evolve", "late", "preview", "timer"]

MAX_ATTEMPTS: Final = 3
"""How often a call that may be repeated runs by itself; a person may let it run once more."""

CallEvents = list[CallEvent]


def decide(state: Call | None, command: CallCommand, now: Millis, *, locked: bool = False) -> CallEvents:
    """The events that the command brings about, or none when there is nothing to do.

    Raises NotFound (no such call), AlreadyDecided (too late, and by whom) or Invalid (the command makes no sense, or
    the lock forbids it).
    """
    if type(command) is RequestCall:
        return _request(state, command, now, locked)
    if state is None:
        raise NotFound("There is no such task.")
    if state.foreign:
        raise DecisionError(f"A newer release of Portero wrote on task {state.id}; this replica leaves it alone.")
    return _DECIDE[type(command)](state, command, now, locked)


def late(command: RecordSuccess | RecordFailure) -> LateOutcomeRecorded:
    """An upstream's answer as the fact that it came too late."""
    if isinstance(command, RecordFailure):
        size, digest = command.error_bytes, command.error_digest
        return LateOutcomeRecorded(True, None, size, digest, command.error, command.attempt)
    values = (command.is_error, command.result_blob, command.result_bytes, command.result_digest)
    return LateOutcomeRecorded(*values, attempt=command.attempt)


def timer(state: Call) -> Millis | None:
    """When it needs a Wake: the approval expires, the lease ends, or a person is to be told again."""
    times = [state.start_by, state.waited_for_until, state.notify_retry_at]
    if state.status is Status.PENDING:
        times.append(state.expires_at)
    elif state.status is Status.EXECUTING:
        times.append(state.lease_until)
    return min((time for time in times if time is not None), default=None)


# --- beginning --------------------------------------------------------------------------------------------------------


def _request(state: Call | None, command: RequestCall, now: Millis, locked: bool) -> CallEvents:
    if state is not None:
        raise AlreadyDecided(state.status.value, None, state.requested_at)
    requested = ToolCallRequested(
        command.client,
        command.kind,
        command.upstream,
        command.name,
        command.arguments,
        command.arguments_blob,
        command.arguments_bytes,
        command.extra,
        command.arguments_digest,
        command.extra_blob,
        command.extra_bytes,
        command.extra_digest,
    )
    decided = PolicyDecided(command.action, command.reason, command.policy_version)
    if command.action is Action.DENY:
        return [requested, decided]
    _refuse_when_locked(locked)
    if command.action is Action.ASK:
        if command.approval_expires_at <= now:
            raise Invalid("The approval would end before it begins: APPROVAL_TIMEOUT_SECONDS must be above zero.")
        asked = (command.digest, command.approval_expires_at, command.facts, command.capabilities, command.as_task)
        return [requested, decided, ApprovalRequested(*asked)]
    if command.queued is not None:
        return [requested, decided, command.queued]
    return [requested, decided, ExecutionStarted(command.replica, 1, command.lease_until, command.retry_safe)]


# --- deciding ---------------------------------------------------------------------------------------------------------


def _refuse_when_locked(locked: bool) -> None:
    if locked:
        raise Invalid("Access is locked, so nothing is approved or started. Unlock first.")


def _already(state: Call) -> AlreadyDecided:
    decision = state.decision
    by = str(decision.by) if decision and decision.by else None
    return AlreadyDecided(state.status.value, by, decision.at if decision else state.ended_at)


def _require_waiting(state: Call, now: Millis) -> None:
    """Expiry counts from its time on, whether or not its timer has rung."""
    if state.status is not Status.PENDING:
        raise _already(state)
    if state.expires_at is not None and now >= state.expires_at:
        raise AlreadyDecided(Status.EXPIRED.value, None, state.expires_at)


def _approve(state: Call, command: Approve, now: Millis, locked: bool) -> CallEvents:
    _refuse_when_locked(locked)
    _require_waiting(state, now)
    return [CallApproved(command.by, command.grant, command.rule)]


def _deny(state: Call, command: Deny, now: Millis, locked: bool) -> CallEvents:
    """Portero itself may refuse what a person approved, when it finds before the start that it must not run."""
    if not (state.status is Status.QUEUED and command.by.kind == SYSTEM.kind):
        _require_waiting(state, now)
    return not_run(state, CallDenied(command.by, command.reason, command.rule))


def _cancel(state: Call, command: Cancel, now: Millis, locked: bool) -> CallEvents:
    """What has not started does not start. What runs is marked; its answer, if it comes, is recorded as late."""
    if state.status not in {Status.QUEUED, Status.EXECUTING}:
        _require_waiting(state, now)
    return [CallCancelled(command.by, command.reason)]


# --- running ----------------------------------------------------------------------------------------------------------


def _start(state: Call, command: StartExecution, now: Millis, locked: bool) -> CallEvents:
    """Or its end, when it comes to this too late: a lock or an outage may have kept it waiting for long."""
    if state.status is not Status.QUEUED:
        raise _already(state)
    _refuse_when_locked(locked)
    if too_late_to_start(state, now):
        return not_run(state, waited_in_vain(state))
    if command.lease_until <= now:
        raise Invalid("The lease would end before it begins.")
    return [ExecutionStarted(command.replica, state.attempt + 1, command.lease_until, command.retry_safe)]


def _is_current(state: Call, attempt: int) -> bool:
    return state.status is Status.EXECUTING and attempt == state.attempt


def _succeed(state: Call, command: RecordSuccess, now: Millis, locked: bool) -> CallEvents:
    if _is_current(state, command.attempt):
        values = (command.is_error, command.result_blob, command.result_bytes, command.result_digest)
        return [ExecutionSucceeded(*values, command.duration_ms, command.asks)]
    return _too_late(state, command)


def _fail(state: Call, command: RecordFailure, now: Millis, locked: bool) -> CallEvents:
    """Also for a call that waits to run: whoever was to start it found that it cannot be sent."""
    unsent = not command.sent and state.status is Status.QUEUED and command.attempt == state.attempt
    if unsent or _is_current(state, command.attempt):
        values = (command.error, command.sent, command.duration_ms, command.error_bytes, command.error_digest)
        return not_run(state, ExecutionFailed(*values))
    return _too_late(state, command)


def _too_late(state: Call, command: RecordSuccess | RecordFailure) -> CallEvents:
    return [] if _is_known(state, command.attempt) else [late(command)]


def _is_known(state: Call, attempt: int) -> bool:
    """The answer of an attempt that counts no more is a fact worth having, once."""
    if not 0 < attempt <= state.attempt:
        raise Invalid(f"Task {state.id} has had no attempt {attempt}.")
    answered = state.status in {Status.COMPLETED, Status.ERROR} and state.resolution is None
    recorded = state.execution is not None and attempt in state.execution.late
    return recorded or (answered and attempt == state.attempt)


# --- what is lost -----------------------------------------------------------------------------------------------------


def _lose(state: Call, command: RecordUnknown, now: Millis, locked: bool) -> CallEvents:
    return _lost(state, command.reason, command.duration_ms) if _is_current(state, command.attempt) else []


def _lost(state: Call, reason: str, duration_ms: int) -> CallEvents:
    """What may be repeated runs again by itself where its client still gets the answer: by asking, or by waiting."""
    unknown = ExecutionOutcomeUnknown(reason, duration_ms)
    if (state.asked or state.queued) and state.retry_safe and state.attempt < MAX_ATTEMPTS:
        return [unknown, OutcomeResolved(SYSTEM, Resolution.RUN_AGAIN)]
    return [unknown]


def _resolve(state: Call, command: ResolveOutcome, now: Millis, locked: bool) -> CallEvents:
    if state.status is not Status.UNKNOWN:
        raise _already(state)
    if command.resolution is Resolution.RUN_AGAIN:
        _refuse_when_locked(locked)
    return [OutcomeResolved(command.by, command.resolution)]


def _wake(state: Call, command: Wake, now: Millis, locked: bool) -> CallEvents:
    if state.status is Status.PENDING and state.expires_at is not None and now >= state.expires_at:
        return [ApprovalExpired()]
    if too_late_to_start(state, now):
        return not_run(state, waited_in_vain(state))
    if state.waited_for_until is not None and now >= state.waited_for_until:
        return [CallCancelled(SYSTEM, "the replica that its client was connected to is gone")]
    if state.status is Status.EXECUTING and state.lease_until is not None and now >= state.lease_until:
        waited = max(0, now - (state.started_at or now))
        return _lost(state, f"Replica {state.replica} stopped before it reported what came of the call.", waited)
    return []


# --- bookkeeping ------------------------------------------------------------------------------------------------------


def _notified(state: Call, command: RecordNotified, now: Millis, locked: bool) -> CallEvents:
    known = any((told.channel, told.ref) == (command.channel, command.ref) for told in state.notified)
    return [] if known and state.notify_error is None else [ApprovalNotified(command.channel, command.ref)]


def _notify_failed(state: Call, command: RecordNotifyFailed, now: Millis, locked: bool) -> CallEvents:
    return [ApprovalNotifyFailed(command.channel, command.error, state.notify_failures + 1, command.retry_at)]


def _mark_read(state: Call, command: MarkRead, now: Millis, locked: bool) -> CallEvents:
    return [ResultRead()] if state.finished and state.asked and state.read_at is None else []


_DECIDE: Final[dict[type[CallCommand], Callable[[Call, Any, Millis, bool], CallEvents]]] = {
    Approve: _approve,
    Deny: _deny,
    Cancel: _cancel,
    StartExecution: _start,
    RecordSuccess: _succeed,
    RecordFailure: _fail,
    RecordUnknown: _lose,
    ResolveOutcome: _resolve,
    RecordNotified: _notified,
    RecordNotifyFailed: _notify_failed,
    MarkRead: _mark_read,
    RequestInput: call_dialogue.request_input,
    GiveInput: call_dialogue.give_input,
    WithdrawInput: call_dialogue.withdraw_input,
    GiveTask: call_dialogue.give_task,
    Continue: call_dialogue.go_on,
    ShowUpstreamTask: call_dialogue.show_upstream_task,
    Wake: _wake,
}
