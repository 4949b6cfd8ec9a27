"""More histories that break a promise: about effects, times, and what people were told."""

import json

import attrs

from tests.chaos.tape import APPROVAL_MS, SYSTEM, Tape, error, pending, result, told_done

# --- effects ----------------------------------------------------------------------------------------------------------


def an_effect_twice(tape: Tape) -> None:
    tape.done("a")
    tape.ran("a")


def an_effect_on_no_log(tape: Tape) -> None:
    tape.ran("a")


def an_effect_of_a_cancelled_call(tape: Tape) -> None:
    tape.asked("a")
    tape.cancelled("a")
    tape.ran("a", "danger")


def an_effect_before_its_start(tape: Tape) -> None:
    tape.ran("a")
    tape.done("a")
    tape.effects.pop()


def an_effect_of_what_was_not_sent(tape: Tape) -> None:
    tape.allowed("a")
    tape.ran("a")
    tape.failed("a", sent=False)


def an_end_as_if_it_had_not_run(tape: Tape) -> None:
    tape.asked("a")
    tape.approved("a")
    tape.started("a")
    tape.ran("a", "danger")
    tape.lost("a")
    tape.resolved("a", "run-again")
    tape.event("call/a", "CallDenied", by=SYSTEM)


def a_success_without_effect(tape: Tape) -> None:
    tape.allowed("a")
    tape.succeeded("a")


# --- time -------------------------------------------------------------------------------------------------------------


def an_early_expiry(tape: Tape) -> None:
    tape.asked("a")
    tape.event("call/a", "ApprovalExpired")


def a_late_approval(tape: Tape) -> None:
    tape.asked("a")
    tape.now += APPROVAL_MS
    tape.approved("a")
    tape.started("a")
    tape.ran("a", "danger")
    tape.succeeded("a")


def a_start_after_the_approval_has_expired(tape: Tape) -> None:
    tape.asked("a")
    tape.approved("a")
    tape.now += APPROVAL_MS
    tape.started("a")
    tape.ran("a", "danger")
    tape.succeeded("a")


def a_lease_given_up_early(tape: Tape) -> None:
    tape.allowed("a")
    tape.now -= 500
    tape.lost("a", "Replica r1 stopped before it reported what came of the call.")


def an_approval_that_waits_for_ever(tape: Tape) -> None:
    tape.asked("a")
    tape.now += 10 * APPROVAL_MS


def a_grant_for_ever(tape: Tape) -> None:
    tape.grant("fx/danger", 1_000)
    tape.now += 10 * APPROVAL_MS


def a_grant_that_ends_twice(tape: Tape) -> None:
    tape.grant("fx/danger", 1_000)
    tape.event("grant/g1", "GrantRevoked")
    tape.event("grant/g1", "GrantExpired")


# --- answers ----------------------------------------------------------------------------------------------------------


def told_done_of_what_was_lost(tape: Tape) -> None:
    tape.allowed("a")
    tape.ran("a")
    tape.lost("a")
    tape.told("a", told_done("a"))


def told_of_another_call(tape: Tape) -> None:
    tape.done("a")
    tape.told("a", told_done("b"))


def told_nothing_was_done(tape: Tape) -> None:
    tape.done("a")
    tape.told("a", error(4503, "The audit log is unavailable; nothing was written."))


def told_done_of_nothing_on_the_log(tape: Tape) -> None:
    tape.told("a", told_done("a"))


def told_a_task_of_another_call(tape: Tape) -> None:
    tape.asked("a")
    tape.told("a", pending("b"))


def told_it_was_refused(tape: Tape) -> None:
    tape.done("a")
    tape.told("a", result("fx/do was not run: a rule denies it.", is_error=True))


def told_that_portero_failed(tape: Tape) -> None:
    tape.told("a", error(-32603, "Portero failed on this request. Its log says why."))


def shown_as_what_it_never_was(tape: Tape) -> None:
    tape.asked("a")
    tape.shown("a", "completed")


def shown_as_unknown(tape: Tape) -> None:
    tape.asked("a")
    tape.shown("a", "unknown-task")


def shown_the_past(tape: Tape) -> None:
    tape.asked("a")
    tape.approved("a")
    tape.started("a")
    tape.ran("a", "danger")
    tape.succeeded("a")
    tape.shown("a", "completed")
    tape.shown("a", "pending-approval", at=tape.now + 5)


def said_to_be_called_off_and_started(tape: Tape) -> None:
    tape.asked("a")
    tape.approved("a")
    tape.started("a")
    tape.ran("a", "danger")
    tape.cancelled("a")
    tape.shown("a", "cancelled")
    said = result(json.dumps({"task_id": "a", "status": "cancelled", "message": "It was cancelled before it started."}))
    tape.seen[-1] = attrs.evolve(tape.seen[-1], answer=said)
