"""What time brings: approvals end, leases are held or given up, people are told when they can be."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from handlers.core import system_clock
from handlers.people.notification import Notified, NotifyError
from portero.domain.call import Call
from portero.domain.grant import GrantEnd
from portero.domain.ids import CallId, Millis, call_aggregate
from portero.domain.values import Resolution, Status
from portero.errors import AlreadyDecided
from tests.handlers.replica import ADMIN, ALLOW_ALL, open_replica
from tests.log.proxy import proxied
from tests.log.support import IMPATIENT, until
from tests.stores import Place


@attrs.define
class Clock:
    """Yesterday's: timers go by the store's clock too, and wait for it where ours runs ahead."""

    now: int = attrs.field(factory=lambda: system_clock() - 86_400_000)

    def __call__(self) -> Millis:
        return Millis(self.now)


@attrs.define
class Teller:
    """A channel to people that fails as often as it is told to, and may be held up."""

    failures: int = 0
    retry_in_ms: int = 200
    free: asyncio.Event = attrs.field(factory=asyncio.Event)
    seen: list[tuple[CallId, Status]] = attrs.field(factory=list)
    channel: str = "test"

    async def call_changed(self, call: Call) -> Sequence[Notified]:
        await self.free.wait()
        if self.failures > 0:
            self.failures -= 1
            raise NotifyError("nobody there", self.retry_in_ms)
        self.seen.append((call.id, call.status))
        return [Notified(f"m{len(self.seen)}", self.channel)]


def timers(place: Place) -> dict[str, float]:
    found: Any = place.redis.zrange(place.key("timers"), 0, -1, withscores=True)
    return dict(found)


# --- approvals and grants --------------------------------------------------------------------------------------------


async def test_an_approval_expires_and_is_too_late_from_that_moment_on(valkey: Place) -> None:
    clock = Clock()
    async with open_replica(valkey, clock=clock, approval_ms=1000) as replica:
        call = await replica.ask(id="a")
        clock.now += 1000
        with pytest.raises(AlreadyDecided, match="expired"):  # before any timer has rung
            await replica.decisions.approve(call, ADMIN)
        replica.ring()
        await replica.becomes(call, Status.EXPIRED)
        await until(lambda: not timers(valkey), "no timer is left")
        assert replica.did() == {}


async def test_a_clock_that_was_set_back_lets_nothing_expired_run(valkey: Place) -> None:
    clock = Clock()
    async with open_replica(valkey, clock=clock, approval_ms=1000) as replica:
        call = await replica.ask(id="a")
        clock.now += 1000
        replica.ring()
        await replica.becomes(call, Status.EXPIRED)
        clock.now -= 5000
        with pytest.raises(AlreadyDecided):
            await replica.decisions.approve(call, ADMIN)


async def test_a_grant_ends_by_its_time_and_on_the_log(valkey: Place) -> None:
    clock = Clock()
    async with open_replica(valkey, clock=clock) as replica:
        grant = await replica.decisions.grant("up/do", 1000, ADMIN)
        await replica.done(id="a")
        clock.now += 1000
        await replica.ask(id="b")
        replica.ring()
        await until(lambda: not replica.view.grants.active(clock()) and not len(replica.view.grants), "it has ended")
        ended = replica.view.grants.get(grant)
        assert ended is not None
        assert ended.end is GrantEnd.EXPIRED


# --- leases ----------------------------------------------------------------------------------------------------------


async def test_the_lease_of_a_long_call_is_held_and_nobody_gives_it_up(valkey: Place, tmp_path: Path) -> None:
    async with (
        open_replica(valkey, policies=ALLOW_ALL, lease_ms=600) as here,
        open_replica(valkey, name="r2", policies=ALLOW_ALL, execute=False) as there,
    ):
        here.beat()
        there.ring()
        calling = asyncio.create_task(here.call(id="a", until=str(tmp_path / "go")))
        await here.noted("a")
        first = timers(valkey)
        await until(lambda: all(due > first[name] + 900 for name, due in timers(valkey).items()), "it is prolonged")
        (tmp_path / "go").touch()
        await calling
        await here.only(Status.COMPLETED)
        assert timers(valkey) == {}


async def test_a_lease_that_nobody_holds_ends_as_unknown(valkey: Place, tmp_path: Path) -> None:
    async with (
        open_replica(valkey, lease_ms=300) as here,
        open_replica(valkey, name="r2", execute=False) as there,
    ):
        call = await here.approved(id="a", until=str(tmp_path / "go"))
        await here.noted("a")
        there.ring()
        lost = await there.becomes(call, Status.UNKNOWN)
        assert "r1" in str(lost.unknown_reason)
        (tmp_path / "go").touch()  # the answer that comes all the same settles it
        await there.becomes(call, Status.COMPLETED)
        assert here.did() == {"a": 1}


async def test_a_replica_does_not_give_up_what_it_runs_itself(valkey: Place, tmp_path: Path) -> None:
    """As after a laptop's sleep: every lease is over before the first heartbeat."""
    async with open_replica(valkey, lease_ms=100) as replica:
        call = await replica.approved(id="a", until=str(tmp_path / "go"))
        await replica.noted("a")
        first = timers(valkey)[call_aggregate(call)]
        replica.ring()
        await until(lambda: timers(valkey)[call_aggregate(call)] > first + 300, "its timer has rung")
        assert replica.state(call).status is Status.EXECUTING
        (tmp_path / "go").touch()
        await replica.becomes(call, Status.COMPLETED)
        assert "ExecutionOutcomeUnknown" not in await replica.types(call)


async def test_a_second_attempt_beside_the_first_keeps_its_place(valkey: Place, tmp_path: Path) -> None:
    async with (
        open_replica(valkey, lease_ms=300) as here,
        open_replica(valkey, name="r2", execute=False) as there,
    ):
        call = await here.approved(id="a", until=str(tmp_path / "go"))
        await here.noted("a")
        first = here.runner._running[call_aggregate(call)]
        there.ring()
        await there.becomes(call, Status.UNKNOWN)
        await there.background.stop("timers")
        await there.decisions.resolve(call, ADMIN, Resolution.RUN_AGAIN)
        await until(lambda: here.did()["a"] == 2, "it runs again")
        second = here.runner._running[call_aggregate(call)]
        assert second is not first
        here.runner.stopping = True
        first.task.cancel()
        await asyncio.wait([first.task])
        assert here.runner._running[call_aggregate(call)] is second
        (tmp_path / "go").touch()
        await here.becomes(call, Status.COMPLETED)


# --- people ----------------------------------------------------------------------------------------------------------


async def test_a_message_that_fails_is_tried_again_and_the_call_waits(valkey: Place) -> None:
    teller = Teller(failures=2)
    teller.free.set()
    async with open_replica(valkey, notifier=teller) as replica:
        replica.ring()
        call = await replica.ask(id="a")
        await until(lambda: bool(teller.seen), "a person is told")
        state = await replica.becomes(call, Status.PENDING)
        await until(lambda: bool(replica.state(call).notified), "and that is on the log")
        assert state.status is Status.PENDING
        assert (await replica.types(call))[3:] == ["ApprovalNotifyFailed", "ApprovalNotifyFailed", "ApprovalNotified"]


async def test_a_message_during_the_run_does_not_move_the_lease_back(valkey: Place, tmp_path: Path) -> None:
    """The lease was prolonged; its first end, long past, must not count when something else is noted on the call."""
    teller = Teller()
    async with open_replica(valkey, notifier=teller, lease_ms=450) as here, open_replica(valkey, name="r2") as there:
        here.beat()
        there.ring()
        call = await here.approved(id="a", until=str(tmp_path / "go"))
        await here.noted("a")
        began = timers(valkey)[call_aggregate(call)]
        await until(lambda: timers(valkey)[call_aggregate(call)] > began + 450, "the first lease is over")
        teller.free.set()
        await until(lambda: bool(here.state(call).notified), "a person was told while it runs")
        assert timers(valkey)[call_aggregate(call)] > began + 450
        (tmp_path / "go").touch()
        await here.becomes(call, Status.COMPLETED)
        assert "ExecutionOutcomeUnknown" not in await here.types(call)


async def test_timers_ring_after_the_log_was_away(valkey: Place) -> None:
    async with (
        proxied(valkey.server.socket) as proxy,
        open_replica(valkey, url=proxy.url, limits=IMPATIENT, approval_ms=400) as replica,
    ):
        replica.ring()
        call = await replica.ask(id="a")
        proxy.refuses = True
        proxy.cut()
        await until(lambda: replica.log.away is not None, "the log is away")
        proxy.refuses = False
        await replica.becomes(call, Status.EXPIRED)


async def test_a_timer_of_nothing_known_is_dropped(valkey: Place) -> None:
    async with open_replica(valkey) as replica:
        valkey.redis.zadd(valkey.key("timers"), {"call/gone": 1, "grant/gone": 1, "odd/one": 1})
        replica.ring()
        await until(lambda: not timers(valkey), "they are gone")
