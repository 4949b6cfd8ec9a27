"""An allowed call that another replica must start: it waits for a while, for somebody, and starts once or never."""

from msgspec.structs import replace

from portero.domain.call import timer
from portero.domain.commands import Cancel, RecordFailure, RecordUnknown, ResolveOutcome, Wake
from portero.domain.events import (
    CallCancelled,
    ExecutionFailed,
    ExecutionOutcomeUnknown,
    ExecutionStarted,
    OutcomeResolved,
)
from portero.domain.ids import Millis
from portero.domain.values import SYSTEM, Action, Resolution, Status
from portero.errors import AlreadyDecided, Invalid
from tests.domain.stories import (
    ANA,
    ASKED_FOR,
    BEN,
    DAY,
    ELSEWHERE,
    ERROR,
    HOUR,
    LEASE,
    LOST,
    MINUTE,
    NOW,
    R2,
    REQUESTED,
    SAFE_ELSEWHERE,
    SECOND,
    START,
    SUCCEEDED,
    SUCCESS,
    call_of,
    decided,
    given,
    request,
)

STARTED = ExecutionStarted(R2, 1, LEASE)
SAFELY_STARTED = ExecutionStarted(R2, 1, LEASE, retry_safe=True)
AGAIN = OutcomeResolved(SYSTEM, Resolution.RUN_AGAIN)


def test_an_allowed_call_is_queued_in_place_of_started():
    given().when(request(Action.ALLOW, queued=ASKED_FOR)).then(REQUESTED, decided(Action.ALLOW), ASKED_FOR)
    given().when(request(Action.ALLOW, queued=ASKED_FOR), locked=True).then_refused(Invalid, "locked")
    call = call_of(*ELSEWHERE)
    assert (call.status, call.asked, call.digest, call.attempt) == (Status.QUEUED, False, "d1", 0)


def test_it_starts_once():
    given(*ELSEWHERE).when(START).then(STARTED)
    given(*ELSEWHERE, STARTED).when(START).then_refused(AlreadyDecided)
    given(*ELSEWHERE, STARTED).when(SUCCESS).then(SUCCEEDED)
    given(*ELSEWHERE).when(START, locked=True).then_refused(Invalid, "locked")


def test_it_starts_in_time_or_ends_as_never_sent():
    for command in (replace(START, lease_until=Millis(NOW + HOUR)), Wake()):
        given(*ELSEWHERE).when(Wake(), at=NOW + 15 * SECOND - 1).then_nothing()
        [event] = given(*ELSEWHERE).when(command, at=NOW + MINUTE).answer()
        assert isinstance(event, ExecutionFailed)
        assert not event.sent
        assert "nothing was sent" in event.error


def test_nobody_who_waits_means_no_start():
    [event] = given(*ELSEWHERE).when(Wake(), at=NOW + 15 * SECOND).answer()
    assert isinstance(event, CallCancelled)
    given(*ELSEWHERE, event).when(START).then_refused(AlreadyDecided)


def test_its_timer_is_the_first_that_may_end_it():
    assert timer(call_of(*ELSEWHERE)) == NOW + 15 * SECOND
    short = replace(ASKED_FOR, wait_ms=5 * SECOND)
    assert timer(call_of(*ELSEWHERE[:2], short)) == NOW + 5 * SECOND
    assert timer(call_of(*ELSEWHERE, STARTED)) == LEASE


def test_it_can_be_called_off_before_and_after_it_starts():
    for history in (ELSEWHERE, (*ELSEWHERE, STARTED)):
        given(*history).when(Cancel(BEN)).then(CallCancelled(BEN))


def test_it_can_be_found_impossible_to_start():
    given(*ELSEWHERE).when(RecordFailure(0, ERROR, sent=False, duration_ms=0)).then(ExecutionFailed(ERROR, sent=False))


def test_lost_with_its_owner_it_runs_again_only_where_that_does_no_harm():
    lost = RecordUnknown(1, "gone", 40)
    given(*ELSEWHERE, STARTED).when(lost).then(ExecutionOutcomeUnknown("gone", 40))
    given(*SAFE_ELSEWHERE, SAFELY_STARTED).when(lost).then(ExecutionOutcomeUnknown("gone", 40), AGAIN)


def test_run_again_it_has_its_times_anew():
    call = call_of(*SAFE_ELSEWHERE, SAFELY_STARTED, LOST, AGAIN)
    assert (call.status, call.start_by, call.waited_for_until) == (Status.QUEUED, NOW + MINUTE, NOW + 15 * SECOND)
    assert call.facts.read_only


def test_started_at_once_and_run_again_by_a_person_it_waits_without_an_end():
    history = (REQUESTED, decided(Action.ALLOW), STARTED, LOST)
    given(*history).when(ResolveOutcome(ANA, Resolution.RUN_AGAIN)).then(OutcomeResolved(ANA, Resolution.RUN_AGAIN))
    call = call_of(*history, OutcomeResolved(ANA, Resolution.RUN_AGAIN))
    assert (call.start_by, call.waited_for_until, timer(call)) == (None, None, None)
    given(*history, OutcomeResolved(ANA, Resolution.RUN_AGAIN)).when(Wake(), at=NOW + DAY).then_nothing()
