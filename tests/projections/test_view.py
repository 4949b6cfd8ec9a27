"""The View follows the log: in order, without gaps, and tells who waits."""

import asyncio

import pytest
from structlog.testing import capture_logs

from portero.domain import events as e
from portero.domain.ids import LOCK_AGGREGATE, Millis
from portero.domain.values import SYSTEM, Action, Status
from portero.errors import LogDivergence
from projections import View
from tests.domain.stories import ANA, CALL, DENIED_BY_POLICY, HOUR, NOW, PENDING, QUEUED, R1
from tests.projections.tape import Tape


def test_a_view_begins_before_the_first_event():
    view = View()
    assert (view.seq, view.entry, view.policy_version, view.locked) == (0, "0-0", 0, None)


def test_a_view_knows_how_far_it_has_come():
    view = Tape().call(*PENDING).view()
    assert (view.seq, view.entry) == (3, f"{NOW}-3")


def test_what_was_seen_before_is_passed_over():
    tape = Tape().call(*PENDING)
    view = tape.view()
    digest = view.digest()
    view.apply(tape.log)
    view.apply(tape.log[1:])
    assert (view.seq, view.digest()) == (3, digest)


def test_a_gap_is_noticed_and_what_came_before_it_is_kept():
    log = Tape().call(*QUEUED).log
    view = View()
    with pytest.raises(LogDivergence, match="event 3 is missing from the log: 4 came after 2"):
        view.apply([log[0], log[1], log[3]])
    assert view.seq == 2
    view.apply(log[2:])
    assert view.calls.get(CALL).status is Status.QUEUED


def test_an_unknown_event_is_counted_and_passed_over():
    view = Tape().call(*PENDING).write("moon/1", "MoonRose").write("system/log", "SomethingElse").view()
    assert view.seq == 5
    assert view.calls.get(CALL).status is Status.PENDING


def test_a_call_that_a_newer_release_wrote_on_is_marked():
    assert Tape().call(*PENDING, "CallTeleported").view().calls.get(CALL).foreign


@pytest.mark.parametrize("aggregate", ["call/unknown", "grant/gunknown", "rule/runknown", "admin/1", "upstream/x"])
def test_an_unknown_event_of_something_unknown_changes_nothing(aggregate):
    assert Tape().write(aggregate, "FromTheFuture").view().seq == 1


# --- the policy version -----------------------------------------------------------------------------------------------

LOADED = e.ConfigLoaded(R1, "p", "r", "u", Action.ASK)
ISSUED = e.GrantIssued("*", False, Millis(NOW + HOUR), ANA)


def test_the_policy_version_counts_what_moves_it_and_nothing_else():
    tape = Tape().call(*QUEUED).write("replica/r1", e.ReplicaStarted(R1, "1", 1, "h"), LOADED)
    tape.write("rule/r1234567", e.RuleSet("*", False, Action.ALLOW, ANA), e.RuleRemoved(ANA))
    tape.write("grant/g1", ISSUED, e.GrantUsed(CALL), e.GrantRevoked(ANA)).write("grant/g2", ISSUED, e.GrantExpired())
    tape.write(LOCK_AGGREGATE, e.AccessLocked(ANA), e.AccessUnlocked(ANA))
    assert tape.view().policy_version == 10


def test_a_policy_event_that_cannot_be_read_moves_it_too():
    assert Tape().write("rule/r1234567", "RuleSet").write("rule/r1234567", "RuleBent").view().policy_version == 1


def test_a_policy_event_of_something_forgotten_moves_it_too():
    assert Tape().write("grant/g9", e.GrantExpired()).write("rule/r9", e.RuleRemoved(ANA)).view().policy_version == 2


# --- the lock ---------------------------------------------------------------------------------------------------------


def test_the_lock_is_seen():
    tape = Tape().write(LOCK_AGGREGATE, e.AccessLocked(ANA, "holiday"))
    assert (tape.view().locked.by, tape.view().locked.reason) == (ANA, "holiday")
    assert tape.write(LOCK_AGGREGATE, e.AccessUnlocked(ANA)).view().locked is None


def test_a_lock_that_cannot_be_read_locks():
    assert Tape().write(LOCK_AGGREGATE, "AccessLocked").view().locked.by == SYSTEM


# --- waiting ----------------------------------------------------------------------------------------------------------


async def test_what_was_seen_is_not_waited_for():
    await Tape().call(*PENDING).view().wait_for(3, timeout=0)


async def test_who_waits_is_told_when_it_is_there():
    log, view = Tape().call(*QUEUED).log, View()
    waits = [asyncio.create_task(view.wait_for(seq, timeout=5)) for seq in (4, 2, 3, 2)]
    await asyncio.sleep(0)
    view.apply(log[:2])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [task.done() for task in waits] == [False, True, False, True]
    view.apply(log[2:])
    await asyncio.gather(*waits)
    assert len(view._waiting) == 0


async def test_who_waits_in_vain_is_told_and_forgotten():
    view = View()
    with pytest.raises(TimeoutError):
        await view.wait_for(1, timeout=0.001)
    assert len(view._waiting) == 0


async def test_who_stops_waiting_is_forgotten_and_the_others_are_not():
    view = View()
    gone, stays = (asyncio.create_task(view.wait_for(1, timeout=5)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    assert (gone.cancelled(), len(view._waiting)) == (True, 1)
    view.apply(Tape().call(*PENDING).log)
    await stays


# --- subscribers ------------------------------------------------------------------------------------------------------


def test_a_subscriber_sees_each_event_with_the_view_that_holds_it():
    log, view = Tape().call(*PENDING).log, View()
    seen = []
    end = view.subscribe(lambda recorded: seen.append((recorded.seq, view.seq, view.calls.get(CALL).version)))
    view.apply(log[:2])
    end()
    end()
    view.apply(log[2:])
    assert seen == [(1, 1, 1), (2, 2, 2)]


def test_a_subscriber_that_fails_is_reported_and_harms_nobody():
    view, seen = View(), []

    def fail(recorded):
        raise RuntimeError("broken")

    view.subscribe(fail)
    view.subscribe(lambda recorded: seen.append(recorded.seq))
    with capture_logs() as logs:
        view.apply(Tape().call(*PENDING).log)
    assert (seen, view.seq) == ([1, 2, 3], 3)
    assert [entry["event"] for entry in logs] == ["a subscriber of the view failed"] * 3


def test_a_subscriber_may_end_itself_while_it_is_told():
    view, seen = View(), []

    def once(recorded):
        seen.append(recorded.seq)
        end()

    end = view.subscribe(once)
    view.subscribe(lambda recorded: seen.append(-recorded.seq))
    view.apply(Tape().call(*DENIED_BY_POLICY).log)
    assert seen == [1, -1, -2]
