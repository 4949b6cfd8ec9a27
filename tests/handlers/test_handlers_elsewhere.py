"""What a call becomes that another replica runs: a task, or one that is gone on with; and what that one tells all."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from handlers.between.tending import UpstreamTask
from handlers.calls.continued import Continued
from handlers.calls.outcomes import FETCHED_SECONDS, Done
from handlers.calls.requests import Refused
from portero.domain.events import ExecutionQueued, ResourceUpdated
from portero.domain.ids import ClientId, SessionId
from portero.domain.mcp import KNOWS_TASKS
from portero.domain.values import Action, Kind, Status
from tests.handlers.cluster import Client, Member, open_member
from tests.handlers.replica import ADMIN
from tests.log.support import everything
from tests.stores import Place

CLIENT, SESSION, URI = ClientId("client"), SessionId("a session"), "made://up/one"


@pytest.fixture
async def pair(valkey: Place, tmp_path: Path) -> AsyncIterator[tuple[Member, Member]]:
    """The one that runs the server, and another. Who calls ``effect`` must be approved."""
    notes, policies = tmp_path / "notes", {"up/*": Action.ALLOW, "up/effect": Action.ASK, "resource:up/*": Action.ALLOW}
    async with (
        open_member(valkey, notes, policies=policies) as one,
        open_member(valkey, notes, name="r2", policies=policies) as two,
    ):
        await one.owner()
        yield one, await two.knows()


def kept_seconds(place: Place, call: str) -> int:
    (key,) = [key for key in place.found() if key.startswith(f"blob:{call}.result")]
    return int(place.redis.ttl(place.key(key)))


def refuses(method: str, params: bytes) -> bytes:
    raise AssertionError(f"{method} was asked")


@pytest.mark.parametrize("runs", [True, False], ids=["under way", "waiting to start"])
async def test_a_call_becomes_a_task_where_its_client_is(
    pair: tuple[Member, Member], valkey: Place, tmp_path: Path, *, runs: bool
) -> None:
    one, two = pair
    if not runs:
        await two.background.stop("owner of up")
        await one.stop()
        await two.core.catch_up()
    request = replace(two.request("held", file=str(tmp_path / "go")), channel=Client(refuses))
    calling = asyncio.create_task(two.requests.call(request))
    call = await two.only(Status.EXECUTING if runs else Status.QUEUED)
    assert await two.requests.give_task(call.id)
    if not runs:
        two.background.start("owner of up", lambda: two.workings.ownership.run("up"))
        await two.owner()
    (tmp_path / "go").touch()
    assert isinstance(await calling, Done)
    assert (await two.becomes(call.id, Status.COMPLETED)).is_task
    assert kept_seconds(valkey, call.id) > FETCHED_SECONDS, "its client fetches it when it likes to"
    assert not await two.requests.give_task(call.id)


async def test_a_task_that_yet_another_replica_comes_to_run_is_kept_as_long(
    pair: tuple[Member, Member], valkey: Place, tmp_path: Path
) -> None:
    """It waits at one replica, where it becomes a task, and runs at the other."""
    one, two = pair
    for member in (two, one):
        await member.background.stop("owner of up")
    await two.core.catch_up()
    request = replace(two.request("held", file=str(tmp_path / "go")), channel=Client(refuses))
    calling = asyncio.create_task(two.requests.call(request))
    call = await two.only(Status.QUEUED)
    assert await two.requests.give_task(call.id)
    one.background.start("owner of up", lambda: one.workings.ownership.run("up"))
    await two.becomes(call.id, Status.EXECUTING)
    (tmp_path / "go").touch()
    assert isinstance(await calling, Done)
    assert kept_seconds(valkey, call.id) > FETCHED_SECONDS


async def test_of_long_capabilities_the_log_has_what_can_be_asked(pair: tuple[Member, Member]) -> None:
    _, two = pair
    short = b'{"elicitation":{},"extensions":{"a/b":{}}}'
    long = b'{"elicitation":{"url":{}},"sampling":{},"experimental":{"a":{"b":"%s"}}}' % (b"x" * 100_000)
    for capabilities in (short, long, b'{"experimental":{"a":"%s"}}' % (b"x" * 100_000)):
        answer = await two.requests.call(
            replace(two.request("echo", text="a"), channel=Client(refuses, capabilities=capabilities))
        )
        assert isinstance(answer, Done)
    queued = [event.event for event in await everything(two.log) if isinstance(event.event, ExecutionQueued)]
    assert [event.capabilities for event in queued] == [
        short.decode(),
        '{"elicitation":{"url":{}},"sampling":{}}',
        "{}",
    ]


async def test_what_goes_on_with_an_approved_call_needs_no_second_approval_there(pair: tuple[Member, Member]) -> None:
    _, two = pair
    first = await two.becomes(await two.approved("effect", text="a"), Status.COMPLETED)
    going_on = replace(two.request("effect", text="b"), precedent=Continued(first.id, first.version))
    answer = await two.requests.call(going_on)
    assert isinstance(answer, Done)
    assert two.did() == {"a": 1, "b": 1}
    assert [event.type for event in await two.events(answer.call)][2:4] == ["ExecutionQueued", "ExecutionStarted"]


async def test_what_is_said_to_an_upstreams_task_runs_where_that_is(pair: tuple[Member, Member]) -> None:
    """Its tool needs approval, which the call had that made it; a denial since then leaves only the wish to end it."""
    _, two = pair
    first = await two.becomes(await two.approved("effect", text="a"), Status.COMPLETED)
    task = UpstreamTask("up", "t-1", "up/effect", first.id)
    tending = two.workings.tending
    answer = await tending.say(CLIENT, Kind.TASK_UPDATE, task, b'{"taskId":"t-1","inputResponses":{}}')
    assert isinstance(answer, Done)
    queued = [event.type for event in await two.events(answer.call)]
    assert queued == [
        *("ToolCallRequested", "PolicyDecided", "ExecutionQueued", "ExecutionStarted", "ExecutionSucceeded")
    ]
    assert b'"completed"' in await tending.get(CLIENT, task, b'{"taskId":"t-1"}', KNOWS_TASKS)
    assert (await two.types(first.id))[-1] == "UpstreamTaskShown"
    await two.decisions.set_rule("up/effect", Action.DENY, ADMIN)
    await two.core.catch_up()
    refused = await tending.say(CLIENT, Kind.TASK_UPDATE, task, b'{"taskId":"t-1","inputResponses":{}}')
    assert isinstance(refused, Refused)
    assert isinstance(await tending.say(CLIENT, Kind.TASK_CANCEL, task, b'{"taskId":"t-1"}'), Done)
    assert two.did() == {"a": 1, "tasks/update t-1": 1, "tasks/cancel t-1": 1}


async def test_a_changed_resource_is_told_wherever_its_client_is_also_by_the_next_owner(
    pair: tuple[Member, Member],
) -> None:
    one, two = pair
    assert await two.workings.subscriptions.subscribe(CLIENT, SESSION, [("up", URI)]) == [None]
    await said(one, 1)
    await one.stop()
    await two.owner()
    await two.workings.upstreams.watched("up", URI, 10)
    await said(two, 2)


async def said(owner: Member, updates: int) -> None:
    """The server says once more that the resource has changed, and that is on the log."""

    async def told() -> int:
        return sum(isinstance(event.event, ResourceUpdated) for event in await everything(owner.log))

    await owner.done("notify", method="notifications/resources/updated", params={"uri": URI})
    async with asyncio.timeout(10):
        while await told() < updates:  # noqa: ASYNC110 - events of other replicas set no event here
            await asyncio.sleep(0.02)


async def test_what_cannot_be_subscribed_to_is_refused_from_everywhere(pair: tuple[Member, Member]) -> None:
    for member in pair:
        (refused,) = await member.workings.subscriptions.subscribe(CLIENT, SESSION, [("up", "made://up/nobody")])
        assert refused is not None
        assert "resources/subscribe" in str(refused)
