"""When the owner of a server changes: one instance at a time, calls under way are not repeated, others wait for it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from handlers.calls.outcomes import Done, Failed
from handlers.calls.requests import Answer
from portero.domain.events import ExecutionStarted, OwnershipTaken, Recorded
from portero.domain.ids import ReplicaId, owner_aggregate
from portero.domain.values import SYSTEM, Action, Status
from portero.errors import OUTCOME_UNKNOWN, UPSTREAM_UNAVAILABLE
from portero.log import Write
from tests.handlers.cluster import Member, open_member, starts
from tests.log.proxy import REPLIES, REQUESTS, Proxy, proxied
from tests.log.support import IMPATIENT, everything, until
from tests.stores import Place


@asynccontextmanager
async def cluster(place: Place, notes: Path, **options: object) -> AsyncIterator[tuple[Proxy, Member, Member]]:
    """An owner that can be cut off from the store, and another replica."""
    async with (
        proxied(place.server.socket) as proxy,
        open_member(place, notes, url=proxy.url, limits=IMPATIENT, **options) as one,  # type: ignore[arg-type] # passed on
        open_member(place, notes, name="r2", **options) as two,  # type: ignore[arg-type] # passed on
    ):
        await one.owner()
        await two.knows("held")
        yield proxy, one, two


def ran_by(member: Member) -> str | None:
    owner = member.view.owners.get("up")
    return owner.replica if owner is not None else None


def cut_off(proxy: Proxy) -> None:
    """Nothing goes to the store or comes from there any more, and nobody is told so."""
    proxy.hold(REQUESTS)
    proxy.hold(REPLIES)


def pids(notes: Path) -> list[int]:
    """The processes of the server, in the order in which they were started."""
    return [int(line) for line in Path(f"{notes}.starts").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_an_owner_that_stops_hands_it_over_and_nothing_is_lost(valkey: Place, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    async with open_member(valkey, notes) as one, open_member(valkey, notes, name="r2") as two:
        await one.owner()
        await two.knows()
        under_way = asyncio.create_task(two.call("held", file=str(tmp_path / "go"), text="at last"))
        await two.only(Status.EXECUTING)
        stopping = asyncio.create_task(one.stop())
        await until(lambda: not one.owns, "it takes no more")
        later = [asyncio.create_task(replica.call("effect", text=name)) for replica, name in ((one, "a"), (two, "b"))]
        (tmp_path / "go").touch()
        first = await under_way
        assert isinstance(first, Done)
        assert b"at last" in first.result
        await stopping
        assert not is_alive(pids(notes)[0])
        assert all(isinstance(answer, Done) for answer in await asyncio.gather(*later))
        assert two.owns
        assert two.did() == {"a": 1, "b": 1}
        ended = [event.type for event in await everything(two.log) if event.type.startswith("Ownership")]
        assert ended == ["OwnershipTaken", "OwnershipEnded", "OwnershipTaken"]


async def test_an_owner_that_is_cut_off_ends_its_server_before_another_starts_it(valkey: Place, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    async with cluster(valkey, notes) as (proxy, one, two):
        (first,) = pids(notes)
        overlap: list[int] = []
        two.view.subscribe(lambda _: overlap.append(first) if is_alive(first) else None, OwnershipTaken)
        cut_off(proxy)
        await two.owner()
        assert overlap == []
        assert starts(notes) == 2
        proxy.release(REQUESTS)
        proxy.release(REPLIES)
        await until(lambda: one.log.away is None and ran_by(one) == "r2", "the other one knows")
        assert (await one.done("echo", text="through the new owner"))["content"]
        assert starts(notes) == 2


async def test_calls_under_way_at_an_owner_that_is_lost_are_unknown_at_once(valkey: Place, tmp_path: Path) -> None:
    """Not after their own lease, which is longer; and what came of them is recorded when the owner is back."""
    async with cluster(valkey, tmp_path / "notes", lease_ms=5_000) as (proxy, one, two):
        mine = asyncio.create_task(two.call("held", file=str(tmp_path / "never")))
        direct = asyncio.create_task(one.call("held", file=str(tmp_path / "never")))
        await until(lambda: len(two.view.calls.executing()) == 2, "both run")
        cut_off(proxy)
        answer = await mine
        assert isinstance(answer, Failed)
        assert answer.code == OUTCOME_UNKNOWN
        assert "was gone before it reported" in answer.message
        await until(lambda: two.view.calls.executing() == [], "the owner's own is settled, too")
        assert two.view.calls.counts[Status.UNKNOWN] == 2
        proxy.release(REQUESTS)
        proxy.release(REPLIES)
        told = await direct
        assert isinstance(told, Failed)
        assert told.code == OUTCOME_UNKNOWN


async def test_what_only_reads_is_read_again_by_the_next_owner(valkey: Place, tmp_path: Path) -> None:
    async with cluster(valkey, tmp_path / "notes", server_tools=("held",)) as (proxy, _, two):
        calling = asyncio.create_task(two.call("held", file=str(tmp_path / "go"), text="read"))
        await two.only(Status.EXECUTING)
        cut_off(proxy)
        await two.owner()
        (tmp_path / "go").touch()
        answer = await calling
        assert isinstance(answer, Done)
        assert b"read" in answer.result
        assert (await two.only(Status.COMPLETED)).attempt == 2


# --- the fence -------------------------------------------------------------------------------------------------------


async def test_no_call_starts_behind_the_place_where_another_took_it_over(valkey: Place, tmp_path: Path) -> None:
    """The old owner hears of it as late as a follower can: it goes on trying meanwhile, from all sides."""
    notes = tmp_path / "notes"
    async with open_member(valkey, notes) as one, open_member(valkey, notes, name="r2") as two:
        await one.owner()
        await two.knows()
        await two.background.stop("owner of up")
        ended = asyncio.Event()

        async def hammer(replica: Member) -> list[Answer]:
            answers = []
            while not ended.is_set():
                answers.append(await replica.call("echo", text="x"))
            return answers

        hammering = [asyncio.create_task(hammer(replica)) for replica in (one, two) for _ in range(6)]
        await until(lambda: one.view.calls.counts[Status.COMPLETED] > 50, "calls run")
        for _ in range(3):
            term, owner = one.workings.ownership.term("up"), two.view.owners.get("up")
            assert owner is not None
            taken = OwnershipTaken(ReplicaId("r2"), owner.epoch + 1)
            write = Write(owner_aggregate("up"), owner.version, (taken,))
            await two.log.append(write, actor=SYSTEM, now=two.core.clock())
            await until(lambda term=term: one.workings.ownership.term("up") is not term, "it is given up")  # type: ignore[misc] # bound now
            await one.owner()  # nobody holds the lease, so it takes it over again
        ended.set()
        answers = [answer for answers in await asyncio.gather(*hammering) for answer in answers]
        failures = {answer.code for answer in answers if isinstance(answer, Failed)}
        assert failures <= {UPSTREAM_UNAVAILABLE, OUTCOME_UNKNOWN}
        assert await only_owners_started(two) > 50


async def test_who_has_not_heard_that_it_lost_it_starts_nothing_that_waits(
    valkey: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one takes it over between the moment in which a call is seen and the one in which it could start."""
    monkeypatch.setattr("handlers.core.CATCH_UP_SECONDS", 0.2)
    notes, ready = tmp_path / "notes", tmp_path / "ready"
    options = {"policies": {"up/*": Action.ASK}, "flags": ("--start-after", str(ready))}
    ready.touch()
    async with open_member(valkey, notes, **options) as one, open_member(valkey, notes, name="r2", **options) as two:  # type: ignore[arg-type] # passed on
        await one.owner()
        await two.knows()
        await two.background.stop("owner of up")
        ready.unlink()
        os.kill(pids(notes)[0], signal.SIGKILL)
        await until(lambda: not one.upstreams.is_connected("up"), "the server is down")
        await two.approved("effect", text="a")
        await until(lambda: len(one.workings._singles._owned._starting) == 1, "its owner waits to start it")
        await one.background.stop("follower")
        owner = two.view.owners.get("up")
        assert owner is not None
        taken = OwnershipTaken(ReplicaId("r2"), owner.epoch + 1)
        write = Write(owner_aggregate("up"), owner.version, (taken,))
        await two.log.append(write, actor=SYSTEM, now=two.core.clock())
        with capture_logs() as logs:
            ready.touch()
            tried = "a call waits for the log to be started"
            await until(lambda: tried in [line["event"] for line in logs] or two.did() != {}, "it has tried")
        assert two.did() == {}
        assert await only_owners_started(two) == 0


async def only_owners_started(member: Member) -> int:
    """How many calls were started; every one by the replica that had the server at that place of the log."""
    owner, count = None, 0
    for recorded in await everything(member.log):
        if isinstance(recorded.event, OwnershipTaken):
            owner = recorded.event.replica
        elif isinstance(recorded.event, ExecutionStarted):
            assert recorded.event.replica == owner, f"{recorded} without owning the server"
            count += 1
    return count


@pytest.mark.parametrize("who", ["owner", "other"])
async def test_a_call_that_has_started_is_not_sent_once_the_lease_is_over(
    valkey: Place, tmp_path: Path, who: str
) -> None:
    """Whoever slept between the append and the pipe: it stands on the log, and says that nothing was sent."""
    notes = tmp_path / "notes"
    async with open_member(valkey, notes) as one, open_member(valkey, notes, name="r2") as two:
        await one.owner()
        await two.knows()
        lease = one.workings.ownership._leases["up"]

        def sleep(_: Recorded[object]) -> None:
            lease._until = 0.0

        one.view.subscribe(sleep, ExecutionStarted)
        two.view.subscribe(sleep, ExecutionStarted)
        answer = await (one if who == "owner" else two).call("effect", text="a")
        assert isinstance(answer, Failed)
        assert answer.code == UPSTREAM_UNAVAILABLE
        assert "nothing was sent" in answer.message
        assert one.did() == {}


async def test_a_lost_counter_of_the_leases_does_not_leave_it_without_an_owner(valkey: Place, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    async with open_member(valkey, notes) as one:
        await one.owner()
        await one.stop()
    valkey.redis.delete(valkey.key("epoch:upstream.up"))
    async with open_member(valkey, notes, name="r2") as two:
        await two.owner()
        owner = two.view.owners.get("up")
        assert owner is not None
        assert (owner.replica, owner.epoch) == ("r2", 2)


async def test_a_server_whose_guard_is_ended_is_started_anew_under_another(valkey: Place, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    async with open_member(valkey, notes) as one:
        await one.owner()
        term = one.workings.ownership.term("up")
        assert term is not None
        assert term.switch is not None
        term.switch._process.kill()
        await until(lambda: starts(notes) == 2, "it is started anew")
        await one.owner()
        assert not is_alive(pids(notes)[0])
        assert (await one.done("echo", text="a"))["content"]
