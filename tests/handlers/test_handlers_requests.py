"""A client's request: nothing is sent before it stands on the log, and what stands there unsent says so."""

import asyncio
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from handlers.calls.outcomes import Done, Failed
from handlers.calls.requests import Pending, Refused
from portero.domain.events import ExecutionFailed, ExecutionSucceeded, ToolCallRequested
from portero.domain.ids import call_aggregate
from portero.domain.values import Action, Kind, Status, Tier
from portero.errors import LogUnavailable, LogUncertain
from portero.log import Follower
from tests.handlers.replica import ADMIN, ALLOW_ALL, Replica, open_replica, settled
from tests.log.proxy import REPLIES, REQUESTS, Proxy, proxied
from tests.log.support import IMPATIENT, until
from tests.stores import Place


@pytest.fixture
async def proxy(valkey: Place) -> AsyncIterator[Proxy]:
    async with proxied(valkey.server.socket) as proxy:
        yield proxy


@pytest.fixture
async def allowing(valkey: Place, proxy: Proxy) -> AsyncIterator[Replica]:
    async with open_replica(valkey, policies=ALLOW_ALL, url=proxy.url, limits=IMPATIENT) as replica:
        yield replica


async def sequence_moves(place: Place, beyond: int) -> None:
    await until(lambda: int(place.redis.hget(place.key("head"), "seq") or 0) > beyond, "it is written")


async def test_an_allowed_call_is_requested_decided_started_and_ended_on_the_log(valkey: Place) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL) as replica:
        answer = await replica.call(id="a", say="hello")
        assert isinstance(answer, Done)
        assert b"hello" in answer.result
        assert await replica.types(answer.call) == [
            *("ToolCallRequested", "PolicyDecided", "ExecutionStarted", "ExecutionSucceeded")
        ]
        assert valkey.redis.zcard(valkey.key("timers")) == 0


async def test_a_denied_call_is_on_the_log_and_nowhere_else(valkey: Place) -> None:
    async with open_replica(valkey, policies={}) as replica:
        answer = await replica.call(id="a")
        assert isinstance(answer, Refused)
        assert answer.reason.tier is Tier.DEFAULT
        assert await replica.types(answer.call) == ["ToolCallRequested", "PolicyDecided"]
        assert replica.did() == {}


async def test_resources_and_prompts_are_asked_for_like_tools_and_run_as_they_were(valkey: Place) -> None:
    async with open_replica(valkey) as replica:
        wanted = [
            replica.request("made://one", kind=Kind.RESOURCE),
            replica.request("greet", kind=Kind.PROMPT, who="Ada"),
            replica.request("do", extra={"_meta": {"hint": 1}}, id="a"),
        ]
        for request in wanted:
            answer = await replica.requests.call(request)
            assert isinstance(answer, Pending)
            await replica.view.wait_for(answer.seq, 10)
            await replica.decisions.approve(answer.call, ADMIN)
            ended = await replica.becomes(answer.call, Status.COMPLETED)
            assert await replica.result(ended)
        assert replica.did() == {"a": 1}


async def test_with_the_log_away_nothing_is_sent(valkey: Place, proxy: Proxy, allowing: Replica) -> None:
    proxy.refuses = True
    proxy.cut()
    with pytest.raises(LogUnavailable):
        await allowing.call(id="a")
    proxy.refuses = False
    await until(lambda: allowing.log.away is None, "the log is back")
    await allowing.done(id="b")
    assert allowing.did() == {"b": 1}


async def test_a_request_whose_fate_was_unknown_ends_as_unsent_when_it_turns_out_to_be_written(
    valkey: Place, proxy: Proxy, allowing: Replica
) -> None:
    proxy.hold(REPLIES)
    with pytest.raises(LogUncertain):
        await allowing.call(id="a")
    proxy.release(REPLIES)
    call = await allowing.only(Status.ERROR)
    assert "Nothing was sent" in str(call.error)
    last = (await allowing.events(call.id))[-1].event
    assert isinstance(last, ExecutionFailed)
    assert not last.sent
    assert allowing.did() == {}
    assert valkey.redis.zcard(valkey.key("timers")) == 0


async def test_a_question_whose_client_was_told_of_an_error_is_withdrawn(valkey: Place, proxy: Proxy) -> None:
    async with open_replica(valkey, url=proxy.url, limits=IMPATIENT) as replica:
        proxy.hold(REPLIES)
        with pytest.raises(LogUncertain):
            await replica.call(id="a")
        proxy.release(REPLIES)
        call = await replica.only(Status.CANCELLED)
        assert "the log was away" in str(call.cancel_reason)
        assert not replica.view.calls.pending()


async def test_a_request_that_was_never_written_leaves_nothing(valkey: Place, proxy: Proxy, allowing: Replica) -> None:
    proxy.hold(REQUESTS, only_present=True)
    with pytest.raises(LogUnavailable):
        await allowing.call(id="a")
    proxy.release(REQUESTS)
    await allowing.done(id="b")
    requests = [event for event in await log_of(allowing) if isinstance(event, ToolCallRequested)]
    assert [request.arguments for request in requests] == ['{"id": "b"}']


async def log_of(replica: Replica) -> list[object]:
    return [recorded.event async for batch in replica.log.read() for recorded in batch]


@pytest.mark.parametrize(("policy", "status"), [(Action.ALLOW, Status.ERROR), (Action.ASK, Status.CANCELLED)])
async def test_a_client_that_leaves_before_its_call_is_sent_leaves_no_call_behind(
    valkey: Place, proxy: Proxy, policy: Action, status: Status
) -> None:
    async with open_replica(valkey, policies={"up/*": policy}, url=proxy.url) as replica:
        seq = replica.view.seq
        proxy.hold(REPLIES)
        calling = asyncio.create_task(replica.call(id="a"))
        await sequence_moves(valkey, seq)
        calling.cancel()
        await settled(calling)
        assert calling.cancelled()
        proxy.release(REPLIES)
        call = await replica.only(status)
        assert "before it was sent" in (str(call.error) + str(call.cancel_reason))
        assert replica.did() == {}
        assert not replica.runner.holds(call_aggregate(call.id))


async def test_a_client_that_leaves_in_mid_call_is_on_the_log(valkey: Place, tmp_path: Path) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL) as replica:
        calling = asyncio.create_task(replica.call(id="a", until=str(tmp_path / "go")))
        await replica.noted("a")
        calling.cancel()
        await settled(calling)
        assert calling.cancelled()
        call = await replica.only(Status.CANCELLED)
        assert str(call.decided_by) == "client:client"
        (tmp_path / "go").touch()
        await until(lambda: replica.state(call.id).late, "the late answer is recorded")
        assert replica.state(call.id).status is Status.CANCELLED
        assert replica.did() == {"a": 1}


async def test_a_grant_for_some_uses_is_used_no_more_often_by_twenty_at_once(valkey: Place) -> None:
    async with open_replica(valkey) as replica:
        grant = await replica.decisions.grant("up/do", 60_000, ADMIN, uses=7)
        answers = await asyncio.gather(*(replica.call(id=str(n)) for n in range(20)))
        assert sum(isinstance(answer, Done) for answer in answers) == 7
        assert sum(isinstance(answer, Pending) for answer in answers) == 13
        assert replica.did().total() == 7
        await replica.core.catch_up()
        used = replica.view.grants.get(grant)
        assert used is not None
        assert (used.used, used.uses_left) == (7, 0)


async def test_two_replicas_share_the_uses_of_a_grant(valkey: Place, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    async with open_replica(valkey, notes=notes) as one, open_replica(valkey, name="r2", notes=notes) as two:
        await one.decisions.grant("up/do", 60_000, ADMIN, uses=5)
        answers = await asyncio.gather(*((one if n % 2 else two).call(id=str(n)) for n in range(20)))
        assert sum(isinstance(answer, Done) for answer in answers) == 5
        assert one.did().total() == 5


async def test_a_policy_that_moves_under_a_request_is_asked_again(valkey: Place) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL) as here, open_replica(valkey, name="r2") as there:
        await here.background.stop("follower")  # it has not heard yet of what the other one says
        await there.decisions.set_rule("up/do", Action.DENY, ADMIN)
        calling = asyncio.create_task(here.call(id="a"))
        await until(lambda: len(here.view._waiting) > 0, "it waits for its view")
        here.background.start("follower", Follower(here.log, here.view.apply, (here.view.seq, here.view.entry)).run)
        answer = await calling
        assert isinstance(answer, Refused)
        assert answer.reason.tier is Tier.RULE
        assert here.did() == {}


async def test_an_error_of_the_upstream_reaches_client_and_log(valkey: Place) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL) as replica:
        answer = await replica.call(id="a", fail="no way")
        assert isinstance(answer, Failed)
        assert (answer.code, answer.message) == (17, "no way")
        call = await replica.only(Status.ERROR)
        assert "no way" in str(call.error)


async def test_what_an_allowed_call_brought_can_be_proved_though_nobody_keeps_it(valkey: Place) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL) as replica:
        answer = await replica.call(id="a", say="hello")
        assert isinstance(answer, Done)
        ended = (await replica.events(answer.call))[-1].event
        assert isinstance(ended, ExecutionSucceeded)
        assert ended.result_blob is None
        assert (ended.result_bytes, ended.result_digest) == (len(answer.result), sha256(answer.result).hexdigest())


@pytest.mark.parametrize("asked", [False, True])
async def test_of_an_endless_error_the_log_keeps_the_beginning_with_size_and_hash(valkey: Place, asked: bool) -> None:
    text = "no way, " * 20_000
    async with open_replica(valkey, policies={} if asked else ALLOW_ALL) as replica:
        if asked:
            await replica.decisions.set_rule("up/*", Action.ASK, ADMIN)
            call = (await replica.becomes(await replica.approved(id="a", fail=text), Status.ERROR)).id
        else:
            answer = await replica.call(id="a", fail=text)
            assert isinstance(answer, Failed)
            assert answer.message == text, "who waits for it gets all of it"
            call = answer.call
        ended = (await replica.events(call))[-1].event
        assert isinstance(ended, ExecutionFailed)
        assert len(ended.error) < 5_000
        kept = json.loads(ended.error)
        assert (kept["code"], kept["message"][:4_000]) == (17, text[:4_000])
        whole = json.dumps({"code": 17, "message": text}, separators=(",", ":")).encode()
        assert (ended.error_bytes, ended.error_digest) == (len(whole), sha256(whole).hexdigest())
        assert str(len(whole)) in kept["message"]
