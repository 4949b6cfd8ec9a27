"""Which calls are held, in which order they are listed, and which are forgotten."""

import pytest
from msgspec.structs import replace

from portero.domain import events as e
from portero.domain.ids import CallId, ClientId
from portero.domain.values import Action, Status
from portero.errors import Invalid, NotFound
from projections import View
from projections.limits import Limits
from tests.domain.stories import (
    ALLOWED,
    ANA,
    BEN,
    CALL,
    CLIENT,
    COMPLETED,
    DENIED,
    DENIED_BY_POLICY,
    ELSEWHERE,
    ERRED,
    EXECUTING,
    EXPIRED,
    FAILED,
    LATE,
    LOST,
    NOW,
    PENDING,
    QUEUED,
    REQUESTED,
    RUN_AGAIN,
    SECOND,
    STARTED,
    SUCCEEDED,
    UNKNOWN,
)
from tests.projections.tape import Tape, call_id

OTHER = ClientId("other")
SMALL = Limits(tasks=3, task_bytes=200, ended=2, ended_bytes=20)


def of(client: ClientId, *events):
    return (replace(events[0], client=client), *events[1:])


def ids(calls) -> list[int]:
    return [int(call.id) for call in calls]


def many(*histories) -> Tape:
    tape = Tape()
    for number, history in enumerate(histories):
        tape.call(*history, call=call_id(number), at=NOW + number)
    return tape


# --- looking up -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("history", [(REQUESTED,), PENDING, EXECUTING, ALLOWED, COMPLETED, DENIED_BY_POLICY, UNKNOWN])
def test_a_call_is_found_by_its_id(history):
    assert Tape().call(*history).view().calls.get(CALL).id == CALL


def test_an_unknown_call_is_not_found():
    calls = Tape().call(*PENDING).view().calls
    assert calls.get(CallId("nosuchcall")) is None
    with pytest.raises(NotFound, match="There is no task 9999"):
        calls.find("9999")


def test_the_beginning_of_an_id_is_enough_where_it_is_the_only_one():
    tape = Tape().call(*PENDING, call=CallId("aaaa1111")).call(*ALLOWED, call=CallId("aaaa2222"))
    calls = tape.call(*PENDING, call=CallId("aaaa")).view().calls
    assert [calls.find(prefix).id for prefix in ("aaaa1", "aaaa2", "aaaa2222", "aaaa")] == [
        "aaaa1111", "aaaa2222", "aaaa2222", "aaaa",
    ]  # fmt: skip


def test_a_beginning_that_several_share_is_refused_with_their_names():
    calls = Tape().call(*PENDING, call=CallId("aaaa1111")).call(*PENDING, call=CallId("aaaa1222")).view().calls
    with pytest.raises(Invalid, match=r"2 tasks begin with aaaa1: aaaa1111, aaaa1222\. Type more of the id\."):
        calls.find("aaaa1")


def test_a_beginning_that_is_too_short_is_refused():
    with pytest.raises(Invalid, match="'012' is too short"):
        Tape().call(*PENDING).view().calls.find("012")


# --- listing ----------------------------------------------------------------------------------------------------------


def test_what_waits_is_listed_oldest_first_until_it_is_decided():
    tape = many(PENDING, QUEUED, PENDING, DENIED, PENDING)
    assert ids(tape.view().calls.pending()) == [0, 2, 4]
    tape.call(e.CallApproved(ANA), call=call_id(2))
    tape.call(e.ApprovalNotified("telegram", "1:2"), call=call_id(0))
    view = tape.view()
    assert ids(view.calls.pending()) == [0, 4]
    assert view.calls.pending()[0].ref("telegram") == "1:2"
    assert (len(view.approvals), view.approvals.next_expiry()) == (2, PENDING[2].expires_at)


def test_tasks_are_listed_newest_first():
    calls = many(PENDING, COMPLETED, DENIED, EXECUTING).view().calls
    assert ids(calls.recent()) == [3, 2, 1, 0]
    assert ids(calls.recent(limit=2)) == [3, 2]
    assert ids(calls.recent(status=Status.DENIED)) == [2]


def test_a_client_sees_its_own_tasks_only():
    calls = many(PENDING, of(OTHER, *PENDING), DENIED).view().calls
    assert (ids(calls.recent(CLIENT)), ids(calls.recent(OTHER)), calls.recent(ClientId("nobody"))) == ([2, 0], [1], [])


def test_what_nobody_was_asked_about_is_no_task():
    calls = many(ALLOWED, (*ALLOWED, SUCCEEDED), DENIED_BY_POLICY, PENDING).view().calls
    assert ids(calls.recent()) == [3]


def test_a_lost_outcome_makes_a_task_of_any_call_at_its_place():
    tape = many(PENDING, ALLOWED, PENDING, ALLOWED, PENDING)
    tape.call(LOST, call=call_id(3)).call(LOST, call=call_id(1))
    view = tape.view()
    assert ids(view.calls.recent()) == ids(view.calls.recent(CLIENT)) == [4, 3, 2, 1, 0]
    assert ids(view.calls.recent(status=Status.UNKNOWN)) == [3, 1]


def test_what_runs_is_listed_whether_asked_for_or_not():
    assert ids(many(EXECUTING, ALLOWED, PENDING, COMPLETED).view().calls.executing()) == [0, 1]


def test_what_waits_to_start_is_listed_by_server_oldest_first_asked_for_or_not():
    tape = many(QUEUED, ELSEWHERE, PENDING, (*ELSEWHERE, STARTED), QUEUED)
    other = (replace(REQUESTED, upstream="gitlab"), *ELSEWHERE[1:])
    calls = tape.call(*other, call=call_id(9)).view().calls
    assert ids(calls.queued("github")) == [0, 1, 4]
    assert ids(calls.queued("gitlab")) == [9]
    assert calls.queued("gitea") == []


def test_every_call_is_counted_where_it_stands():
    calls = many(PENDING, QUEUED, EXECUTING, ALLOWED, COMPLETED, COMPLETED, DENIED, DENIED_BY_POLICY).view().calls
    counts = {status: count for status, count in calls.counts.items() if count}
    assert counts == {"pending-approval": 1, "approved-queued": 1, "executing": 2, "completed": 2, "denied": 2}
    assert calls.decisions == {Action.ALLOW: 1, Action.DENY: 1, Action.ASK: 6}


# --- forgetting -------------------------------------------------------------------------------------------------------


def test_what_is_open_is_never_forgotten():
    tape = many(*[PENDING] * 5, *[ALLOWED] * 5, *[EXECUTING] * 5, *[COMPLETED] * 9)
    calls = tape.view(SMALL).calls
    assert all(calls.get(call_id(number)) for number in range(15))


def test_of_the_finished_tasks_the_first_to_finish_is_forgotten_first():
    tape = many(*[EXECUTING] * 4, *[PENDING] * 2)
    for number in (2, 0, 3, 1):
        tape.call(SUCCEEDED, call=call_id(number))
    calls = tape.view(SMALL).calls
    assert ids(calls.recent()) == ids(calls.recent(CLIENT)) == [5, 4, 3, 1, 0]
    assert calls.get(call_id(2)) is None


def test_long_texts_are_forgotten_sooner():
    large = replace(FAILED, error="x" * 80)
    calls = many(*[(*EXECUTING, large)] * 3).view(SMALL).calls
    assert ids(calls.recent()) == [2, 1]


def test_a_text_larger_than_all_room_is_forgotten_at_once():
    calls = many((*EXECUTING, replace(FAILED, error="x" * 300)), PENDING).view(SMALL).calls
    assert ids(calls.recent()) == [1]


def test_what_is_held_is_counted_on_after_a_restart():
    large = replace(FAILED, error="x" * 80)
    tape = many(*[(*EXECUTING, large)] * 2)
    view = View.restore(tape.view(SMALL).snapshot(), SMALL)
    view.apply(tape.call(*EXECUTING, large, call=call_id(2)).log)
    assert ids(view.calls.recent()) == [2, 1]


def test_a_client_without_tasks_leaves_nothing_behind():
    histories = [of(ClientId(f"c{number}"), *COMPLETED) for number in range(9)]
    calls = many(*histories).view(SMALL).calls
    assert len(calls._by_client) == 3


def test_a_task_that_runs_again_is_open_again():
    tape = many(UNKNOWN, *[COMPLETED] * 2).call(RUN_AGAIN, call=call_id(0))
    for number in range(3, 9):
        tape.call(*COMPLETED, call=call_id(number))
    calls = tape.view(SMALL).calls
    assert ids(calls.recent()) == [8, 7, 6, 0]


def test_of_what_nobody_was_asked_about_little_is_kept():
    calls = many(*[(*ALLOWED, SUCCEEDED)] * 5).view(SMALL).calls
    assert [calls.get(call_id(number)) is not None for number in range(5)] == [False, False, False, True, True]


def test_long_arguments_of_such_calls_are_dropped_when_they_end():
    long = replace(REQUESTED, arguments='{"body":"' + "x" * 50 + '"}', arguments_bytes=61, extra='{"_meta":{}}')
    calls = many((long, *ALLOWED[1:], SUCCEEDED), (*ALLOWED, SUCCEEDED), (long, *ALLOWED[1:])).view(SMALL).calls
    first, second, third = (calls.get(call_id(number)) for number in range(3))
    assert (first.arguments, first.extra, first.arguments_bytes) == ("", None, 61)
    assert second.arguments == REQUESTED.arguments
    assert third.arguments == long.arguments


def test_what_is_kept_beside_the_log_takes_no_room_here():
    large = replace(REQUESTED, extra=None, extra_blob="c.extra", extra_bytes=90_000, extra_digest="ab")
    calls = many((large, *ALLOWED[1:], SUCCEEDED), (large, *PENDING[1:], e.ApprovalExpired())).view(SMALL).calls
    for number in range(2):
        assert calls.get(call_id(number)).origin.request == large


def test_a_call_cancelled_while_it_ran_is_kept_for_its_late_answer():
    tape = many((*ALLOWED, e.CallCancelled(BEN)))
    assert tape.view().calls.get(call_id(0)).status is Status.CANCELLED
    assert tape.call(LATE, call=call_id(0)).view().calls.get(call_id(0)).late


def test_what_happens_to_a_forgotten_call_is_passed_over():
    tape = many(*[COMPLETED] * 5).call(e.ResultRead(), PENDING[1], call=call_id(0))
    view = tape.view(SMALL)
    assert (view.calls.get(call_id(0)), view.seq) == (None, len(tape.log))


@pytest.mark.parametrize("history", [DENIED, EXPIRED, ERRED, COMPLETED])
def test_finished_tasks_can_still_be_read(history):
    calls = Tape().call(*history).call(e.ResultRead(), at=NOW + SECOND).view().calls
    assert calls.get(CALL).read_at == NOW + SECOND
