"""What keeps a replica going: loops that fail and start again, its own events, snapshots, and loading from them."""

import asyncio

import pytest

from handlers import background as loops
from handlers.background import Background
from handlers.upkeep import snapshots
from handlers.upkeep.loading import load_view
from handlers.upkeep.presence import Presence
from handlers.upkeep.snapshots import Snapshots
from portero.domain.events import ConfigLoaded, UpstreamConnected
from portero.domain.values import Action
from tests.handlers.replica import ALLOW_ALL, open_replica
from tests.log.proxy import REPLIES, proxied
from tests.log.support import IMPATIENT, everything, until
from tests.stores import Place


async def test_a_loop_that_fails_starts_again_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "FIRST_PAUSE_SECONDS", 0.001)
    background, turns, ended = Background(), 0, asyncio.Event()

    async def loop() -> None:
        nonlocal turns
        turns += 1
        if turns < 4:
            raise RuntimeError("broken")
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    background.start("loop", loop)
    await until(lambda: turns == 4, "it was started again")
    assert background.failures == {"loop": 3}
    await background.stop("loop", "one that never was")
    assert ended.is_set()
    await background.stop()


def configured(replica: str) -> ConfigLoaded:
    return ConfigLoaded(replica, "p", "r", "u", Action.ASK, ("up",))  # type: ignore[arg-type] # an id is a text


async def test_a_replica_says_that_it_is_there_and_when_it_goes(valkey: Place) -> None:
    async with open_replica(valkey) as replica:
        presence = Presence(replica.core)
        await presence.started("http://here", configured("r1"))
        presence.upstream("up", UpstreamConnected(replica.log.replica, "worker", "1", "2025-11-25", 3))
        await presence.stopped("stopped")
        types = [event.type for event in await everything(replica.log)]
        assert types == ["ReplicaStarted", "ConfigLoaded", "UpstreamConnected", "ReplicaStopped"]


async def test_what_upstreams_report_waits_for_a_log_that_is_away(
    valkey: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handlers.upkeep.presence.RETRY_SECONDS", 0.01)
    async with (
        proxied(valkey.server.socket) as proxy,
        open_replica(valkey, url=proxy.url, limits=IMPATIENT) as replica,
    ):
        presence = Presence(replica.core)
        replica.background.start("presence", presence.run)
        proxy.refuses = True
        proxy.cut()
        await until(lambda: replica.log.away is not None, "the log is away")
        for tools in (1, 2, 3):
            presence.upstream("up", UpstreamConnected(replica.log.replica, "worker", "1", "2025-11-25", tools))
        proxy.refuses = False
        await until(lambda: replica.view.seq >= 3, "they are on the log")
        events = [event.event for event in await everything(replica.log)]
        assert [event.tools for event in events if isinstance(event, UpstreamConnected)] == [1, 2, 3]


async def test_a_snapshot_and_what_came_after_it_give_the_same_view(valkey: Place) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL) as replica:
        keeper = Snapshots(replica.core)
        await replica.done(id="a")
        await replica.core.catch_up()
        await keeper.save()
        saved = replica.view.seq
        await replica.done(id="b")
        await replica.core.catch_up()
        loaded = await load_view(replica.log)
        assert loaded.seq == replica.view.seq > saved
        assert loaded.digest() == replica.view.digest()
        valkey.redis.xtrim(valkey.key("log"), minid=replica.view.entry)  # the start does not read what is behind
        again = await load_view(replica.log)
        assert again.seq >= saved


async def test_a_long_start_is_the_last(valkey: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever had to read much of the log saves what came of it, though nothing more happens."""
    monkeypatch.setattr(snapshots, "EVERY_EVENTS", 8)
    monkeypatch.setattr(snapshots, "LOOK_SECONDS", 0.02)
    async with open_replica(valkey, policies=ALLOW_ALL) as replica:
        for number in range(3):
            await replica.done(id=str(number))
        await replica.core.catch_up()
        read = replica.view.seq
        for saved in (None, read):
            replica.core.view = await load_view(replica.log)
            assert replica.core.view.restored == (saved or 0)
            replica.background.start("snapshots", Snapshots(replica.core).run)
            await until(lambda: valkey.redis.hget(valkey.key("snapshot"), "seq") == str(read), "it is saved")
            await replica.background.stop("snapshots")


async def test_a_snapshot_that_cannot_be_read_costs_time_only(valkey: Place) -> None:
    async with open_replica(valkey, policies=ALLOW_ALL) as replica:
        await replica.done(id="a")
        await replica.core.catch_up()
        await replica.log.save_snapshot(b"of another release", replica.view.seq, replica.view.entry)
        loaded = await load_view(replica.log)
        assert loaded.digest() == replica.view.digest()


async def test_a_snapshot_that_takes_too_long_holds_up_nobody(valkey: Place) -> None:
    async with (
        proxied(valkey.server.socket) as proxy,
        open_replica(valkey, policies=ALLOW_ALL, url=proxy.url) as replica,
    ):
        keeper = Snapshots(replica.core)
        await replica.done(id="a")
        await replica.core.catch_up()
        proxy.hold(REPLIES)
        async with asyncio.timeout(10):  # its own limit is a minute
            await keeper.save(0.2)
        proxy.release(REPLIES)
        await until(lambda: replica.log.away is None, "the log is back")
        await keeper.save(10)
        assert await replica.log.load_snapshot() is not None


async def test_no_snapshot_of_a_log_that_is_away_is_no_harm(valkey: Place) -> None:
    async with (
        proxied(valkey.server.socket) as proxy,
        open_replica(valkey, policies=ALLOW_ALL, url=proxy.url, limits=IMPATIENT) as replica,
    ):
        keeper = Snapshots(replica.core)
        await replica.done(id="a")
        await replica.core.catch_up()
        proxy.refuses = True
        proxy.cut()
        await keeper.save()
        proxy.refuses = False
        await until(lambda: replica.log.away is None, "the log is back")
        await keeper.save()
        assert await replica.log.load_snapshot() is not None
