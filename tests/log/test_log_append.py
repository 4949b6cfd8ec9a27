"""An append is written whole or not at all, and only on the state that it was decided on."""

import asyncio
from collections import Counter

import pytest

from portero.domain.events import ConfigLoaded, HandlerGaveUp, LogDiverged
from portero.domain.ids import Aggregate, ReplicaId
from portero.domain.values import Action
from portero.errors import PolicyMoved, VersionConflict
from portero.log import Log, Write
from tests.log.support import NOW, READ, REVOKED, SOMEBODY, append, everything, opened, requested, write
from tests.stores import Place


async def test_events_get_dense_sequences_and_versions_of_their_aggregate(log: Log) -> None:
    first = await append(log, write("call/a", 0, requested(), READ))
    second = await append(log, write("call/b", 0), write("call/a", 2))
    assert (first.first, first.last) == (1, 2)
    assert (second.first, second.last) == (3, 4)
    seen = [(event.seq, event.aggregate, event.version) for event in await everything(log)]
    assert seen == [(1, "call/a", 1), (2, "call/a", 2), (3, "call/b", 1), (4, "call/a", 3)]


async def test_what_is_read_is_what_was_written(log: Log) -> None:
    event = requested(arguments='{"text":"grüße\\n\\u0000 \U0001f600"}')
    await append(log, write("call/a", 0, event), actor=SOMEBODY, cause=7, trace="00-ab-cd-01")
    [recorded] = await everything(log)
    meta = recorded.meta
    assert recorded.event == event
    assert (meta.at, meta.actor, meta.replica, meta.cause, meta.trace) == (NOW, SOMEBODY, "r1", 7, "00-ab-cd-01")


async def test_a_write_on_an_older_version_changes_nothing(log: Log, store: Place) -> None:
    await append(log, write("call/a", 0))
    before = store.redis.hgetall(store.key("head"))
    with pytest.raises(VersionConflict) as conflict:
        await append(log, write("call/b", 0, timer=NOW, work=("w",)), write("call/a", 0), blobs={"k": b"v"})
    assert (conflict.value.aggregate, conflict.value.expected, conflict.value.version) == ("call/a", 0, 1)
    assert store.redis.hgetall(store.key("head")) == before
    assert store.found() == {"head", "log", "a:call/a"}


async def test_an_event_about_presence_is_written_at_whatever_version(log: Log) -> None:
    for expected in (1, 2, 3):
        await append(log, write("replica/r1", None))
        assert (await everything(log))[-1].version == expected


async def test_of_many_who_decide_on_the_same_state_exactly_one_wins(store: Place) -> None:
    async with opened(store, "r1") as one, opened(store, "r2") as two:
        for expected in range(20):
            results = await asyncio.gather(
                *(append(log, write("call/a", expected)) for log in (one, two) * 8), return_exceptions=True
            )
            assert Counter(type(result).__name__ for result in results) == {"Appended": 1, "VersionConflict": 15}
            assert all(r.version == expected + 1 for r in results if isinstance(r, VersionConflict))


async def test_each_of_64_writers_gets_its_own_answer(store: Place) -> None:
    async with opened(store, "r1") as one, opened(store, "r2") as two:

        async def writer(number: int) -> list[tuple[int, str, int]]:
            log, aggregate = (one, two)[number % 2], f"call/{number}"
            got = []
            for version in range(20):
                appended = await append(log, write(aggregate, version))
                got.append((appended.first, aggregate, version + 1))
                if version % 5 == 0:
                    with pytest.raises(VersionConflict) as conflict:
                        await append(log, write(aggregate, version + 9))
                    assert (conflict.value.aggregate, conflict.value.version) == (aggregate, version + 1)
            return got

        answers = [answer for answers in await asyncio.gather(*map(writer, range(64))) for answer in answers]
        written = [(event.seq, event.aggregate, event.version) for event in await everything(one)]
    assert sorted(answers) == written
    assert [seq for seq, *_ in written] == list(range(1, 64 * 20 + 1))


async def test_a_decision_from_before_a_rule_is_refused_and_changes_nothing(log: Log) -> None:
    assert (await append(log, write("call/a", 0), policy_version=0)).policy_version == 0
    assert (await append(log, write("grant/g", 0, REVOKED))).policy_version == 1
    with pytest.raises(PolicyMoved) as moved:
        await append(log, write("call/b", 0), policy_version=0)
    assert (moved.value.expected, moved.value.version) == (0, 1)
    assert (await append(log, write("call/b", 0), policy_version=1)).policy_version == 1
    assert (await log.head()).policy_version == 1


async def test_every_policy_event_moves_the_version_once(log: Log) -> None:
    config = ConfigLoaded(ReplicaId("r1"), "p", "r", "u", Action.ASK)
    appended = await append(log, write("grant/g", 0, REVOKED, REVOKED), write("replica/r1", None, config, READ))
    assert appended.policy_version == 3


async def test_a_rule_and_calls_in_the_same_batch_keep_their_order(log: Log) -> None:
    results = await asyncio.gather(
        append(log, write("call/a", 0), policy_version=0),
        append(log, write("rule/r", 0, REVOKED), policy_version=0),
        append(log, write("call/b", 0), policy_version=0),
        return_exceptions=True,
    )
    assert [type(result).__name__ for result in results] == ["Appended", "Appended", "PolicyMoved"]


async def test_the_same_write_id_is_written_once(log: Log) -> None:
    writes = (write("call/a", 0, READ, READ), write("call/b", 0))
    first = await append(log, *writes, write_id="w1")
    again = await append(log, *writes, write_id="w1", policy_version=99)
    assert (again.first, again.last, again.repeated) == (first.first, first.last, True)
    assert not first.repeated
    assert (await log.head()).seq == 3


async def test_a_repeated_write_id_is_told_from_another_write_on_the_same_version(log: Log) -> None:
    await append(log, write("call/a", 0), write_id="w1")
    with pytest.raises(VersionConflict):
        await append(log, write("call/a", 0), write_id="w2")


async def test_timers_are_set_kept_and_cleared_with_the_write(log: Log, store: Place) -> None:
    def timers() -> list[tuple[str, int]]:
        return [(name, int(due)) for name, due in store.redis.zrange(store.key("timers"), 0, -1, withscores=True)]

    await append(log, write("call/a", 0, timer=NOW + 5))
    assert timers() == [("call/a", NOW + 5)]
    await append(log, write("call/a", 1))
    assert timers() == [("call/a", NOW + 5)]
    await append(log, write("call/a", 2, timer=NOW + 9))
    assert timers() == [("call/a", NOW + 9)]
    await append(log, write("call/a", 3, timer=None))
    assert timers() == []


async def test_work_streams_get_a_pointer_to_the_last_event(log: Log, store: Place) -> None:
    gave_up = HandlerGaveUp("g", "a", 5, "e")
    await append(log, write("call/a", 0, READ, gave_up, work=("one", "two")))
    for stream in ("one", "two"):
        [(_, fields)] = store.redis.xrange(store.key(f"work:{stream}"))
        assert fields == {"n": "2", "s": "call/a", "t": "HandlerGaveUp"}


async def test_blobs_are_kept_beside_the_log_for_their_time(log: Log, store: Place) -> None:
    await append(log, write("call/a", 0), blobs={"a": b"\x00\xff" * 10, "b": b""}, blob_ttl=100)
    assert await log.blob("a") == b"\x00\xff" * 10
    assert await log.blob("b") == b""
    assert await log.blob("c") is None
    assert 0 < store.redis.ttl(store.key("blob:a")) <= 100


async def test_nothing_is_kept_for_ever_but_the_log_and_what_is_open(log: Log, store: Place) -> None:
    await append(log, write("call/open", 0, timer=NOW, work=("w",)), blobs={"k": b"v"})
    await append(log, write("call/ended", 0, ends=True))
    await append(log, write("call/reopened", 0, ends=True))
    await append(log, write("call/reopened", 1))
    lasting = {key for key in store.found() if store.redis.ttl(store.key(key)) < 0}
    assert lasting == {"head", "log", "timers", "work:w", "a:call/open", "a:call/reopened"}


async def test_a_mistake_of_the_caller_is_told_before_anything_is_sent(log: Log) -> None:
    with pytest.raises(ValueError, match="without a write"):
        await append(log)
    for empty in (Write(Aggregate("call/a"), None, ()), Write(Aggregate("call/a"), 0, (), timer=NOW)):
        with pytest.raises(ValueError, match="without an event"):
            await append(log, write("call/b", 0), empty)
    with pytest.raises(ValueError, match="one aggregate"):
        await append(log, write("call/a", 0), write("call/a", 1))
    with pytest.raises((TypeError, KeyError)):
        await append(log, write("call/a", 0, "not an event"))
    assert (await log.head()).seq == 0
    await append(log, write("call/a", 0))


async def test_a_caller_that_stopped_waiting_does_not_disturb_the_others(log: Log) -> None:
    tasks = [asyncio.create_task(append(log, write(f"call/{n}", 0))) for n in range(10)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(r).__name__ for n, r in enumerate(results) if n != 3] == ["Appended"] * 9
    assert isinstance(results[3], asyncio.CancelledError)
    await append(log, write("call/x", 0))


async def test_a_big_append_goes_alone_and_whole(log: Log) -> None:
    big = requested(arguments="x" * 3_000_000)
    await asyncio.gather(*(append(log, write(f"call/{n}", 0, big if n % 5 == 0 else READ)) for n in range(20)))
    assert sorted(event.aggregate for event in await everything(log)) == sorted(f"call/{n}" for n in range(20))


async def test_an_event_about_the_log_itself_is_an_event_like_any_other(log: Log) -> None:
    diverged = LogDiverged(ReplicaId("r1"), 1, 2, "x")
    await append(log, write("system/log", None, diverged))
    assert [event.event for event in await everything(log)] == [diverged]
