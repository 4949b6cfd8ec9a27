"""What a call sends beside its arguments goes their way: beside the log where it is large, its hash on the event."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from handlers.calls.kept import BLOB_BYTES, LOOK_SECONDS
from handlers.calls.outcomes import Done
from handlers.calls.requests import CallRequest, Pending
from portero.domain.call import Call
from portero.domain.digest import call_digest
from portero.domain.events import ToolCallRequested
from portero.domain.ids import CallId
from portero.domain.replacement import Entry, Replacer
from portero.domain.values import Action, Resolution, Status
from portero.log.codec import SCHEMA, decode
from tests.handlers.cluster import open_member
from tests.handlers.replica import ADMIN, ALLOW_ALL, Replica, open_replica
from tests.log.support import everything, until
from tests.stores import Place

LARGE = {"inputResponses": {"who": {"action": "accept", "content": {"text": "x" * BLOB_BYTES}}}, "requestState": "r"}
SMALL = {"_meta": {"hint": 1}}


def kept_at(place: Place, call: CallId) -> str:
    (key,) = [key for key in place.found() if key == f"blob:{call}.extra"]
    return place.key(key)


async def asked(replica: Replica, extra: Any = None, **arguments: Any) -> Call:
    """A call that waits for a person."""
    answer = await replica.requests.call(replica.request(extra=LARGE if extra is None else extra, **arguments))
    assert isinstance(answer, Pending)
    await replica.view.wait_for(answer.seq, 10)
    return replica.state(answer.call)


async def back(replica: Replica, call: Call) -> Any:
    """All that the server was sent, as it says itself."""
    ended = await replica.becomes(call.id, Status.COMPLETED)
    return json.loads(json.loads(await replica.result(ended))["content"][0]["text"])


async def test_large_ones_are_beside_the_log_and_sent_whole_by_another_replica(valkey: Place) -> None:
    async with open_replica(valkey, execute=False) as one, open_replica(valkey, name="r2") as two:
        call = await asked(one, id="a", back=True)
        (key,) = [key for key in valkey.found() if key.startswith("blob:")]
        assert 0 < valkey.redis.ttl(valkey.key(key)) <= 8 * 86_400
        kept = valkey.redis.get(valkey.key(key))
        request = call.origin.request
        assert json.loads(kept) == LARGE
        assert (request.extra, request.extra_bytes) == (None, len(kept))
        assert request.extra_digest == hashlib.sha256(kept.encode()).hexdigest()
        assert all(len(fields["d"]) < 2_000 for _, fields in valkey.redis.xrange(valkey.key("log")))
        await one.decisions.approve(call.id, ADMIN)
        sent = await back(two, call)
        assert {name: sent[name] for name in LARGE} == LARGE
        assert two.did() == {"a": 1}


async def test_small_ones_stand_in_the_event_and_leave_no_blob(valkey: Place) -> None:
    async with open_replica(valkey, execute=False) as replica:
        call = await asked(replica, SMALL, id="a")
        assert json.loads(call.extra or "") == SMALL
        assert call.origin.request.extra_bytes == len(call.extra or "")
        assert not [key for key in valkey.found() if key.startswith("blob:")]


async def test_what_a_person_approves_covers_all_of_them(valkey: Place) -> None:
    async with open_replica(valkey, execute=False) as replica:
        for extra in (LARGE, SMALL, LARGE | {"requestState": "s"}):
            request = replica.request(id="a", extra=extra)
            call = await asked(replica, extra, id="a")
            whole = (request.arguments.decode(), json.dumps(extra), request.facts.definition)
            assert call.digest == call_digest("up/do", *whole, replica.core.replacer.digest)


@pytest.mark.parametrize("instead", [None, b'{"requestState":"another"}'])
async def test_when_they_are_gone_or_not_those_that_were_approved_nothing_runs(
    valkey: Place, instead: bytes | None
) -> None:
    async with open_replica(valkey, execute=False) as replica:
        call = await asked(replica, id="a")
        if instead is None:
            valkey.redis.delete(kept_at(valkey, call.id))
        else:
            valkey.redis.set(kept_at(valkey, call.id), instead)
        await replica.decisions.approve(call.id, ADMIN)
        replica.execute()
        ended = await replica.becomes(call.id, Status.DENIED)
        assert ended.denied_reason == "What it sends beside its arguments is no longer kept. Ask again."
        assert replica.did() == {}


async def test_nor_does_it_when_a_person_lets_it_run_again(valkey: Place, tmp_path: Path) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL) as replica:
        request: CallRequest = replica.request(id="a", extra=LARGE, die=str(tmp_path / "died"))
        answer = await replica.requests.call(request)
        lost = await replica.becomes(answer.call, Status.UNKNOWN)
        valkey.redis.delete(kept_at(valkey, lost.id))
        await replica.decisions.resolve(lost.id, ADMIN, Resolution.RUN_AGAIN)
        await until(lambda: "no longer kept" in str(replica.state(lost.id).unknown_reason), "it is said why not")
        assert replica.state(lost.id).status is Status.UNKNOWN
        assert replica.did() == {"a": 1}


async def test_what_will_not_be_sent_again_does_not_stay_for_long(valkey: Place, tmp_path: Path) -> None:
    policies = {"up/do": Action.ALLOW, "up/look": Action.ASK, "up/*": Action.DENY}
    large = {"say": "x" * (BLOB_BYTES + 1)}

    def seconds(call: CallId) -> set[bool]:
        """Of both blobs, whether they are there for more than a day."""
        names = [key for key in valkey.found() if key in {f"blob:{call}.arguments", f"blob:{call}.extra"}]
        assert len(names) == 2
        return {valkey.redis.ttl(valkey.key(name)) > LOOK_SECONDS for name in names}

    async with open_replica(valkey, policies=policies) as replica:
        for tool, more, long in (
            ("do", {}, False),
            ("do", {"fail": "no"}, False),
            ("do", {"die": str(tmp_path / "died")}, True),
            ("change", {}, False),
            ("look", {}, True),
        ):
            answer = await replica.requests.call(replica.request(tool, extra=LARGE, id="a", **large, **more))
            assert seconds(answer.call) == {long}, (tool, more)
            assert await replica.upstreams.connected("up", 20)
        await replica.view.wait_for(answer.seq, 10)  # type: ignore[union-attr] # the last one waits for a person
        await replica.decisions.approve(answer.call, ADMIN)
        await replica.becomes(answer.call, Status.COMPLETED)
        assert seconds(answer.call) == {True}


async def test_the_replica_that_runs_a_server_for_all_gets_them(valkey: Place, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    async with open_member(valkey, notes) as one, open_member(valkey, notes, name="r2") as two:
        await one.owner()
        await two.knows()
        request = two.request("echo", extra=LARGE, text="hello")
        answer = await two.requests.call(request)
        assert isinstance(answer, Done), answer
        queued = [event.event for event in await everything(two.log) if event.type == "ExecutionQueued"]
        whole = (request.arguments.decode(), json.dumps(LARGE), request.facts.definition)
        assert [event.digest for event in queued] == [call_digest("up/echo", *whole, two.core.replacer.digest)]  # type: ignore[union-attr]


async def test_they_are_kept_with_fakes_only_and_sent_with_reals(valkey: Place) -> None:
    replacer = Replacer.from_entries([Entry("Jane Doe", "Maria Huber")])
    async with open_replica(valkey, replacer=replacer) as replica:
        extra = {"inputResponses": {"who": f"Maria Huber {'x' * BLOB_BYTES}"}}
        call = await asked(replica, extra, id="a", back=True)
        kept = valkey.redis.get(kept_at(valkey, call.id))
        assert (kept.count("Maria"), kept.count("Jane Doe")) == (0, 1)
        await replica.decisions.approve(call.id, ADMIN)
        assert (await back(replica, call))["inputResponses"]["who"].startswith("Jane Doe")  # as it comes back


def test_an_event_of_an_earlier_release_is_read_as_it_was() -> None:
    old = (
        b'{"client":"default","kind":"tool","upstream":"up","name":"do","arguments":"{}","arguments_blob":null,'
        b'"arguments_bytes":2,"extra":"{\\"requestState\\":1}","arguments_digest":null}'
    )
    event: Any = decode("ToolCallRequested", SCHEMA, old)
    assert isinstance(event, ToolCallRequested)
    assert event.extra == '{"requestState":1}'
    assert (event.extra_blob, event.extra_bytes, event.extra_digest) == (None, 0, None)
