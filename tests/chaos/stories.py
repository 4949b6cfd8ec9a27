"""Histories that break a promise, each one: of the log, of lives, of policy; and one that keeps them all."""

import attrs

from tests.chaos.tape import APPROVAL_MS, SYSTEM, Tape, error, pending, result, told_done


def a_good_day(tape: Tape) -> None:
    """A bit of everything that is allowed to happen."""
    tape.done("a")
    tape.told("a", told_done("a"))
    tape.asked("b")
    tape.told("b", pending("b"))
    tape.shown("b", "pending-approval")
    tape.event("call/b", "ApprovalNotified")
    tape.approved("b")
    tape.decided("approve", "b", len(tape.log))
    tape.started("b")
    tape.ran("b", "danger")
    tape.lost("b", "Replica r1 stopped before it reported")
    tape.shown("b", "outcome-unknown")
    tape.late("b")
    tape.shown("b", "completed")
    tape.event("call/b", "ResultRead")
    tape.asked("c", "fx/peek")
    tape.approved("c")
    tape.started("c", retry_safe=True)
    tape.ran("c", "peek")
    tape.lost("c")
    tape.resolved("c", "run-again", SYSTEM)
    tape.started("c", 2, retry_safe=True)
    tape.ran("c", "peek")
    tape.late("c", 1)
    tape.succeeded("c")
    tape.requested("d", "fx/forbidden", "deny")
    tape.told("d", result("fx/forbidden was not run: the policy denies it.", is_error=True))
    tape.rule("fx/*", "deny")
    tape.requested("e", "fx/do", "deny")
    tape.event("rule/r1", "RuleRemoved")
    for _ in range(2):  # the store had forgotten it
        tape.versions["replica/r1"] = len(tape.log)
        tape.event("replica/r1", "ReplicaStopped")
    tape.grant("fx/danger", 5_000)
    tape.allowed("f", "fx/danger")
    tape.ran("f", "danger")
    tape.cancelled("f")
    tape.late("f")
    tape.event("grant/g1", "GrantRevoked")
    tape.asked("g")
    tape.cancelled("g")
    tape.asked("h")
    tape.now += APPROVAL_MS
    tape.event("call/h", "ApprovalExpired")
    tape.event("lock/access", "AccessLocked")
    tape.requested("i", "fx/do", "deny")
    tape.event("lock/access", "AccessUnlocked")
    tape.allowed("j")
    tape.failed("j", sent=False)
    tape.told("j", error(4502, "fx is not connected; nothing was sent."))
    tape.told("k", error(4503, "The audit log is unavailable; nothing was written."))
    tape.told("l", None)
    tape.asked("n")
    tape.approved("n")
    tape.event("lock/access", "AccessLocked")
    tape.now += APPROVAL_MS
    tape.event("call/n", "ApprovalExpired")
    tape.event("lock/access", "AccessUnlocked")
    tape.asked("m")


# --- the log itself ---------------------------------------------------------------------------------------------------


def a_gap(tape: Tape) -> None:
    tape.done("a")
    del tape.log[2]


def a_version_twice(tape: Tape) -> None:
    tape.done("a")
    tape.log[3] = attrs.evolve(tape.log[3], version=3)


def a_version_that_begins_again(tape: Tape) -> None:
    tape.done("a")
    tape.event("replica/r1", "ReplicaStarted")
    tape.event("replica/r1", "ReplicaStopped")
    tape.versions["replica/r1"] = 0
    tape.event("replica/r1", "ReplicaStarted")


def a_call_that_goes_on_elsewhere(tape: Tape) -> None:
    tape.event("replica/r1", "ReplicaStarted")
    tape.done("a")
    tape.versions["call/a"] = len(tape.log)
    tape.event("call/a", "ResultRead")


def an_approval_that_is_not_there(tape: Tape) -> None:
    tape.asked("a")
    tape.decided("approve", "a", 7)


# --- lives ------------------------------------------------------------------------------------------------------------


def two_decisions(tape: Tape) -> None:
    tape.asked("a")
    tape.approved("a")
    tape.event("call/a", "CallDenied", by={"kind": "cli"})


def two_starts(tape: Tape) -> None:
    tape.asked("a")
    tape.approved("a")
    tape.started("a")
    tape.started("a")
    tape.ran("a", "danger")
    tape.succeeded("a")


def an_end_after_the_end(tape: Tape) -> None:
    tape.allowed("a")
    tape.ran("a")
    tape.lost("a")
    tape.succeeded("a")


def an_outcome_of_who_did_not_run_it(tape: Tape) -> None:
    tape.done("a")
    tape.log[-1] = attrs.evolve(tape.log[-1], replica="r2")


def a_cancellation_after_the_end(tape: Tape) -> None:
    tape.done("a")
    tape.cancelled("a")


def a_late_answer_twice(tape: Tape) -> None:
    tape.allowed("a")
    tape.ran("a")
    tape.lost("a")
    tape.late("a")
    tape.late("a")


def an_attempt_that_was_left_out(tape: Tape) -> None:
    tape.asked("a")
    tape.approved("a")
    tape.started("a", 2)
    tape.succeeded("a")
    tape.ran("a", "danger")


def a_denied_call_that_starts(tape: Tape) -> None:
    tape.requested("a", "fx/forbidden", "deny")
    tape.started("a")
    tape.failed("a", sent=False)


def no_end(tape: Tape) -> None:
    tape.allowed("a")
    tape.ran("a")


def no_start(tape: Tape) -> None:
    tape.asked("a")
    tape.approved("a")


def a_rerun_of_what_must_not_be_repeated(tape: Tape) -> None:
    tape.asked("a")
    tape.approved("a")
    tape.started("a")
    tape.ran("a", "danger")
    tape.lost("a")
    tape.resolved("a", "run-again", SYSTEM)
    tape.started("a", 2)
    tape.succeeded("a")


# --- policy -----------------------------------------------------------------------------------------------------------


def a_start_behind_a_denial(tape: Tape) -> None:
    tape.rule("fx/d*", "deny")
    tape.done("a")


def a_start_behind_a_lock(tape: Tape) -> None:
    tape.asked("a")
    tape.approved("a")
    tape.event("lock/access", "AccessLocked")
    tape.started("a")
    tape.ran("a", "danger")
    tape.succeeded("a")


def a_start_behind_a_revocation(tape: Tape) -> None:
    tape.grant("fx/danger", 60_000)
    tape.event("grant/g1", "GrantRevoked")
    tape.done("a", "fx/danger")


def a_start_after_the_grants_time(tape: Tape) -> None:
    tape.grant("fx/danger", 500)
    tape.done("a", "fx/danger")
    tape.event("grant/g1", "GrantExpired")


def a_start_that_nobody_approved(tape: Tape) -> None:
    tape.asked("a")
    tape.started("a")
    tape.ran("a", "danger")
    tape.succeeded("a")
