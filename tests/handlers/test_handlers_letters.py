"""What is told and asked while another replica runs a call: progress, messages, questions; and nobody waits in vain."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec import Raw
from msgspec.structs import replace

from handlers.between.post import Letter, Post
from handlers.calls.outcomes import Done
from portero.domain.ids import ReplicaId
from portero.domain.replacement import Entry, Replacer
from portero.errors import METHOD_NOT_FOUND, RpcError, UpstreamRefused, UpstreamUnavailable
from portero.log.mail import LARGEST_BYTES
from tests.handlers.cluster import Client, Member, open_member
from tests.handlers.replica import Replica, open_replica
from tests.log.support import until
from tests.stores import Place

REPLACER = Replacer.from_entries([Entry("Jane Roe", "Maria Real", bidirectional=True)])
R1, R2 = ReplicaId("r1"), ReplicaId("r2")


@pytest.fixture
async def pair(valkey: Place, tmp_path: Path) -> AsyncIterator[tuple[Member, Member]]:
    """The one that runs the server, and another."""
    notes = tmp_path / "notes"
    async with (
        open_member(valkey, notes, replacer=REPLACER) as one,
        open_member(valkey, notes, name="r2", replacer=REPLACER) as two,
    ):
        await one.owner()
        yield one, await two.knows()


def with_channel(member: Member, tool: str, client: Client, **arguments: object) -> "asyncio.Task[object]":
    return asyncio.create_task(member.requests.call(replace(member.request(tool, **arguments), channel=client)))


def refuses(method: str, params: bytes) -> bytes:
    raise RpcError(METHOD_NOT_FOUND, f"{method}: this client cannot be asked that")


# --- progress and messages -------------------------------------------------------------------------------------------


async def test_progress_reaches_the_client_wherever_it_is_and_keeps_its_call_alive(
    valkey: Place, tmp_path: Path
) -> None:
    heard: list[dict[str, object]] = []
    notes, loop = tmp_path / "notes", asyncio.get_running_loop()
    async with (
        open_member(valkey, notes, timeout_seconds=2.0) as one,
        open_member(valkey, notes, name="r2", timeout_seconds=2.0) as two,
    ):
        await one.owner()
        await two.knows()
        request = two.request("progress", file=str(tmp_path / "go"), every=0.05)
        request = replace(request, on_progress=lambda params: heard.append(json.loads(params)))
        calling, end = asyncio.create_task(two.requests.call(request)), loop.time() + 2.5
        await until(lambda: loop.time() > end and len(heard) > 3, "it goes on and on")
        (tmp_path / "go").touch()
        assert isinstance(await calling, Done)
    steps = [float(str(params["progress"])) for params in heard]
    assert steps == sorted(steps)
    assert all("progressToken" not in params for params in heard)


async def test_messages_of_the_server_reach_the_client_of_the_call(pair: tuple[Member, Member]) -> None:
    _, two = pair
    client = Client(refuses)
    params = {"level": "info", "data": "for Maria Real"}
    await with_channel(two, "notify", client, method="notifications/message", params=params)
    await until(lambda: client.told != [], "it is told")
    ((method, raw),) = client.told
    assert (method, json.loads(raw)) == ("notifications/message", {"level": "info", "data": "for Jane Roe"})


# --- questions -------------------------------------------------------------------------------------------------------


async def test_a_question_of_the_server_is_answered_by_the_client_wherever_it_is(
    pair: tuple[Member, Member], valkey: Place
) -> None:
    _, two = pair
    asked: list[tuple[str, object]] = []

    def answers(method: str, params: bytes) -> bytes:
        asked.append((method, json.loads(params)))
        return b'{"action":"accept","content":{"name":"Jane Roe","said":"Maria Real"}}'

    client = Client(answers)
    params = {"message": "Who is Maria Real?", "requestedSchema": {"type": "object"}}
    answer = await with_channel(two, "ask", client, method="elicitation/create", params=params)
    assert isinstance(answer, Done)
    assert asked == [("elicitation/create", {**params, "message": "Who is Jane Roe?"})]
    said = json.loads(json.loads(answer.result)["content"][0]["text"])
    assert said["result"]["content"] == {"name": "Jane Roe", "said": "Jane Roe"}
    entries = str(valkey.redis.xrange(valkey.key("mail:r1"))) + str(valkey.redis.xrange(valkey.key("mail:r2")))
    assert "Maria" not in entries


async def test_a_client_that_cannot_be_asked_says_so_from_wherever_it_is(pair: tuple[Member, Member]) -> None:
    _, two = pair
    answer = await with_channel(two, "ask", Client(refuses), method="roots/list")
    assert isinstance(answer, Done)
    said = json.loads(json.loads(answer.result)["content"][0]["text"])
    assert said["error"] == {"code": METHOD_NOT_FOUND, "message": "roots/list: this client cannot be asked that"}


async def test_a_client_of_its_owner_whose_call_had_to_wait_is_asked_directly(valkey: Place, tmp_path: Path) -> None:
    async with open_member(valkey, tmp_path / "notes") as one:
        await one.owner()
        await one.background.stop("owner of up")
        client = Client(lambda *_: b'{"action":"decline"}')
        calling = with_channel(one, "ask", client, method="elicitation/create")
        await until(lambda: one.view.calls.queued("up") != [], "it waits")
        await one.background.stop("post")
        one.background.start("owner of up", lambda: one.workings.ownership.run("up"))
        answer = await calling
        assert isinstance(answer, Done)
        assert b"decline" in answer.result


# --- requests that are no calls --------------------------------------------------------------------------------------


async def test_requests_that_are_no_calls_go_to_where_the_server_runs(pair: tuple[Member, Member]) -> None:
    for member in pair:
        result = await member.workings.passing.request("up", "resources/read", b'{"uri":"made://Jane Roe"}', None)
        assert json.loads(result)["contents"][0]["text"] == "what is in made://Jane Roe"
        with pytest.raises(UpstreamRefused) as refused:
            await member.workings.passing.request("up", "tasks/none", b'{"taskId":"Jane Roe"}', b'{"x":{}}')
        assert refused.value.code == -32601


async def test_while_it_is_taken_over_they_are_refused(pair: tuple[Member, Member]) -> None:
    one, two = pair
    await two.background.stop("owner of up")
    await one.stop()
    await two.core.catch_up()
    with pytest.raises(UpstreamUnavailable, match="taken over"):
        await two.workings.passing.request("up", "tasks/get", b'{"taskId":"a"}', None)


# --- letters ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def two_posts(place: Place, silent_seconds: float) -> AsyncIterator[tuple[Post, Post, Replica]]:
    async with (
        open_replica(place, execute=False) as one,
        open_replica(place, name="r2", execute=False) as two,
    ):
        posts = [Post(replica.core, silent_seconds=silent_seconds) for replica in (one, two)]
        for replica, post in zip((one, two), posts, strict=True):
            replica.background.start("post", post.run)
        yield posts[0], posts[1], two


async def test_an_answer_may_take_longer_than_the_silence_that_means_that_nobody_is_there(valkey: Place) -> None:
    async with two_posts(valkey, 1.2) as (one, two, _):
        asked = asyncio.Event()

        async def answer(letter: Letter) -> bytes:
            asked.set()
            await asyncio.sleep(1.8)
            return bytes(letter.params)

        two.on_asked("echo", answer)
        assert await one.ask(R2, "echo", params=Raw(b'{"a":1}')) == b'{"a":1}'
        assert asked.is_set()


async def test_who_asks_a_replica_that_is_gone_is_told_so(valkey: Place) -> None:
    async with two_posts(valkey, 1.0) as (one, two, replica):
        asked = asyncio.Event()

        async def answer(_: Letter) -> bytes:
            asked.set()
            await asyncio.Event().wait()
            return b""

        two.on_asked("echo", answer)
        asking = asyncio.create_task(one.ask(R2, "echo"))
        await asked.wait()
        await replica.background.stop("post")
        with pytest.raises(RpcError, match="Replica r2 does not answer any more"):
            await asking
        with pytest.raises(RpcError, match="does not answer"):
            await one.ask(ReplicaId("never was"), "echo")


async def test_what_cannot_be_answered_is_refused_and_what_is_too_large_not_sent(valkey: Place) -> None:
    async with two_posts(valkey, 5.0) as (one, two, _):

        async def fails(_: Letter) -> bytes:
            raise RuntimeError("real values may stand here")

        async def large(_: Letter) -> bytes:
            return b'"%b"' % (b"x" * LARGEST_BYTES)

        two.on_asked("fails", fails)
        two.on_asked("large", large)
        with pytest.raises(RpcError, match="knows no questions"):
            await one.ask(R2, "unknown")
        with pytest.raises(RpcError, match="its log says why"):
            await one.ask(R2, "fails")
        with pytest.raises(RpcError, match="answer is too large"):
            await one.ask(R2, "large")
        with pytest.raises(RpcError, match="too large"):
            await one.ask(R2, "unknown", params=Raw(b'"%b"' % (b"x" * LARGEST_BYTES)))


async def test_what_is_told_arrives_in_order_and_what_is_no_letter_harms_nobody(valkey: Place) -> None:
    async with two_posts(valkey, 5.0) as (one, two, replica):
        got: list[bytes] = []
        one.tell(R2, "say", params=Raw(b'"%b"' % (b"x" * LARGEST_BYTES)))  # too large, and of no use later
        two.on_told("say", lambda letter: got.append(bytes(letter.params)))
        await one._mailbox.send(R2, [b"no letter", b'{"kind":"unheard of","sender":"r1"}'])
        for number in range(50):
            one.tell(R2, "say", params=Raw(b"%d" % number))
        await until(lambda: len(got) == 50, "all have come")
        assert got == [b"%d" % number for number in range(50)]
        assert replica.background.failures == {}
