"""Outcomes: answered only once they are written, written whatever happens meanwhile, and never twice."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from handlers.calls import recording
from handlers.calls.outcomes import Done, Execution, Failed, Outcome, cancelled, succeeded
from handlers.calls.recording import Recorder
from portero.domain.ids import CallId, call_aggregate
from portero.domain.replacement import Entry, Replacer
from portero.domain.values import Action, Actor, Kind, Status
from portero.errors import LogUnavailable
from projections.limits import Limits as ViewLimits
from tests.handlers.replica import ADMIN, ALLOW_ALL, Replica, open_replica, settled
from tests.log.proxy import REPLIES, REQUESTS, Proxy, proxied
from tests.log.support import IMPATIENT, until
from tests.stores import Place

RESULT = b'{"content":[]}'


@pytest.fixture
async def proxy(valkey: Place) -> AsyncIterator[Proxy]:
    async with proxied(valkey.server.socket) as proxy:
        yield proxy


def execution_of(call: CallId, *, version: int = 3, attempt: int = 1, asked: bool = False) -> Execution:
    return Execution(
        *(call, Kind.TOOL, "up", "do", b"{}", None),
        version=version,
        attempt=attempt,
        retry_safe=False,
        asked=asked,
        cause=1,
        requester=Actor("client", "client"),
    )


async def under_way(replica: Replica, file: Path) -> tuple[CallId, "asyncio.Task[object]"]:
    """An allowed call that the upstream works on until the file is there."""
    calling = asyncio.create_task(replica.call(id="a", until=str(file), say="hello"))
    await replica.noted("a")
    await replica.core.catch_up()
    (call,) = replica.view.calls.executing()
    return call.id, calling


async def test_with_the_log_away_at_the_end_the_answer_waits_until_it_is_written(
    valkey: Place, proxy: Proxy, tmp_path: Path
) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL, url=proxy.url, limits=IMPATIENT) as replica:
        call, calling = await under_way(replica, tmp_path / "go")
        proxy.refuses = True
        proxy.cut()
        await until(lambda: replica.log.away is not None, "the log is away")
        (tmp_path / "go").touch()
        await until(lambda: replica.runner._recorder.waiting > 0, "the outcome waits")
        assert not calling.done()
        proxy.refuses = False
        answer = await calling
        assert isinstance(answer, Done)
        assert (await replica.types(call))[-1] == "ExecutionSucceeded"
        assert replica.did() == {"a": 1}


async def test_with_the_log_away_for_longer_the_client_is_told_not_to_repeat_it_and_the_outcome_follows(
    valkey: Place, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "ANSWER_SECONDS", 0.1)
    async with open_replica(valkey, policies=ALLOW_ALL, url=proxy.url, limits=IMPATIENT) as replica:
        call, calling = await under_way(replica, tmp_path / "go")
        proxy.refuses = True
        proxy.cut()
        await until(lambda: replica.log.away is not None, "the log is away")
        (tmp_path / "go").touch()
        with pytest.raises(LogUnavailable, match="do not repeat"):
            await calling
        proxy.refuses = False
        await replica.becomes(call, Status.COMPLETED)


async def test_a_client_that_leaves_while_its_outcome_is_written_does_not_cost_the_outcome(
    valkey: Place, proxy: Proxy, tmp_path: Path
) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL, url=proxy.url, limits=IMPATIENT) as replica:
        call, calling = await under_way(replica, tmp_path / "go")
        proxy.hold(REQUESTS)
        proxy.cut()  # the outcome waits for a new connection, and is dropped when none comes
        (tmp_path / "go").touch()
        run = replica.runner._running[call_aggregate(call)]
        await until(lambda: not run.working, "the upstream has answered")
        calling.cancel()
        await settled(calling)
        await until(lambda: replica.log.away is not None, "the log is away")
        proxy.release(REQUESTS)
        await replica.becomes(call, Status.COMPLETED)
        assert (await replica.types(call)).count("ExecutionSucceeded") == 1


async def test_a_cancellation_that_comes_between_answer_and_record_stands_and_the_answer_is_late(
    valkey: Place, proxy: Proxy, tmp_path: Path
) -> None:
    """The replica hears of it while it writes the outcome: it must not stop half-way."""
    async with (
        open_replica(valkey, policies=ALLOW_ALL, url=proxy.url) as here,
        open_replica(valkey, name="r2", execute=False) as there,
    ):
        call, calling = await under_way(here, tmp_path / "go")
        await there.core.catch_up()
        proxy.hold(REPLIES)  # here nothing is heard of the log
        await there.decisions.cancel(call, ADMIN)
        (tmp_path / "go").touch()
        run = here.runner._running[call_aggregate(call)]
        await until(lambda: not run.working, "the upstream has answered")
        proxy.release(REPLIES)
        answer = await calling
        assert isinstance(answer, Failed)
        assert "cancelled after it had started" in answer.message
        await here.core.catch_up()
        assert here.state(call).status is Status.CANCELLED
        assert here.state(call).late


async def test_an_answer_in_the_moment_of_the_cancellation_counts_and_nothing_breaks(valkey: Place) -> None:
    """The upstream's answer is recorded first; the client's cancellation then changes nothing, and raises nothing."""
    async with open_replica(valkey, policies=ALLOW_ALL) as replica:
        answer = await replica.call(id="a")
        assert isinstance(answer, Done)
        recorder = Recorder(replica.core)
        await recorder.record_behind(execution_of(answer.call), cancelled(execution_of(answer.call)))
        await replica.core.catch_up()
        assert replica.state(answer.call).status is Status.COMPLETED
        assert recorder.waiting == 0


async def test_an_outcome_is_written_once_however_often_it_is_recorded(valkey: Place) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL) as replica:
        answer = await replica.call(id="a")
        assert isinstance(answer, Done)
        recorder, execution = Recorder(replica.core), execution_of(answer.call)
        again = succeeded(execution, RESULT, replica.core.replacer, 1)
        assert await recorder.record(execution, again)  # it is what stands
        await recorder.record_behind(execution, again)
        assert (await replica.types(answer.call))[3:] == ["ExecutionSucceeded"]


async def test_a_late_answer_never_overwrites_an_end_that_the_store_has_forgotten(
    valkey: Place, tmp_path: Path
) -> None:
    """An hour after a call has ended, the store would believe whoever names a version."""
    async with open_replica(valkey, policies=ALLOW_ALL) as replica:
        call, calling = await under_way(replica, tmp_path / "go")
        calling.cancel()
        await settled(calling)
        await replica.becomes(call, Status.CANCELLED)
        assert valkey.redis.delete(valkey.key(f"a:call/{call}")) == 1
        (tmp_path / "go").touch()
        await until(lambda: replica.state(call).late, "the late answer is recorded")
        assert replica.state(call).status is Status.CANCELLED
        versions = [event.version for event in await replica.events(call)]
        assert versions == sorted(set(versions))


async def forgotten(replica: Replica, call: CallId) -> None:
    """Other calls end until the view holds this one no more."""
    for number in range(3):
        await replica.done(id=f"other {number}")
    await replica.core.catch_up()
    assert replica.view.calls.get(call) is None


async def test_an_answer_to_a_call_that_the_view_has_forgotten_is_recorded(valkey: Place, tmp_path: Path) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL, view_limits=ViewLimits(ended=2)) as replica:
        call, calling = await under_way(replica, tmp_path / "go")
        calling.cancel()
        await settled(calling)
        await replica.becomes(call, Status.CANCELLED)
        await forgotten(replica, call)
        (tmp_path / "go").touch()
        await replica.logged("LateOutcomeRecorded")
        events = await replica.events(call)
        assert events[-1].type == "LateOutcomeRecorded"
        assert [event.version for event in events] == [1, 2, 3, 4, 5]


async def test_an_answer_that_was_written_unknowingly_is_not_written_again_once_it_is_forgotten(valkey: Place) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL, view_limits=ViewLimits(ended=2)) as replica:
        answer = await replica.call(id="a")
        await forgotten(replica, answer.call)
        recorder, execution = Recorder(replica.core), execution_of(answer.call)
        await recorder.record_behind(execution, succeeded(execution, RESULT, replica.core.replacer, 1))
        await recorder.record_behind(execution, cancelled(execution))
        assert (await replica.types(answer.call))[3:] == ["ExecutionSucceeded"]


async def test_a_cancellation_in_the_moment_in_which_an_outcome_is_written_is_not_lost(valkey: Place) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL) as replica:
        answer = await replica.call(id="a")
        recorder, execution = Recorder(replica.core), execution_of(answer.call, version=2)  # where it stands no more
        recording = asyncio.create_task(recorder.record(execution, cancelled(execution)))
        while not recorder.waiting:  # noqa: ASYNC110 - until it is written in the background; every turn counts
            await asyncio.sleep(0)
        (behind,) = recorder._behind
        behind.add_done_callback(lambda _: recording.cancel())  # behind whoever waits for it, in the same turn
        await settled(recording)
        assert recording.cancelled()


async def test_what_is_recorded_late_of_a_lost_call_that_may_run_again_leads_to_its_run(
    valkey: Place, tmp_path: Path
) -> None:
    """No way of recording leaves a call approved and queued without anybody who would start it."""
    async with open_replica(valkey) as replica:
        calls = [await replica.approved("look", id=str(n), die=str(tmp_path / str(n))) for n in range(2)]
        for call in calls:
            await replica.becomes(call, Status.COMPLETED)
        assert valkey.redis.xlen(valkey.key("work:execution")) == 0
        assert all(count >= 2 for count in replica.did().values())


async def test_only_fakes_are_written_and_answered(valkey: Place) -> None:
    replacer = Replacer.from_entries([Entry("Jane Roe", "Maria Real", bidirectional=True)])
    policies = {"up/do": Action.ALLOW, "up/look": Action.ASK}
    async with open_replica(valkey, policies=policies, replacer=replacer) as replica:
        result = await replica.done(id="Jane Roe", say="I am Jane Roe")
        assert result["content"][0]["text"] == "I am Jane Roe"
        failing = await replica.call(id="b", fail="no Jane Roe here")
        assert isinstance(failing, Failed)
        assert failing.message == "no Jane Roe here"
        call = await replica.approved("look", id="c", say="Jane Roe")
        await replica.becomes(call, Status.COMPLETED)
        assert replica.did()["Maria Real"] == 1
        entries = json.dumps(valkey.redis.xrange(valkey.key("log")))
        assert "Maria" not in entries
        assert "Jane Roe" in entries


def test_an_outcome_says_the_same_as_a_command() -> None:
    execution = execution_of(CallId("c"))
    outcome: Outcome = succeeded(execution, b'{"content":[],"isError":true}', Replacer.from_entries([]), 5)
    command = outcome.command(2)
    assert (command.attempt, command.is_error, command.duration_ms) == (2, True, 5)  # type: ignore[union-attr] # RecordSuccess
