"""What holds for a call whatever is asked, by whom, when, and in which order."""

from collections import Counter
from typing import Any

import attrs
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec.structs import replace

from portero.domain.call import decide, evolve, timer
from portero.domain.commands import (
    Approve,
    Cancel,
    Deny,
    MarkRead,
    RecordFailure,
    RecordNotified,
    RecordNotifyFailed,
    RecordSuccess,
    RecordUnknown,
    ResolveOutcome,
    StartExecution,
    Wake,
)
from portero.domain.events import (
    ApprovalExpired,
    CallApproved,
    CallCancelled,
    CallDenied,
    ExecutionFailed,
    ExecutionOutcomeUnknown,
    ExecutionStarted,
    ExecutionSucceeded,
    LateOutcomeRecorded,
    OutcomeResolved,
    PolicyDecided,
)
from portero.domain.ids import Millis
from portero.domain.values import SYSTEM, TERMINAL, Action, Resolution, Status
from portero.errors import DecisionError
from tests.domain.stories import ANA, ASKED_FOR, BEN, CALL, DAY, HOUR, MINUTE, NOW, R1, R2, SAFE, recorded, request

people = st.sampled_from([ANA, BEN, SYSTEM])
attempts = st.integers(0, 4)
durations = st.just(1)


def start(at: int) -> st.SearchStrategy[StartExecution]:
    return st.builds(StartExecution, st.sampled_from([R1, R2]), st.just(Millis(at + HOUR)), st.booleans())


def commands(at: int) -> st.SearchStrategy[Any]:
    texts = st.just("x")
    return st.one_of(
        st.builds(Approve, people),
        st.builds(Deny, people),
        st.builds(Cancel, people),
        st.builds(RecordNotified, texts, st.sampled_from(["1", "2"])),
        st.builds(RecordNotifyFailed, texts, texts, st.one_of(st.none(), st.just(Millis(at + MINUTE)))),
        start(at),
        st.builds(RecordSuccess, attempts, st.booleans(), st.just("{}"), st.none(), st.just(2), durations),
        st.builds(RecordFailure, attempts, st.just("{}"), st.booleans(), durations),
        st.builds(RecordUnknown, attempts, texts, durations),
        st.builds(ResolveOutcome, people, st.sampled_from(Resolution)),
        st.just(MarkRead()),
        st.just(Wake()),
    )


TIMES = [NOW + passed for passed in (0, MINUTE, HOUR, 2 * HOUR, DAY - 1, DAY, 2 * DAY)]
"""Clocks of several replicas: they jump about."""
FAR = NOW + 9 * DAY
asked_at = {at: commands(at) for at in (*TIMES, FAR)}
asked = st.sampled_from(TIMES).flatmap(lambda at: st.tuples(st.just(at), asked_at[at]))
moves = st.tuples(asked, st.booleans())
"""What is asked and when; the flag: ask for what would lead on instead, so that lives get far."""


def leads_on(state: Any, at: int) -> Any:
    match state.status:
        case Status.PENDING:
            return Approve(ANA)
        case Status.QUEUED:
            return StartExecution(R1, Millis(at + HOUR), state.retry_safe)
        case Status.EXECUTING if state.attempt % 2:
            return RecordUnknown(state.attempt, "x", 1)
        case Status.EXECUTING:
            return RecordSuccess(state.attempt, False, "b1", 2, "d1", 1)
        case Status.UNKNOWN:
            return ResolveOutcome(ANA, Resolution.RUN_AGAIN)
        case _:
            return MarkRead()


@attrs.define
class Life:
    """A call that is asked for many things; what it agrees to is written down."""

    log: list[Any] = attrs.field(factory=list)
    states: list[Any] = attrs.field(factory=lambda: [None])

    @property
    def state(self) -> Any:
        return self.states[-1]

    def append(self, events: list[Any], at: int) -> None:
        for event in events:
            entry = recorded(event, aggregate=f"call/{CALL}", version=len(self.log) + 1, at=at)
            self.log.append(entry)
            self.states.append(evolve(self.state, entry))

    def ask(self, command: Any, at: int, *, locked: bool = False) -> list[Any]:
        try:
            events = decide(self.state, command, Millis(at), locked=locked)
        except DecisionError:
            return []
        self.append(events, at)
        return events


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """A whole life: requested, then anything."""
    life = Life()
    action = draw(st.sampled_from(Action))
    safe = draw(st.booleans())
    queued = draw(st.sampled_from([None, ASKED_FOR, replace(ASKED_FOR, facts=SAFE)]))
    life.append(decide(None, request(action, retry_safe=safe, queued=queued), NOW), NOW)
    for (at, command), lead in draw(st.lists(moves, max_size=16)):
        life.ask(leads_on(life.state, at) if lead else command, at)
    return life


@st.composite
def races(draw: st.DrawFn) -> Life:
    """Replicas that decide on what they last saw; the log takes only what was decided on its newest version."""
    life = Life()
    action, queued = draw(st.sampled_from([Action.ASK, Action.ALLOW])), draw(st.sampled_from([None, ASKED_FOR]))
    life.append(decide(None, request(action, queued=queued), NOW), NOW)
    seen = {replica: len(life.states) - 1 for replica in range(3)}
    for replica, looks, ((at, command), lead) in draw(
        st.lists(st.tuples(st.integers(0, 2), st.booleans(), moves), max_size=20)
    ):
        if looks:
            seen[replica] = len(life.states) - 1
        state = life.states[seen[replica]]
        try:
            events = decide(state, leads_on(state, at) if lead else command, Millis(at))
        except DecisionError:
            continue
        if seen[replica] == len(life.states) - 1:
            life.append(events, at)
    return life


def events_of(life: Life, *types: type) -> list[Any]:
    return [entry.event for entry in life.log if isinstance(entry.event, types)]


def check(life: Life) -> None:
    one_decision(life)
    nothing_runs_unasked(life)
    each_attempt_starts_and_ends_once(life)


def one_decision(life: Life) -> None:
    """A person's or time's: one. Only Portero's own refusal, or time, may follow an approval that has not started."""
    decisions = [
        entry.event
        for entry, before in zip(life.log, life.states, strict=False)
        if before is not None
        and before.status is Status.PENDING
        and isinstance(entry.event, CallApproved | CallDenied | ApprovalExpired | CallCancelled)
    ]
    assert len(decisions) <= 1
    assert len(events_of(life, CallApproved)) <= 1
    denials = events_of(life, CallDenied, ApprovalExpired)
    assert len(denials) <= 1
    if denials and events_of(life, CallApproved):
        assert isinstance(denials[0], ApprovalExpired) or denials[0].by == SYSTEM
    assert len(events_of(life, CallCancelled)) <= 1


def nothing_runs_unasked(life: Life) -> None:
    """Before the first start stands an allow or an approval; before every other, word that it shall run again."""
    permits = 0
    for entry in life.log:
        event = entry.event
        permits += isinstance(event, PolicyDecided) and event.action is Action.ALLOW
        permits += isinstance(event, CallApproved)
        permits += isinstance(event, OutcomeResolved) and event.resolution is Resolution.RUN_AGAIN
        if isinstance(event, CallDenied | CallCancelled | ApprovalExpired | ExecutionOutcomeUnknown):
            permits = 0
        if isinstance(event, ExecutionStarted):
            permits -= 1
            assert permits == 0


def each_attempt_starts_and_ends_once(life: Life) -> None:
    starts = [event.attempt for event in events_of(life, ExecutionStarted)]
    assert starts == list(range(1, len(starts) + 1))
    late = Counter(event.attempt for event in events_of(life, LateOutcomeRecorded))
    assert all(count == 1 for count in late.values())
    ends = [
        before.status
        for entry, before in zip(life.log, life.states, strict=False)
        if isinstance(entry.event, ExecutionSucceeded | ExecutionFailed | ExecutionOutcomeUnknown)
    ]
    assert ends.count(Status.EXECUTING) <= len(starts)
    assert set(ends) <= {Status.EXECUTING, Status.QUEUED}


@for_all(lives())
def test_one_decision_one_start_per_attempt_and_nothing_unasked(life):
    check(life)


@for_all(races())
def test_the_same_when_replicas_race(life):
    check(life)


@for_all(lives(), asked)
def test_a_finished_call_yields_nothing_but_notes(life, question):
    state = life.state
    if state.status not in TERMINAL - {Status.UNKNOWN}:
        return
    at, command = question
    notes = life.ask(command, at)
    assert life.state.status is state.status
    assert not any(isinstance(event, CallApproved | CallDenied | ExecutionStarted | OutcomeResolved) for event in notes)
    assert life.state.ended_at == state.ended_at


@for_all(lives())
def test_a_fold_is_deterministic_and_leaves_its_input_alone(life):
    state = None
    for entry, expected in zip(life.log, life.states[1:], strict=True):
        before = None if state is None else hash(state)
        again = evolve(state, entry)
        assert again == expected
        assert before == (None if state is None else hash(state))
        state = again


@for_all(lives(), asked)
def test_nothing_starts_while_locked_or_when_its_approval_holds_no_more(life, question):
    at, command = question
    assert not any(isinstance(event, ExecutionStarted) for event in life.ask(command, at, locked=True))
    start_by = life.state.start_by  # what was asked may have ended it, and a person may let it run once more below
    events = life.ask(leads_on(life.state, at), at)
    if start_by is not None and at >= start_by:
        assert not any(isinstance(event, ExecutionStarted) for event in events)
        assert life.state.finished


@for_all(lives())
def test_versions_count_the_events(life):
    assert [state.version for state in life.states[1:]] == list(range(1, len(life.log) + 1))


@for_all(lives())
def test_a_call_that_waits_for_time_has_a_timer_and_moves_when_it_rings(life):
    state = life.state
    if state.status not in {Status.PENDING, Status.QUEUED, Status.EXECUTING}:
        return
    if state.status is Status.QUEUED and state.start_by is None:  # a person let it run again: it waits for no time
        return
    assert timer(state) is not None
    assert life.ask(Wake(), FAR)
    assert life.state.status is not state.status


@for_all(st.sampled_from([Approve(ANA), Deny(ANA), Cancel(ANA)]), st.integers(-2, 2))
def test_expiry_is_exact(command, offset):
    life = Life()
    life.append(decide(None, request(Action.ASK), NOW), NOW)
    assert bool(life.ask(command, NOW + DAY + offset)) == (offset < 0)


@for_all(lives())
def test_while_locked_nothing_is_approved_or_run_again(life):
    status = life.state.status
    life.ask(Approve(ANA), NOW, locked=True)
    life.ask(ResolveOutcome(ANA, Resolution.RUN_AGAIN), NOW, locked=True)
    assert life.state.status is status
