"""What holds for a view whatever the log: the same from nothing, from any snapshot, in any portions; and its bounds."""

import gc
import tracemalloc

from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from portero.domain.events import EVENT_TYPES, POLICY_EVENTS
from portero.domain.values import TERMINAL, Status
from projections import View
from projections.limits import Limits
from tests.domain.stories import ALLOWED, COMPLETED, SUCCEEDED
from tests.projections.lives import write_life
from tests.projections.tape import Tape, call_id

SMALL = Limits(
    tasks=4,
    task_bytes=400,
    ended=3,
    ended_bytes=30,
    grants=2,
    activity=9,
    replicas=2,
    clients=1,
    recent_tools=2,
    sessions=2,
)
POLICY_TYPES = {cls.__name__ for cls in POLICY_EVENTS}
seeds = st.integers(0, 2**32)


def test_the_lives_hold_every_kind_of_event():
    """Or the properties below would say less than they seem to."""
    seen = {recorded.type for seed in range(40) for recorded in write_life(seed, 200).log}
    assert set(EVENT_TYPES) - seen == {"LogDiverged"}


@for_all(seeds, st.integers(0, 200), st.data())
def test_a_snapshot_at_any_point_and_the_rest_is_a_rebuild_from_nothing(seed, steps, data):
    log = write_life(seed, steps).log
    cut = data.draw(st.integers(0, len(log)))
    for limits in (SMALL, None):
        whole, part = View(limits), View(limits)
        whole.apply(log)
        part.apply(log[:cut])
        resumed = View.restore(part.snapshot(), limits)
        assert resumed.digest() == part.digest()
        resumed.apply(log[cut:])
        assert resumed.digest() == whole.digest()
        assert (resumed.seq, resumed.entry, resumed.policy_version) == (whole.seq, whole.entry, whole.policy_version)
        assert resumed.snapshot() == whole.snapshot()


@for_all(seeds, st.lists(st.integers(1, 40), max_size=12))
def test_it_does_not_matter_in_which_portions_events_come(seed, portions):
    log = write_life(seed, 120).log
    whole, pieces = View(SMALL), View(SMALL)
    whole.apply(log)
    at = 0
    for portion in portions:
        pieces.apply(log[at : at + portion])
        at += portion
    pieces.apply(log)
    assert pieces.digest() == whole.digest()


@for_all(seeds)
def test_the_policy_version_is_the_count_of_policy_events(seed):
    log = write_life(seed, 120).log
    view = View()
    view.apply(log)
    assert view.policy_version == sum(recorded.type in POLICY_TYPES for recorded in log)


@for_all(seeds)
@settings(max_examples=30)
def test_every_list_agrees_with_every_other(seed):
    view = View(SMALL)
    for recorded in write_life(seed, 200).log:
        view.apply([recorded])
    calls = view.calls
    tasks = calls.recent(limit=10_000)
    assert [call.requested_seq for call in tasks] == sorted((call.requested_seq for call in tasks), reverse=True)
    assert calls.pending() == [call for call in tasks[::-1] if call.status is Status.PENDING]
    clients = {call.client for call in tasks}
    by_client = [call for client in clients for call in calls.recent(client, limit=10_000)]
    assert sorted(call.id for call in by_client) == sorted(call.id for call in tasks)
    assert all(calls.get(call.id) is call is calls.find(call.id) for call in tasks)
    finished = [call for call in tasks if call.status in TERMINAL]
    assert len(finished) <= SMALL.tasks
    assert len(calls._ended) <= SMALL.ended
    assert sum(count for status, count in calls.counts.items() if status not in TERMINAL) == len(
        [call for call in calls._all() if call.status not in TERMINAL]
    )


@for_all(seeds)
@settings(max_examples=30)
def test_nothing_open_is_ever_forgotten(seed):
    small, large = View(SMALL), View()
    log = write_life(seed, 200).log
    small.apply(log)
    large.apply(log)
    for call in large.calls._all():
        if call.status not in TERMINAL:
            assert small.calls.get(call.id) == call


def test_memory_does_not_grow_with_history():
    view = View(Limits(tasks=50, ended=50, activity=50))

    def go_on(rounds: int) -> int:
        for _ in range(rounds):
            asked, allowed = call_id(2 * view.seq), call_id(2 * view.seq + 1)
            tape = Tape(after=view.seq).call(*COMPLETED, call=asked).call(*ALLOWED, SUCCEEDED, call=allowed)
            view.apply(tape.log)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        go_on(200)
        before = go_on(300)
        assert go_on(1_000) - before < 20_000
    finally:
        tracemalloc.stop()
