"""Histories that break a promise about a server of which there is one instance, each one; and one that keeps them."""

import attrs

from tests.chaos.tape import SYSTEM, WAIT_MS, Tape

LOST = "Replica r1, which ran solo, was gone before it reported what came of the call."


def a_change_of_hands(tape: Tape) -> None:
    """Everything that is allowed to happen when one dies and another takes over."""
    tape.waits("z")
    tape.event("call/z", "ExecutionFailed", sent=False)
    tape.taken("r1", 1, pid=10)
    tape.allowed("a", "solo/do")
    tape.ran("a", pid=10)
    tape.succeeded("a")
    tape.served("b", "r1", 10)
    tape.born(11)  # it has crashed, and its owner starts it again
    tape.served("c", "r1", 11)
    tape.waits("d")
    tape.started("d")
    tape.ran("d", pid=11)
    tape.waits("e", "solo/look")
    tape.started("e", retry_safe=True)
    tape.ran("e", "look", 11)
    tape.taken("r2", 3, pid=12)
    tape.lost("d", LOST)
    tape.lost("e", LOST)
    tape.resolved("e", "run-again", SYSTEM)
    tape.started("e", 2, retry_safe=True, where="r2")
    tape.ran("e", "look", 12)
    tape.succeeded("e", "r2")
    tape.given_back("r2", 3)
    tape.taken("r1", 4, pid=13)
    tape.served("f", "r1", 13)
    tape.resolved("d", "run-again")
    tape.now += WAIT_MS  # a person said so: there is no hurry
    tape.started("d", 2)
    tape.ran("d", pid=13)
    tape.succeeded("d")


def a_start_by_the_owner_before(tape: Tape) -> None:
    tape.taken("r1", 1, pid=10)
    tape.taken("r2", 2)
    tape.served("a", "r1", 10)


def a_start_after_it_was_given_back(tape: Tape) -> None:
    tape.taken("r1", 1, pid=10)
    tape.given_back("r1", 1)
    tape.served("a", "r1", 10)


def an_epoch_twice(tape: Tape) -> None:
    tape.taken("r1", 1)
    tape.taken("r2", 1)


def given_back_by_who_has_it_not(tape: Tape) -> None:
    tape.taken("r1", 1)
    tape.taken("r2", 2)
    tape.given_back("r1", 1)


def taken_for_another(tape: Tape) -> None:
    tape.taken("r1", 1)
    tape.log[-1] = attrs.evolve(tape.log[-1], replica="r2")


def two_processes_in_turn(tape: Tape) -> None:
    tape.taken("r1", 1, pid=10)
    tape.served("a", "r1", 10)
    tape.born(11)
    tape.served("b", "r1", 11)
    tape.served("c", "r1", 10)


def a_process_beside_another(tape: Tape) -> None:
    tape.taken("r1", 1, pid=10)
    tape.born(11, alone=False)
    tape.served("a", "r1", 11)


def a_process_that_goes_on_for_the_next_owner(tape: Tape) -> None:
    tape.taken("r1", 1, pid=10)
    tape.served("a", "r1", 10)
    tape.taken("r2", 2)
    tape.served("b", "r2", 10)


def given_up_while_its_owner_has_it(tape: Tape) -> None:
    tape.taken("r1", 1, pid=10)
    tape.allowed("a", "solo/do")
    tape.ran("a", pid=10)
    tape.lost("a", LOST)


def a_start_after_its_time(tape: Tape) -> None:
    tape.taken("r1", 1, pid=10)
    tape.waits("a")
    tape.now += WAIT_MS
    tape.started("a")
    tape.ran("a", pid=10)
    tape.succeeded("a")


def waits_though_it_is_denied(tape: Tape) -> None:
    tape.requested("a", "solo/danger", "require-approval")
    tape.event("call/a", "ExecutionQueued", wait_ms=WAIT_MS)
    tape.event("call/a", "ExecutionFailed", sent=False)
