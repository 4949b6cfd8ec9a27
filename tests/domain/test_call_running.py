"""Running a call once, and what becomes of it when its outcome is lost."""

import pytest
from msgspec.structs import replace

from portero.domain.call import MAX_ATTEMPTS
from portero.domain.commands import Cancel, Deny, RecordFailure, RecordUnknown, ResolveOutcome, Wake
from portero.domain.events import (
    ApprovalExpired,
    CallCancelled,
    ExecutionFailed,
    ExecutionOutcomeUnknown,
    ExecutionStarted,
    LateOutcomeRecorded,
    OutcomeResolved,
)
from portero.domain.ids import Millis
from portero.domain.values import SYSTEM, Action, Resolution, Status
from portero.errors import AlreadyDecided, Invalid
from tests.domain.stories import (
    ANA,
    BEN,
    CANCELLED,
    COMPLETED,
    DENIED,
    DENIED_BY_POLICY,
    ERRED,
    ERROR,
    EXECUTING,
    EXECUTING_SAFE,
    EXPIRED,
    EXPIRES,
    FAILED,
    FAILURE,
    HOUR,
    LATE,
    LEASE,
    LOST,
    PENDING,
    QUEUED,
    R1,
    R2,
    REQUESTED,
    RUN_AGAIN,
    START,
    SUCCEEDED,
    SUCCESS,
    UNKNOWN,
    call_of,
    decided,
    given,
)

GONE = "Replica r1 stopped before it reported what came of the call."

# --- running ------------------------------------------------------------------------------------------------------


def test_an_approved_call_starts_once():
    given(*QUEUED).when(START).then(ExecutionStarted(R2, 1, LEASE))
    given(*EXECUTING).when(START).then_refused(AlreadyDecided)


@pytest.mark.parametrize("history", [PENDING, DENIED, EXPIRED, CANCELLED, COMPLETED, ERRED, UNKNOWN, DENIED_BY_POLICY])
def test_nothing_starts_that_is_not_approved_and_waiting(history):
    given(*history).when(START).then_refused(AlreadyDecided)


def test_a_lease_that_is_over_is_no_lease():
    given(*QUEUED).when(START, at=LEASE).then_refused(Invalid, "lease")


def test_an_approval_that_is_over_starts_nothing_but_ends_it():
    given(*QUEUED).when(replace(START, lease_until=Millis(EXPIRES + HOUR)), at=EXPIRES).then(ApprovalExpired())


def test_a_lock_starts_nothing_and_ends_nothing():
    given(*QUEUED).when(START, locked=True).then_refused(Invalid, "locked")


def test_a_result_ends_it():
    given(*EXECUTING).when(SUCCESS).then(SUCCEEDED)


def test_a_result_counts_even_when_the_lease_ran_out_as_long_as_nobody_gave_it_up():
    given(*EXECUTING).when(SUCCESS, at=LEASE + HOUR).then(SUCCEEDED)


def test_a_refusal_of_the_upstream_ends_it():
    given(*EXECUTING).when(FAILURE).then(FAILED)


def test_a_queued_call_that_cannot_be_sent_fails_without_a_start():
    given(*QUEUED).when(RecordFailure(0, ERROR, sent=False, duration_ms=0)).then(ExecutionFailed(ERROR, sent=False))


def test_a_queued_call_cannot_fail_as_sent():
    given(*QUEUED).when(RecordFailure(0, ERROR, sent=True, duration_ms=0)).then_refused(Invalid, "no attempt 0")


def test_a_cancelled_queued_call_never_starts():
    given(*QUEUED).when(Cancel(BEN)).then(CallCancelled(BEN))
    given(*QUEUED, CallCancelled(BEN)).when(START).then_refused(AlreadyDecided)


def test_a_running_call_can_be_cancelled_and_its_answer_is_kept_as_late():
    given(*EXECUTING).when(Cancel(BEN)).then(CallCancelled(BEN))
    given(*EXECUTING, CallCancelled(BEN)).when(SUCCESS).then(LATE)
    given(*EXECUTING, CallCancelled(BEN), LATE).when(SUCCESS).then_nothing()


def test_an_outcome_is_recorded_once():
    given(*COMPLETED).when(SUCCESS).then_nothing()
    given(*ERRED).when(FAILURE).then_nothing()


def test_an_attempt_that_never_was_has_no_outcome():
    given(*EXECUTING).when(replace(SUCCESS, attempt=2)).then_refused(Invalid, "no attempt 2")
    given(*PENDING).when(SUCCESS).then_refused(Invalid)


# --- lost outcomes ------------------------------------------------------------------------------------------------


def test_a_lost_outcome_is_said():
    given(*EXECUTING).when(RecordUnknown(1, "the connection broke", 40)).then(LOST)


def test_only_the_attempt_that_counts_can_be_lost():
    given(*EXECUTING).when(RecordUnknown(2, "?", 0)).then_nothing()
    given(*COMPLETED).when(RecordUnknown(1, "?", 0)).then_nothing()


def test_a_replica_that_falls_silent_loses_its_call():
    given(*EXECUTING).when(Wake(), at=LEASE - 1).then_nothing()
    given(*EXECUTING).when(Wake(), at=LEASE).then(ExecutionOutcomeUnknown(GONE, HOUR))


def test_what_was_asked_for_and_may_be_repeated_runs_again_by_itself():
    again = (ExecutionOutcomeUnknown(GONE, HOUR), OutcomeResolved(SYSTEM, Resolution.RUN_AGAIN))
    given(*EXECUTING_SAFE).when(Wake(), at=LEASE).then(*again)
    given(*EXECUTING_SAFE).when(RecordUnknown(1, GONE, HOUR)).then(*again)


def test_but_not_for_ever():
    history = EXECUTING_SAFE
    for attempt in range(2, MAX_ATTEMPTS + 1):
        again = ExecutionStarted(R1, attempt, LEASE, retry_safe=True)
        history = (*history, LOST, OutcomeResolved(SYSTEM, Resolution.RUN_AGAIN), again)
    given(*history).when(Wake(), at=LEASE).then(ExecutionOutcomeUnknown(GONE, HOUR))


def test_a_call_that_nobody_can_fetch_does_not_run_again_by_itself():
    allowed = (REQUESTED, decided(Action.ALLOW), ExecutionStarted(R1, 1, LEASE, retry_safe=True))
    given(*allowed).when(Wake(), at=LEASE).then(ExecutionOutcomeUnknown(GONE, HOUR))


@pytest.mark.parametrize("resolution", list(Resolution))
def test_a_person_says_what_became_of_it(resolution):
    given(*UNKNOWN).when(ResolveOutcome(ANA, resolution)).then(OutcomeResolved(ANA, resolution))


@pytest.mark.parametrize("history", [PENDING, QUEUED, EXECUTING, COMPLETED, ERRED, DENIED, (*UNKNOWN, RUN_AGAIN)])
def test_only_a_lost_outcome_can_be_resolved(history):
    given(*history).when(ResolveOutcome(ANA, Resolution.RUN_AGAIN)).then_refused(AlreadyDecided)


def test_the_lock_lets_nothing_run_again():
    given(*UNKNOWN).when(ResolveOutcome(ANA, Resolution.RUN_AGAIN), locked=True).then_refused(Invalid, "locked")
    given(*UNKNOWN).when(ResolveOutcome(ANA, Resolution.HAPPENED), locked=True).then(
        OutcomeResolved(ANA, Resolution.HAPPENED)
    )


def test_running_again_is_a_new_attempt():
    given(*UNKNOWN, RUN_AGAIN).when(START).then(ExecutionStarted(R2, 2, LEASE))


def as_before(why):
    return ExecutionOutcomeUnknown(f"It did not run again ({why}), and what came of it before is not known", 0)


def test_what_was_sent_once_and_does_not_run_again_is_as_unknown_as_before():
    """An end as if it had never been sent would have its client repeat it."""
    waiting, too_late = given(*UNKNOWN, RUN_AGAIN), EXPIRES + HOUR
    waiting.when(Deny(SYSTEM, "Denied by policy.")).then(as_before("Denied by policy"))
    waiting.when(RecordFailure(1, '{"code":1,"message":"Nobody there."}', False, 0)).then(as_before("Nobody there"))
    waiting.when(Wake(), at=too_late).then(as_before("it could not start in time"))
    waiting.when(START, at=too_late).then(as_before("it could not start in time"))
    assert call_of(*UNKNOWN, RUN_AGAIN, as_before("why")).status is Status.UNKNOWN


def test_that_holds_for_what_may_be_repeated_too():
    """Its grant may have ended meanwhile: that it was not run would be a lie."""
    waiting = given(*EXECUTING_SAFE, LOST, OutcomeResolved(SYSTEM, Resolution.RUN_AGAIN))
    waiting.when(Deny(SYSTEM, "It needs approval.")).then(as_before("It needs approval"))
    waiting.when(Wake(), at=EXPIRES + HOUR).then(as_before("it could not start in time"))


def test_a_second_attempt_that_was_not_sent_after_all_leaves_the_first_unknown():
    second = given(*UNKNOWN, RUN_AGAIN, ExecutionStarted(R2, 2, LEASE))
    unsent = RecordFailure(2, '{"code":1,"message":"Nobody there."}', sent=False, duration_ms=0)
    second.when(unsent).then(as_before("Nobody there"))
    second.when(replace(unsent, sent=True)).then(ExecutionFailed(unsent.error, True, 0))


def test_the_answer_of_an_older_attempt_is_late_and_does_not_end_the_new_one():
    second = (*UNKNOWN, RUN_AGAIN, ExecutionStarted(R2, 2, LEASE))
    given(*second).when(SUCCESS).then(LATE)
    assert call_of(*second, LATE).status is Status.EXECUTING
    given(*second, LATE).when(replace(SUCCESS, attempt=2)).then(SUCCEEDED)


def test_the_answer_of_an_older_attempt_is_recorded_once_and_does_not_settle_a_later_one():
    queued_again = (*UNKNOWN, RUN_AGAIN, LATE)
    given(*UNKNOWN, RUN_AGAIN).when(SUCCESS).then(LATE)
    assert call_of(*queued_again).status is Status.QUEUED
    second = (*queued_again, ExecutionStarted(R2, 2, LEASE))
    given(*second).when(SUCCESS).then_nothing()
    assert call_of(*UNKNOWN, RUN_AGAIN, ExecutionStarted(R2, 2, LEASE), LOST, LATE).status is Status.UNKNOWN


def test_a_late_answer_is_recorded_once_whatever_a_person_said_meanwhile():
    given(*UNKNOWN).when(SUCCESS).then(LATE)
    given(*UNKNOWN, OutcomeResolved(ANA, Resolution.NOT_HAPPENED)).when(SUCCESS).then(LATE)
    given(*UNKNOWN, OutcomeResolved(ANA, Resolution.NOT_HAPPENED), LATE).when(SUCCESS).then_nothing()


def test_a_late_refusal_is_recorded_too():
    given(*UNKNOWN).when(FAILURE).then(LateOutcomeRecorded(True, error=ERROR, attempt=1))
