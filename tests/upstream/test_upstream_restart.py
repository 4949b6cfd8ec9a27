"""Owners: upstreams start side by side, come back when they are lost, and are shown as they are."""

import asyncio
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from portero.domain.events import CatalogueChanged, UpstreamConnected, UpstreamLost
from portero.errors import ConfigError, UpstreamUnavailable
from portero.settings import UpstreamConfig
from portero.upstream import Limits, State
from tests.upstream.running import REPLICA, Running, fixture, running, until


async def test_a_slow_start_delays_nobody(tmp_path: Path) -> None:
    file = tmp_path / "go"
    slow, quick = fixture("slow", "--start-after", str(file)), fixture("quick")
    broken = UpstreamConfig("broken", "no-such-command")
    async with running(slow, broken, quick, settled=False) as upstreams:
        assert await upstreams.connected("quick", 20)
        assert await upstreams.said("quick", "echo", {"text": "ready"}) == "ready"
        assert upstreams.of("slow").state is State.STARTING
        assert not await upstreams.settled(0.05)
        assert {tool.server for tool in upstreams.catalogue.tools} == {"quick"}
        file.touch()
        assert await upstreams.connected("slow", 20)
        # Whoever was first: the order is that of the configuration.
        assert list(dict.fromkeys(tool.server for tool in upstreams.catalogue.tools)) == ["slow", "quick"]


async def test_a_crashed_server_is_back_by_itself_with_its_tools() -> None:
    async with running(fixture()) as upstreams:
        first = upstreams.of("f")
        before = upstreams.catalogue
        os.kill(first.pid or 0, signal.SIGKILL)
        await until(lambda: upstreams.of("f").state is State.LOST, "the loss is seen")
        assert "SIGKILL" in (upstreams.of("f").last_error or "")
        assert upstreams.catalogue.resolve("f/echo") is before.resolve("f/echo")
        again = await upstreams.becomes("f", State.CONNECTED)
        assert again.pid != first.pid
        assert (again.restarts, again.failures) == (1, 1)
        assert await upstreams.said("f", "echo", {"text": "back"}) == "back"


async def test_what_happens_is_reported_once_and_only_when_it_changes() -> None:
    async with running(fixture()) as upstreams:
        os.kill(upstreams.of("f").pid or 0, signal.SIGKILL)
        await until(lambda: upstreams.of("f").restarts == 1, "it is started again")
        await upstreams.becomes("f", State.CONNECTED)
    assert [(name, type(event)) for name, event in upstreams.events] == [
        ("f", UpstreamConnected),
        ("f", CatalogueChanged),
        ("f", UpstreamLost),
        ("f", UpstreamConnected),  # its tools are the same as before
        ("f", UpstreamLost),
    ]
    connected, _, lost, _, stopped = [event for _, event in upstreams.events]
    assert connected == UpstreamConnected(REPLICA, "fixture", "1.2.3", "2025-11-25", 17)
    assert isinstance(lost, UpstreamLost)
    assert isinstance(stopped, UpstreamLost)
    assert (lost.failures, lost.crash_loop, lost.retry_at is not None) == (1, False, True)
    assert (stopped.failures, stopped.crash_loop, stopped.retry_at) == (0, False, None)


async def test_failing_again_and_again_is_a_crash_loop_that_is_still_tried(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    config = fixture("f", "--starts", str(starts), "--fail-starts", "13")
    async with running(config) as upstreams:
        await upstreams.becomes("f", State.CRASH_LOOP)
        with pytest.raises(UpstreamUnavailable, match=r"crash-loop: it ended with exit code 7 \(start \d+ fails\)"):
            await upstreams.call("f", "echo", {"text": "x"})
        await upstreams.becomes("f", State.CONNECTED)
        assert await upstreams.said("f", "echo", {"text": "at last"}) == "at last"
    lost = upstreams.events_of(UpstreamLost)
    assert len(starts.read_text().splitlines()) >= 14
    assert [event.crash_loop for event in lost] == [False, True, False]  # first failure, crash loop, our own stop
    assert lost[1].failures == 5


async def test_a_server_that_is_never_ready_is_given_up_and_tried_again(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    config = fixture("f", "--starts", str(starts), "--start-after", str(tmp_path / "never"))
    async with running(config, limits=Limits(start=0.3, first_retry=0.02, grace=0.2)) as upstreams:
        assert upstreams.of("f").last_error == "it was not ready within 0.3 s"
        await until(lambda: len(starts.read_text().splitlines()) >= 2, "it is started again")


async def test_one_that_died_after_a_long_life_starts_with_a_clean_slate() -> None:
    limits = Limits(first_retry=0.02, stable=0.0, grace=0.5)
    async with running(fixture(), limits=limits) as upstreams:
        for turn in range(7):
            os.kill(upstreams.of("f").pid or 0, signal.SIGKILL)
            await until(partial(_restarted, upstreams, turn + 1), "it is started again")
            assert (await upstreams.becomes("f", State.CONNECTED)).failures == 1


async def test_a_disabled_server_is_never_started() -> None:
    async with running(fixture("f", disabled=True)) as upstreams:
        assert upstreams.of("f").state is State.DISABLED
        with pytest.raises(UpstreamUnavailable, match="disabled"):
            await upstreams.call("f", "echo", {"text": "x"}, wait=5)
        assert upstreams.names() == []


async def test_two_servers_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="same name"):
        Running(fixture("f"), fixture("f"))


async def test_calls_under_way_when_we_stop_are_lost() -> None:
    upstreams = Running(fixture())
    await upstreams.start()
    assert await upstreams.settled(30)
    call = asyncio.create_task(upstreams.call("f", "never"))
    await until(lambda: upstreams.of("f").in_flight == 1, "the call is under way")
    await upstreams.stop()
    with pytest.raises(Exception, match="Portero has closed the connection; the call had been sent"):
        await call


async def test_the_delay_grows_and_is_spread() -> None:
    limits = Limits()
    assert [limits.delay(failures, 1.0) for failures in (1, 2, 3, 4)] == [0.5, 1, 2, 4]
    assert [limits.delay(failures, 1.0) for failures in (5, 6, 7, 8, 1000)] == [60, 120, 240, 300, 300]
    assert limits.delay(3, 0.0) == 1.0
    assert [limits.crash_loop(failures) for failures in (4, 5)] == [False, True]


def _restarted(upstreams: Running, times: int) -> bool:
    return upstreams.of("f").restarts == times
