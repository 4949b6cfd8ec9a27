"""How a call looks after what happened to it, and when it needs a timer."""

import json

import pytest
from msgspec.structs import replace

from portero.domain.call import evolve, preview, timer
from portero.domain.events import (
    ApprovalExpired,
    ApprovalNotified,
    ApprovalNotifyFailed,
    CallApproved,
    CallCancelled,
    CallDenied,
    ExecutionStarted,
    LateOutcomeRecorded,
    OutcomeResolved,
    ResultRead,
    ToolCallRequested,
)
from portero.domain.ids import GrantId, Millis, RuleId
from portero.domain.values import SYSTEM, Action, Kind, Resolution, Status
from portero.errors import OUTCOME_UNKNOWN, NotFound
from tests.domain.stories import (
    ALLOWED,
    ANA,
    BEN,
    BY_PATTERN,
    CALL,
    CANCELLED,
    CLIENT,
    COMPLETED,
    DENIED,
    DENIED_BY_POLICY,
    ERRED,
    ERROR,
    EXECUTING,
    EXECUTING_SAFE,
    EXPIRED,
    EXPIRES,
    HOUR,
    LATE,
    LEASE,
    LOST,
    MINUTE,
    NOW,
    PENDING,
    PENDING_SAFE,
    QUEUED,
    R1,
    R2,
    REQUESTED,
    RUN_AGAIN,
    SECOND,
    STARTED,
    SUCCEEDED,
    UNKNOWN,
    call_of,
    decided,
    recorded,
    unreadable,
)


@pytest.mark.parametrize(
    ("history", "status", "due"),
    [
        ((REQUESTED,), Status.REQUESTED, None),
        (DENIED_BY_POLICY, Status.DENIED, None),
        (PENDING, Status.PENDING, EXPIRES),
        (QUEUED, Status.QUEUED, EXPIRES),
        ((*QUEUED, ApprovalExpired()), Status.EXPIRED, None),
        (EXECUTING, Status.EXECUTING, LEASE),
        (ALLOWED, Status.EXECUTING, LEASE),
        (COMPLETED, Status.COMPLETED, None),
        (ERRED, Status.ERROR, None),
        (DENIED, Status.DENIED, None),
        ((*QUEUED, CallDenied(SYSTEM, "denied since")), Status.DENIED, None),
        (EXPIRED, Status.EXPIRED, None),
        (CANCELLED, Status.CANCELLED, None),
        ((*EXECUTING, CallCancelled(BEN)), Status.CANCELLED, None),
        (UNKNOWN, Status.UNKNOWN, None),
        ((*UNKNOWN, RUN_AGAIN), Status.QUEUED, EXPIRES),
        ((*ALLOWED, LOST, RUN_AGAIN), Status.QUEUED, None),
        ((*UNKNOWN, OutcomeResolved(ANA, Resolution.HAPPENED)), Status.COMPLETED, None),
        ((*UNKNOWN, OutcomeResolved(ANA, Resolution.NOT_HAPPENED)), Status.ERROR, None),
        ((*UNKNOWN, LATE), Status.COMPLETED, None),
        ((*UNKNOWN, LateOutcomeRecorded(True, error=ERROR, attempt=1)), Status.ERROR, None),
        ((*EXECUTING, CallCancelled(BEN), LATE), Status.CANCELLED, None),
        ((*UNKNOWN, OutcomeResolved(ANA, Resolution.NOT_HAPPENED), LATE), Status.ERROR, None),
    ],
)
def test_where_a_call_stands_and_when_it_is_to_be_woken(history, status, due):
    call = call_of(*history)
    assert (call.status, timer(call)) == (status, due)
    assert call.finished == (call.ended_at is not None)
    assert (call.version, call.last_seq) == (len(history), len(history))


def test_the_request_is_told_flat():
    call = call_of(*PENDING)
    assert (call.id, call.client, call.kind) == (CALL, CLIENT, Kind.TOOL)
    assert (call.upstream, call.name, call.tool) == ("github", "create_issue", "github/create_issue")
    assert (call.arguments, call.arguments_bytes, call.arguments_blob, call.extra) == ('{"title":"x"}', 13, None, None)
    assert (call.action, call.reason, call.digest, call.expires_at) == (Action.ASK, BY_PATTERN, "d1", EXPIRES)
    assert (call.requested_at, call.requested_seq, call.asked) == (NOW, 1, True)
    assert not call_of(*ALLOWED).asked


@pytest.mark.parametrize(
    ("kind", "name", "tool"),
    [
        (Kind.RESOURCE, "file:///a/b", "files/resource:file:///a/b"),
        (Kind.PROMPT, "greet", "files/prompt:greet"),
        (Kind.COMPLETION, "prompt:greet", "files/prompt:greet"),
        (Kind.TOOL, "a/b", "files/a/b"),
    ],
)
def test_resources_and_prompts_have_policy_names_of_their_own(kind, name, tool):
    assert call_of(replace(REQUESTED, kind=kind, upstream="files", name=name)).tool == tool


def test_an_approval_says_who_and_when_and_what_came_with_it():
    call = call_of(*PENDING, CallApproved(ANA, GrantId("g1"), RuleId("r1")))
    assert (call.approved_by, call.approved_at, call.decided_by, call.decided_at) == (ANA, NOW, ANA, NOW)
    assert (call.grant, call.rule, call.denied_reason) == ("g1", "r1", None)


def test_a_denial_says_who_and_why():
    call = call_of(*PENDING, CallDenied(ANA, "not today", RuleId("r1")))
    assert (call.decided_by, call.denied_reason, call.rule, call.approved_by) == (ANA, "not today", "r1", None)


def test_a_refusal_after_the_approval_keeps_who_approved():
    call = call_of(*QUEUED, CallDenied(SYSTEM, "denied since"))
    assert (call.approved_by, call.decided_by, call.denied_reason) == (ANA, SYSTEM, "denied since")


def test_a_cancellation_keeps_who_approved():
    call = call_of(*EXECUTING, CallCancelled(BEN, "enough"))
    assert (call.approved_by, call.decided_by, call.cancel_reason) == (ANA, BEN, "enough")


def test_an_expired_call_was_decided_by_nobody():
    call = call_of(*EXPIRED)
    assert (call.decided_by, call.decided_at, call.approved_at) == (None, NOW, None)


def test_an_execution_says_where_and_until_when():
    call = call_of(*EXECUTING_SAFE)
    assert (call.attempt, call.replica, call.lease_until, call.started_at) == (1, R1, LEASE, NOW)
    assert (call.retry_safe, call_of(*EXECUTING).retry_safe) == (True, False)


def test_before_it_starts_the_tools_own_word_says_whether_it_may_be_repeated():
    assert (call_of(*PENDING_SAFE).retry_safe, call_of(*PENDING).retry_safe) == (True, False)


def test_a_result_is_told():
    call = call_of(*COMPLETED)
    assert (call.result_blob, call.is_error, call.error) == ("b1", False, None)
    assert (call.result_bytes, call.result_digest, call.duration_ms) == (8, "d1", 12)


def test_a_late_answer_to_what_never_ran_changes_nothing():
    assert call_of(*PENDING, LATE).status is Status.PENDING


def test_a_tools_own_error_is_a_result():
    call = call_of(*EXECUTING, replace(SUCCEEDED, is_error=True))
    assert (call.status, call.is_error) == (Status.COMPLETED, True)


def test_an_error_is_told():
    assert (call_of(*ERRED).error, call_of(*ERRED).result_blob) == (ERROR, None)


def test_a_late_answer_settles_what_was_unknown():
    call = call_of(*UNKNOWN, LATE)
    assert (call.result_blob, call.result_digest, call.late, call.unknown_reason) == (
        "b1",
        "d1",
        True,
        "the connection broke",
    )


def test_a_late_answer_to_a_cancelled_call_is_kept_for_who_looks():
    call = call_of(*EXECUTING, CallCancelled(BEN), LATE)
    assert (call.status, call.result_blob, call.late) == (Status.CANCELLED, "b1", True)


def test_a_late_answer_does_not_contradict_a_person_in_silence():
    call = call_of(*UNKNOWN, OutcomeResolved(ANA, Resolution.HAPPENED), LATE)
    assert (call.status, call.resolution, call.result_blob, call.late) == (Status.COMPLETED, "happened", None, True)


def test_what_did_not_happen_is_an_error_that_says_who_said_so():
    call = call_of(*UNKNOWN, OutcomeResolved(ANA, Resolution.NOT_HAPPENED))
    message = "The outcome was lost; Ana says that it did not happen."
    assert json.loads(call.error) == {"code": OUTCOME_UNKNOWN, "message": message}
    assert (call.resolution, call.resolved_by, call.resolved_at) == ("not-happened", ANA, NOW)


def test_a_second_attempt_starts_clean():
    call = call_of(*UNKNOWN, RUN_AGAIN, ExecutionStarted(R2, 2, LEASE))
    assert (call.attempt, call.replica) == (2, R2)
    assert (call.unknown_reason, call.resolution, call.ended_at) == (None, None, None)


def test_messages_are_remembered_by_channel():
    call = call_of(*PENDING, ApprovalNotified("telegram", "1:2"), ApprovalNotified("telegram", "1:3"))
    assert (call.ref("telegram"), call.ref("mail"), len(call.notified)) == ("1:3", None, 2)


def test_a_failed_message_is_due_again_at_its_time():
    retry = Millis(NOW + MINUTE)
    call = call_of(*PENDING, ApprovalNotifyFailed("telegram", "429", 1, retry))
    assert (call.notify_failures, call.notify_error, timer(call)) == (1, "429", retry)
    assert not call.notify_due(Millis(retry - 1))
    assert call.notify_due(retry)
    told = evolve(call, recorded(ApprovalNotified("telegram", "1:2"), aggregate=f"call/{CALL}", version=5))
    assert (told.notify_failures, told.notify_due(retry), timer(told)) == (0, False, EXPIRES)


def test_an_expiry_before_the_next_message_comes_first():
    call = call_of(*PENDING, ApprovalNotifyFailed("telegram", "429", 1, Millis(EXPIRES + SECOND)))
    assert timer(call) == EXPIRES


def test_a_message_that_is_given_up_needs_no_timer():
    assert timer(call_of(*PENDING, ApprovalNotifyFailed("telegram", "blocked", 1, None))) == EXPIRES


def test_the_first_reading_is_noted():
    assert (call_of(*COMPLETED).read_at, call_of(*COMPLETED, ResultRead()).read_at) == (None, NOW)


def test_a_call_without_its_beginning_is_not_made_up():
    with pytest.raises(NotFound):
        evolve(None, recorded(CallApproved(ANA), aggregate=f"call/{CALL}", version=4))
    with pytest.raises(NotFound):
        evolve(None, unreadable(f"call/{CALL}", 1))


def test_a_preview_is_what_the_log_will_give():
    later = Millis(NOW + MINUTE)
    before = call_of(*PENDING)
    after = preview(before, [CallApproved(ANA), ExecutionStarted(R1, 1, LEASE)], later, ANA)
    assert (after.status, after.version, after.approved_at, after.started_at) == (Status.EXECUTING, 5, later, later)
    assert (before.status, before.version) == (Status.PENDING, 3)


def test_a_second_request_under_the_same_id_is_not_understood():
    call = call_of(*PENDING, ToolCallRequested(CLIENT, Kind.TOOL, "github", "delete_repo", "{}"))
    assert (call.name, call.foreign) == ("create_issue", True)


def test_a_policy_decision_alone_lets_nothing_run():
    assert call_of(REQUESTED, decided(Action.ALLOW)).status is Status.REQUESTED
    assert call_of(REQUESTED, decided(Action.ASK), LOST).status is Status.UNKNOWN


def test_an_approval_holds_for_as_long_as_it_could_be_given_and_again_for_every_new_word():
    approved = recorded(CallApproved(ANA), aggregate=f"call/{CALL}", version=4, at=NOW + HOUR)
    state = evolve(call_of(*PENDING), approved)
    assert state.start_by == EXPIRES + HOUR
    started = evolve(state, recorded(STARTED, aggregate=f"call/{CALL}", version=5, at=NOW + 2 * HOUR))
    assert started.start_by is None
    lost = evolve(started, recorded(LOST, aggregate=f"call/{CALL}", version=6, at=NOW + 3 * HOUR))
    again = evolve(lost, recorded(RUN_AGAIN, aggregate=f"call/{CALL}", version=7, at=NOW + 9 * HOUR))
    assert again.start_by == EXPIRES + 9 * HOUR


def test_who_approved_what_then_expired_is_still_known():
    state = call_of(*QUEUED, ApprovalExpired())
    assert (state.approved_by, state.decided_by, state.decision.approved) == (ANA, None, False)
