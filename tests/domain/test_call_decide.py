"""Asking for a call, and the one decision that a person makes of it."""

import pytest

from portero.domain.commands import Approve, Cancel, Deny, Wake
from portero.domain.events import ApprovalRequested, CallApproved, CallCancelled, CallDenied, ExecutionStarted
from portero.domain.ids import GrantId, RuleId
from portero.domain.values import SYSTEM, Action, Status, ToolFacts
from portero.errors import AlreadyDecided, Invalid, NotFound
from tests.domain.stories import (
    ALLOWED,
    ANA,
    BEN,
    CANCELLED,
    COMPLETED,
    DENIED,
    DENIED_BY_POLICY,
    ERRED,
    EXECUTING,
    EXPIRED,
    EXPIRES,
    LEASE,
    NOW,
    PENDING,
    QUEUED,
    R1,
    REQUESTED,
    UNKNOWN,
    call_of,
    decided,
    given,
    request,
)

# --- asking for a call --------------------------------------------------------------------------------------------


def test_an_allowed_call_starts_in_the_same_step():
    given().when(request(Action.ALLOW, retry_safe=True)).then(
        REQUESTED, decided(Action.ALLOW), ExecutionStarted(R1, 1, LEASE, retry_safe=True)
    )


def test_a_call_that_must_be_asked_for_waits():
    facts = ToolFacts(destructive=True)
    given().when(request(Action.ASK, facts=facts)).then(
        REQUESTED, decided(Action.ASK), ApprovalRequested("d1", EXPIRES, facts)
    )


def test_a_denied_call_ends_with_the_decision():
    given().when(request(Action.DENY)).then(*DENIED_BY_POLICY)
    assert call_of(*DENIED_BY_POLICY).status is Status.DENIED


def test_the_same_call_cannot_be_requested_twice():
    given(*PENDING).when(request(Action.ASK)).then_refused(AlreadyDecided)


def test_an_approval_that_is_over_before_it_begins_is_refused():
    given().when(request(Action.ASK), at=EXPIRES).then_refused(Invalid, "APPROVAL_TIMEOUT_SECONDS")


def test_the_lock_lets_no_new_call_through_whatever_the_policy_said():
    given().when(request(Action.ALLOW), locked=True).then_refused(Invalid, "locked")
    given().when(request(Action.ASK), locked=True).then_refused(Invalid, "locked")
    given().when(request(Action.DENY), locked=True).then(*DENIED_BY_POLICY)


# --- the decision -------------------------------------------------------------------------------------------------


def test_a_person_approves():
    given(*PENDING).when(Approve(ANA)).then(CallApproved(ANA))


def test_an_approval_names_the_grant_and_the_rule_that_came_with_it():
    given(*PENDING).when(Approve(ANA, GrantId("g1"), RuleId("r1"))).then(CallApproved(ANA, GrantId("g1"), RuleId("r1")))


def test_a_person_denies_with_a_reason_and_a_rule():
    given(*PENDING).when(Deny(ANA, "no", RuleId("r1"))).then(CallDenied(ANA, "no", RuleId("r1")))


def test_a_waiting_call_is_cancelled():
    given(*PENDING).when(Cancel(BEN, "changed my mind")).then(CallCancelled(BEN, "changed my mind"))


@pytest.mark.parametrize("command", [Approve(BEN), Deny(BEN), Deny(SYSTEM)], ids=["approve", "deny", "deny-by-portero"])
@pytest.mark.parametrize(
    ("history", "status", "by"),
    [
        (DENIED_BY_POLICY, "denied", None),
        (DENIED, "denied", "Ana"),
        (EXPIRED, "expired", None),
        (CANCELLED, "cancelled", "cli:ben"),
        (EXECUTING, "executing", "Ana"),
        (COMPLETED, "completed", "Ana"),
        (ERRED, "error", "Ana"),
        (UNKNOWN, "outcome-unknown", "Ana"),
        (ALLOWED, "executing", None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_decided_is_not_decided_again(history, status, by, command):
    error = given(*history).when(command).then_refused(AlreadyDecided)
    assert (error.status, error.by) == (status, by)


@pytest.mark.parametrize("history", [DENIED_BY_POLICY, DENIED, EXPIRED, CANCELLED, COMPLETED, ERRED, UNKNOWN])
def test_what_is_over_is_not_cancelled(history):
    given(*history).when(Cancel(BEN)).then_refused(AlreadyDecided)


def test_an_approved_call_is_not_approved_or_denied_by_a_second_person():
    error = given(*QUEUED).when(Deny(BEN)).then_refused(AlreadyDecided, "already approved-queued, decided by Ana")
    assert error.at == NOW
    given(*QUEUED).when(Approve(BEN)).then_refused(AlreadyDecided)


def test_portero_itself_refuses_what_was_approved_when_the_policy_has_changed():
    given(*QUEUED).when(Deny(SYSTEM, "denied since", RuleId("r1"))).then(
        CallDenied(SYSTEM, "denied since", RuleId("r1"))
    )


@pytest.mark.parametrize("command", [Approve(ANA), Deny(ANA), Cancel(ANA)], ids=["approve", "deny", "cancel"])
def test_a_late_timer_lets_nothing_through(command):
    given(*PENDING).when(command, at=EXPIRES - 1).then(*given(*PENDING).when(command).answer())
    error = given(*PENDING).when(command, at=EXPIRES).then_refused(AlreadyDecided)
    assert (error.status, error.by, error.at) == ("expired", None, EXPIRES)


def test_the_lock_freezes_approvals_but_not_denials():
    given(*PENDING).when(Approve(ANA), locked=True).then_refused(Invalid, "locked")
    given(*PENDING).when(Deny(ANA), locked=True).then(CallDenied(ANA))
    given(*PENDING).when(Cancel(ANA), locked=True).then(CallCancelled(ANA))


def test_there_is_nothing_to_decide_on_a_call_that_is_not_there():
    given().when(Approve(ANA)).then_refused(NotFound)
    given().when(Wake()).then_refused(NotFound)
