"""What was approved runs once, and only if it is still what was approved and still wanted."""

import asyncio
import hashlib
import json
from pathlib import Path

import pytest

from handlers.calls.kept import BLOB_BYTES
from portero.domain.events import HandlerGaveUp
from portero.domain.ids import Aggregate, Seq
from portero.domain.replacement import Entry, Replacer
from portero.domain.values import Action, Status
from portero.errors import AlreadyDecided, LogUnavailable, LogUncertain
from portero.log import Pointer
from tests.handlers.replica import ADMIN, open_replica
from tests.log.proxy import REPLIES, proxied
from tests.log.support import IMPATIENT, until
from tests.stores import Place


async def test_what_is_approved_runs_once(valkey: Place) -> None:
    async with open_replica(valkey) as replica:
        call = await replica.ask(id="a", say="hello")
        assert replica.did() == {}
        await replica.decisions.approve(call, ADMIN)
        ended = await replica.becomes(call, Status.COMPLETED)
        assert "hello" in await replica.result(ended)
        with pytest.raises(AlreadyDecided):
            await replica.decisions.approve(call, ADMIN)
        assert replica.did() == {"a": 1}


async def test_a_rule_set_after_the_approval_is_obeyed_and_said(valkey: Place) -> None:
    async with open_replica(valkey, execute=False) as replica:
        call = await replica.approved(id="a")
        await replica.decisions.set_rule("up/do", Action.DENY, ADMIN)
        replica.execute()
        ended = await replica.becomes(call, Status.DENIED)
        assert "Denied by policy" in str(ended.denied_reason)
        assert replica.did() == {}


async def test_a_call_cancelled_after_its_approval_does_not_start(valkey: Place) -> None:
    async with open_replica(valkey, execute=False) as replica:
        call = await replica.approved(id="a")
        await replica.decisions.cancel(call, ADMIN)
        replica.execute()
        other = await replica.approved(id="b")
        await replica.becomes(other, Status.COMPLETED)
        assert replica.state(call).status is Status.CANCELLED
        assert replica.did() == {"b": 1}


async def test_a_tool_that_changed_since_does_not_run(valkey: Place) -> None:
    async with open_replica(valkey, policies={"up/do": Action.ASK, "up/change": Action.ALLOW}) as replica:
        call = await replica.ask(id="a")
        before = replica.upstreams.catalogue.version
        await replica.done("change", id="changed")
        await until(lambda: replica.upstreams.catalogue.version > before, "the new definition is known")
        await replica.decisions.approve(call, ADMIN)
        ended = await replica.becomes(call, Status.DENIED)
        assert "changed since it was approved" in str(ended.denied_reason)
        assert replica.did() == {"changed": 1}


async def test_replacements_that_changed_since_let_nothing_run(valkey: Place, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    other = Replacer.from_entries([Entry("Jane", "Somebody else entirely")])
    async with open_replica(valkey, notes=notes, execute=False) as before:
        call = await before.approved(id="Jane")
    async with open_replica(valkey, name="r2", notes=notes, replacer=other) as after:
        await after.becomes(call, Status.DENIED)
        assert after.did() == {}


async def test_large_arguments_and_results_come_back_whole(valkey: Place) -> None:
    text = "x" * (BLOB_BYTES + 1)
    async with open_replica(valkey) as replica:
        call = await replica.approved(id="a", say=text)
        assert replica.state(call).arguments == ""
        ended = await replica.becomes(call, Status.COMPLETED)
        stored = await replica.result(ended)
        assert json.loads(stored)["content"][0]["text"] == text
        assert (ended.result_bytes, ended.result_digest) == (len(stored), hashlib.sha256(stored.encode()).hexdigest())
        request = ended.origin.request
        arguments = await replica.log.blob(request.arguments_blob or "")
        assert request.arguments_digest == hashlib.sha256(arguments or b"").hexdigest()


@pytest.mark.parametrize("instead", [None, b'{"id": "something else"}'])
async def test_arguments_that_are_gone_or_not_those_that_were_approved_do_not_run(
    valkey: Place, instead: bytes | None
) -> None:
    async with open_replica(valkey) as replica:
        call = await replica.ask(id="a", say="x" * (BLOB_BYTES + 1))
        key = valkey.key(f"blob:{replica.state(call).arguments_blob}")
        assert valkey.redis.exists(key)
        if instead is None:
            valkey.redis.delete(key)
        else:
            valkey.redis.set(key, instead)
        await replica.decisions.approve(call, ADMIN)
        await replica.becomes(call, Status.DENIED)
        assert replica.did() == {}


# --- starts that go wrong --------------------------------------------------------------------------------------------


async def test_a_start_whose_fate_was_unknown_ends_as_unsent(valkey: Place) -> None:
    """It stands on the log; after a lease it would say that nobody knows, though it is known that nothing was sent."""
    async with (
        proxied(valkey.server.socket) as proxy,
        open_replica(valkey, url=proxy.url, limits=IMPATIENT, execute=False) as replica,
    ):
        call = await replica.approved(id="a")
        await replica.core.catch_up()
        pointer = Pointer(Seq(replica.view.seq), Aggregate(f"call/{call}"), "CallApproved", 1)
        proxy.hold(REPLIES)
        with pytest.raises(LogUncertain):
            await replica.executions.handle(pointer)
        proxy.release(REPLIES)
        await until(lambda: replica.log.away is None, "the log is back")
        await replica.executions.handle(pointer)
        ended = await replica.becomes(call, Status.ERROR)
        assert "nothing was sent" in str(ended.error)
        assert replica.did() == {}


async def test_a_stop_does_not_part_a_start_from_its_run(valkey: Place) -> None:
    async with (
        proxied(valkey.server.socket) as proxy,
        open_replica(valkey, url=proxy.url, execute=False) as replica,
    ):
        call = await replica.approved(id="a")
        await replica.core.catch_up()
        pointer = Pointer(Seq(replica.view.seq), Aggregate(f"call/{call}"), "CallApproved", 1)
        proxy.hold(REPLIES)
        seq = replica.view.seq
        handling = asyncio.create_task(replica.executions.handle(pointer))
        await until(lambda: int(valkey.redis.hget(valkey.key("head"), "seq") or 0) > seq, "the start is written")
        handling.cancel()
        proxy.release(REPLIES)
        await replica.executions.drain(10)
        await replica.becomes(call, Status.COMPLETED)
        assert replica.did() == {"a": 1}


async def test_what_cannot_be_started_ends_as_an_error_and_waits_for_nobody(valkey: Place) -> None:
    async with open_replica(valkey, execute=False) as replica:
        call = await replica.approved(id="a")

        async def broken(upstream: str, timeout: float) -> bool:
            raise RuntimeError("broken")

        replica.upstreams.connected = broken  # type: ignore[method-assign] # whatever it is, it happens every time
        replica.execute()
        ended = await replica.becomes(call, Status.ERROR)
        assert "could not start it" in str(ended.error)
        events = [recorded.event async for batch in replica.log.read() for recorded in batch]
        assert sum(isinstance(event, HandlerGaveUp) for event in events) == 1


async def test_a_slow_view_is_no_failed_attempt(valkey: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.core.CATCH_UP_SECONDS", 0.01)
    async with open_replica(valkey, execute=False) as replica:
        call = await replica.approved(id="a")
        ahead = Pointer(Seq(replica.view.seq + 1000), Aggregate(f"call/{call}"), "CallApproved", 1)
        with pytest.raises(LogUnavailable):  # which the queue does not count
            await replica.executions.handle(ahead)


# --- stopping --------------------------------------------------------------------------------------------------------


async def test_approved_work_under_way_finishes_before_the_end(valkey: Place, tmp_path: Path) -> None:
    async with open_replica(valkey) as replica:
        call = await replica.approved(id="a", until=str(tmp_path / "go"))
        await replica.noted("a")
        await replica.background.stop("execution")
        (tmp_path / "go").touch()
        await replica.executions.drain(10)
        await replica.becomes(call, Status.COMPLETED)


async def test_what_does_not_finish_in_time_is_unknown_and_nobody_is_said_to_have_cancelled_it(
    valkey: Place, tmp_path: Path
) -> None:
    async with open_replica(valkey) as replica:
        asked = await replica.approved(id="a", until=str(tmp_path / "never"))
        await replica.decisions.set_rule("up/do", Action.ALLOW, ADMIN)
        calling = asyncio.create_task(replica.call(id="b", until=str(tmp_path / "never")))
        await replica.noted("a")
        await replica.noted("b")
        replica.runner.stopping = True
        calling.cancel()
        await asyncio.wait([calling])
        await replica.executions.drain(0.05)
        await replica.upstreams.stop()
        await replica.becomes(asked, Status.UNKNOWN)
        unknown = {call.id: call for call in replica.view.calls.recent() if call.status is Status.UNKNOWN}
        assert len(unknown) == 2
        del unknown[asked]
        assert [call.unknown_reason for call in unknown.values()] == ["Portero stopped before the upstream answered"]
