"""What time and messages do to a call, and what a newer release wrote."""

import pytest
from msgspec.structs import replace

from portero.domain.call import decide, evolve
from portero.domain.commands import Approve, Deny, MarkRead, RecordNotified, RecordNotifyFailed, Wake
from portero.domain.events import ApprovalExpired, ApprovalNotified, ApprovalNotifyFailed, ResultRead
from portero.domain.ids import Millis
from portero.domain.values import Status
from portero.errors import AlreadyDecided, DecisionError
from tests.domain.stories import (
    ALLOWED,
    ANA,
    CALL,
    CANCELLED,
    COMPLETED,
    DENIED,
    DENIED_BY_POLICY,
    ERRED,
    EXECUTING,
    EXPIRED,
    EXPIRES,
    MINUTE,
    NOW,
    PENDING,
    QUEUED,
    SECOND,
    START,
    STARTED,
    SUCCEEDED,
    UNKNOWN,
    Story,
    call_of,
    given,
    unreadable,
)

# --- timers and bookkeeping ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("history", [PENDING, QUEUED])
def test_an_approval_expires_when_its_time_is_over_whether_it_was_given_or_not(history):
    given(*history).when(Wake(), at=EXPIRES - 1).then_nothing()
    given(*history).when(Wake(), at=EXPIRES).then(ApprovalExpired())


@pytest.mark.parametrize("history", [EXPIRED, DENIED, CANCELLED, COMPLETED, ERRED, UNKNOWN, DENIED_BY_POLICY])
def test_a_timer_that_rings_for_nothing_does_nothing(history):
    given(*history).when(Wake(), at=EXPIRES + MINUTE).then_nothing()


def test_a_message_to_a_person_is_noted_once():
    told = ApprovalNotified("telegram", "1:2")
    given(*PENDING).when(RecordNotified("telegram", "1:2")).then(told)
    given(*PENDING, told).when(RecordNotified("telegram", "1:2")).then_nothing()
    given(*PENDING, told).when(RecordNotified("telegram", "1:3")).then(ApprovalNotified("telegram", "1:3"))


def test_failed_messages_are_counted_until_one_arrives():
    failed = ApprovalNotifyFailed("telegram", "429", 1, Millis(NOW + SECOND))
    command = RecordNotifyFailed("telegram", "429", Millis(NOW + SECOND))
    given(*PENDING).when(command).then(failed)
    given(*PENDING, failed).when(command).then(replace(failed, attempt=2))
    told = ApprovalNotified("telegram", "1:2")
    given(*PENDING, told, failed).when(RecordNotified("telegram", "1:2")).then(told)
    given(*PENDING, failed, told).when(command).then(failed)


def test_a_result_is_read_once():
    given(*COMPLETED).when(MarkRead()).then(ResultRead())
    given(*COMPLETED, ResultRead()).when(MarkRead()).then_nothing()
    given(*DENIED).when(MarkRead()).then(ResultRead())
    given(*EXECUTING).when(MarkRead()).then_nothing()
    given(*ALLOWED, SUCCEEDED).when(MarkRead()).then_nothing()


def test_nothing_is_decided_on_what_a_newer_release_wrote():
    state = evolve(call_of(*PENDING), unreadable(f"call/{CALL}", 4))
    assert (state.version, state.status) == (4, Status.PENDING)
    for command in (Approve(ANA), Deny(ANA), Wake(), START):
        Story(state, decide).when(command).then_refused(DecisionError, "newer release")


def test_what_started_before_can_still_not_be_decided_by_another_started_event():
    given(*QUEUED, STARTED).when(START).then_refused(AlreadyDecided, "executing")
