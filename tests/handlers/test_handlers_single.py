"""A server of which there is one instance: one replica runs it, all use it, and calls are what they are elsewhere."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from handlers.calls.outcomes import Done, Failed
from handlers.calls.requests import Refused
from portero.domain.events import ExecutionQueued, ExecutionStarted
from portero.domain.values import Action, Kind, Status
from portero.upstream import State
from tests.handlers.cluster import Member, open_member, starts
from tests.handlers.replica import ADMIN, settled
from tests.log.support import everything, until
from tests.stores import Place

POLICIES = {"up/*": Action.ALLOW, "up/effect": Action.ASK, "up/crash": Action.DENY}


@pytest.fixture
async def pair(valkey: Place, tmp_path: Path) -> AsyncIterator[tuple[Member, Member]]:
    """The one that runs the server, and another."""
    notes = tmp_path / "notes"
    async with (
        open_member(valkey, notes, policies=POLICIES) as one,
        open_member(valkey, notes, name="r2", policies=POLICIES) as two,
    ):
        await one.owner()
        yield one, await two.knows()


# --- calls -----------------------------------------------------------------------------------------------------------


async def test_one_replica_runs_it_and_all_use_it(pair: tuple[Member, Member], tmp_path: Path) -> None:
    one, two = pair
    for replica in pair:
        result = await replica.done("echo", text=f"to {replica.log.replica}")
        assert result["content"][0]["text"] == f"to {replica.log.replica}"
    assert (one.state_of_it, two.state_of_it, starts(tmp_path / "notes")) == (State.CONNECTED, State.ELSEWHERE, 1)
    started = [event.event for event in await everything(one.log) if isinstance(event.event, ExecutionStarted)]
    assert [event.replica for event in started] == ["r1", "r1"]


async def test_its_owner_starts_calls_of_its_own_at_once_and_others_by_the_log(pair: tuple[Member, Member]) -> None:
    one, two = pair
    mine, theirs = await one.call("echo", text="a"), await two.call("echo", text="b")
    await one.core.catch_up()
    assert [event.type for event in await one.events(mine.call)] == [
        *("ToolCallRequested", "PolicyDecided", "ExecutionStarted", "ExecutionSucceeded"),
    ]
    assert [event.type for event in await one.events(theirs.call)] == [
        *("ToolCallRequested", "PolicyDecided", "ExecutionQueued", "ExecutionStarted", "ExecutionSucceeded"),
    ]


async def test_a_result_is_kept_for_a_moment_only(pair: tuple[Member, Member], valkey: Place) -> None:
    _, two = pair
    answer = await two.call("huge", bytes=300_000)
    assert isinstance(answer, Done)
    assert len(answer.result) > 300_000
    (key,) = [key for key in valkey.found() if key.startswith(f"blob:{answer.call}.result")]
    assert 0 < valkey.redis.ttl(valkey.key(key)) <= 300


async def test_what_is_too_large_for_the_log_arrives_whole(pair: tuple[Member, Member]) -> None:
    _, two = pair
    text = "x" * 100_000
    assert (await two.done("echo", text=text))["content"][0]["text"] == text


async def test_errors_of_the_server_are_the_same_from_everywhere(pair: tuple[Member, Member]) -> None:
    answers = [await replica.call("fail", code=17, message="no", data={"why": [1]}) for replica in pair]
    assert all(isinstance(answer, Failed) for answer in answers)
    (here, there) = [(answer.code, answer.message, json.loads(answer.data)) for answer in answers]  # type: ignore[union-attr,arg-type] # they failed
    assert here == there == (17, "no", {"why": [1]})


async def test_resources_prompts_and_completion_go_the_same_way(pair: tuple[Member, Member]) -> None:
    _, two = pair
    read = await two.requests.call(two.request("made://up/one", kind=Kind.RESOURCE))
    assert isinstance(read, Done)
    assert b"what is in made://up/one" in read.result
    got = await two.requests.call(two.request("greet", kind=Kind.PROMPT))
    assert isinstance(got, Done)
    assert b"greet" in got.result
    refused = await two.requests.call(two.request("prompt:greet", kind=Kind.COMPLETION))
    assert isinstance(refused, Failed)
    assert refused.code == -32601


async def test_an_approved_call_is_run_by_its_owner_whoever_approves(pair: tuple[Member, Member]) -> None:
    one, two = pair
    for replica in pair:
        call = await replica.ask("effect", text=f"by {replica.log.replica}")
        for other in pair:
            await other.core.catch_up()
        await two.decisions.approve(call, ADMIN)
        ended = await replica.becomes(call, Status.COMPLETED)
        assert "done" in await replica.result(ended)
    assert one.did() == {"by r1": 1, "by r2": 1}
    started = [event.event for event in await everything(one.log) if isinstance(event.event, ExecutionStarted)]
    assert {event.replica for event in started} == {"r1"}
    await until(lambda: one.workings._singles._owned._starting == {}, "nothing of it is left")


# --- what is decided meanwhile ----------------------------------------------------------------------------------------


async def test_what_is_denied_is_not_queued(pair: tuple[Member, Member]) -> None:
    _, two = pair
    assert isinstance(await two.call("crash"), Refused)
    assert not [event for event in await everything(two.log) if isinstance(event.event, ExecutionQueued)]


@pytest.mark.parametrize("how", ["denied", "asked", "locked", "revoked"])
async def test_what_is_decided_while_a_call_waits_is_obeyed(valkey: Place, tmp_path: Path, how: str) -> None:
    """There is no owner yet, so the call waits; then one comes."""
    policies = {"up/*": Action.ASK if how == "revoked" else Action.ALLOW}
    async with open_member(valkey, tmp_path / "notes", policies=policies) as one:
        await one.owner()
        two_notes = tmp_path / "notes"
        async with open_member(valkey, two_notes, name="r2", policies=policies) as two:
            await two.knows()
            grant = await two.decisions.grant("up/*", 60_000, ADMIN) if how == "revoked" else None
            await two.background.stop("owner of up")
            await one.stop()
            await two.core.catch_up()
            calling = asyncio.create_task(two.call("echo", text="a"))
            waiting = await two.only(Status.QUEUED)
            if how == "denied":
                await two.decisions.set_rule("up/echo", Action.DENY, ADMIN)
            elif how == "locked":
                await two.decisions.lock(ADMIN)
            elif how == "asked":
                await two.decisions.set_rule("up/echo", Action.ASK, ADMIN)
            else:
                await two.decisions.revoke(grant, ADMIN)
            two.background.start("owner of up", lambda: two.workings.ownership.run("up"))
            answer = await calling
            assert (await two.becomes(waiting.id, Status.DENIED)).attempt == 0
            if how in {"denied", "locked"}:
                assert isinstance(answer, Refused)
            else:
                assert isinstance(answer, Failed)
                assert "needs a person's approval" in answer.message


async def test_the_last_use_of_a_grant_counts_for_the_call_that_used_it(valkey: Place, tmp_path: Path) -> None:
    async with (
        open_member(valkey, tmp_path / "notes", policies={"up/*": Action.ASK}) as one,
        open_member(valkey, tmp_path / "notes", name="r2", policies={"up/*": Action.ASK}) as two,
    ):
        await one.owner()
        await two.knows()
        await two.decisions.grant("up/*", 60_000, ADMIN, uses=1)
        await two.core.catch_up()
        assert isinstance(await two.call("echo", text="a"), Done)
        await two.ask("echo", text="b")


async def test_a_tool_that_the_other_replica_knows_otherwise_is_not_run(pair: tuple[Member, Member]) -> None:
    one, two = pair
    request = two.request("echo", text="a")
    stale = type(request)(*(getattr(request, field) for field in request.__struct_fields__))
    from msgspec.structs import replace

    stale = replace(stale, facts=replace(stale.facts, definition="of yesterday"))
    answer = await two.requests.call(stale)
    assert isinstance(answer, Failed)
    assert "changed since it was requested" in answer.message
    assert (await two.only(Status.DENIED)).attempt == 0
    del one


# --- clients that leave -----------------------------------------------------------------------------------------------


async def test_a_client_that_leaves_stops_its_call_at_the_owner(pair: tuple[Member, Member], tmp_path: Path) -> None:
    one, two = pair
    calling = asyncio.create_task(two.call("held", file=str(tmp_path / "never")))
    call = await two.only(Status.EXECUTING)
    await until(lambda: one.runner._running != {}, "it runs")
    calling.cancel()
    await settled(calling)
    assert (await two.becomes(call.id, Status.CANCELLED)).decided_by.id == "client"  # type: ignore[union-attr] # it was decided
    await until(lambda: one.runner._running == {}, "it is not waited for any more")
    received = await one.done("received")
    assert "notifications/cancelled" in received["content"][0]["text"]


async def test_what_has_not_started_when_its_client_leaves_does_not_start(valkey: Place, tmp_path: Path) -> None:
    async with (
        open_member(valkey, tmp_path / "notes") as one,
        open_member(valkey, tmp_path / "notes", name="r2") as two,
    ):
        await one.owner()
        await two.knows()
        await two.background.stop("owner of up")
        await one.stop()
        await two.core.catch_up()
        calling = asyncio.create_task(two.call("effect", text="a"))
        waiting = await two.only(Status.QUEUED)
        calling.cancel()
        await settled(calling)
        await two.becomes(waiting.id, Status.CANCELLED)
        two.background.start("owner of up", lambda: two.workings.ownership.run("up"))
        await two.owner()
        await two.done("effect", text="b")
        assert two.did() == {"b": 1}


async def test_a_call_that_a_person_cancels_on_any_replica_ends_for_its_client(
    pair: tuple[Member, Member], tmp_path: Path
) -> None:
    one, two = pair
    calling = asyncio.create_task(two.call("held", file=str(tmp_path / "never")))
    call = await one.only(Status.EXECUTING)
    await one.decisions.cancel(call.id, ADMIN)
    answer = await calling
    assert isinstance(answer, Failed)
    assert "cancelled after it had started" in answer.message


async def test_nobody_waits_longer_than_the_server_may_be_silent(valkey: Place, tmp_path: Path) -> None:
    async with open_member(valkey, tmp_path / "notes", timeout_seconds=0.5) as two:
        await two.owner()
        await two.stop()
        answer = await two.call("effect", text="a")
        assert isinstance(answer, Failed)
        assert "nothing was sent" in answer.message
        ended = await two.only(Status.ERROR)
        assert ended.attempt == 0
        assert two.did() == {}
