"""Servers of which there is one instance: run here only with a permit, and never longer; known here all the same."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from portero.domain.events import CatalogueChanged, UpstreamConnected, UpstreamLost
from portero.errors import UpstreamUnavailable
from portero.log.lease import clock
from portero.upstream import Listing, Shared, State, Switch
from tests.upstream.running import Running, alive, fixture, running, until

OWNER = """
import asyncio, sys
from portero.upstream import Switch
async def main():
    switch = await Switch.start(1e12)
    switch.watch(int(sys.argv[1]))
    print("watches", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
SLEEPER = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


class Permit:
    """See ``portero.upstream.permit``; it says what it was told."""

    def __init__(self) -> None:
        self.valid = True
        self.watched: list[int] = []

    def watch(self, group: int) -> None:
        self.watched.append(group)

    def release(self) -> None:
        self.watched.pop()


def one(*flags: str) -> Running:
    return Running(
        fixture("f", *flags, single=True), share=lambda _, listing, watchable: Shared(listing, watchable, "kept")
    )


# --- running it ------------------------------------------------------------------------------------------------------


async def test_it_is_not_started_with_the_others_and_says_where_it_is(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    async with running(fixture("f", "--starts", str(starts), single=True), fixture("g")) as upstreams:
        assert upstreams.of("f").state is State.ELSEWHERE
        assert upstreams.starting == ["f"]
        with pytest.raises(UpstreamUnavailable, match="another replica runs it"):
            await upstreams.call("f", "echo", {"text": "a"})
        assert await upstreams.said("g", "echo", {"text": "a"}) == "a"
        assert not starts.exists()


async def test_with_a_permit_it_runs_until_it_is_closed_and_can_be_opened_again() -> None:
    upstreams, permit = one(), Permit()
    for _ in range(2):
        upstreams.open("f", permit)
        assert await upstreams.settled(20, "f")
        assert await upstreams.said("f", "echo", {"text": "a"}) == "a"
        (group,) = permit.watched
        await upstreams.close("f", "given back")
        assert (permit.watched, alive(group), upstreams.of("f").state) == ([], False, State.ELSEWHERE)
    kinds = [UpstreamConnected, CatalogueChanged, UpstreamLost]
    assert [type(event) for _, event in upstreams.events] == kinds * 2
    assert [event.reason for event in upstreams.events_of(UpstreamLost)] == ["given back"] * 2
    assert {event.lists for event in upstreams.events_of(CatalogueChanged)} == {"kept"}


async def test_without_it_nothing_is_sent_and_nothing_is_started_again(tmp_path: Path) -> None:
    effects, starts = tmp_path / "effects", tmp_path / "starts"
    upstreams, permit = one("--effects", str(effects), "--starts", str(starts)), Permit()
    upstreams.open("f", permit)
    assert await upstreams.settled(20, "f")
    calling = asyncio.create_task(upstreams.call("f", "effect", {"text": "a"}))
    await asyncio.sleep(0)  # the call is made, and leaves with all others at the end of this turn
    permit.valid = False
    with pytest.raises(UpstreamUnavailable, match="may not run it any more; nothing was sent"):
        await calling
    await upstreams.becomes("f", State.STOPPED)
    assert not effects.exists()
    assert len(starts.read_text().splitlines()) == 1
    await upstreams.close("f", "given back")


# --- knowing it ------------------------------------------------------------------------------------------------------


async def test_what_it_offers_is_taken_over_and_known_by_the_same_digests() -> None:
    owner, other = one(), one()
    owner.open("f", Permit())
    assert await owner.settled(20, "f")
    tools = tuple(tool.definition for tool in owner.catalogue.tools)
    other.adopt("f", Shared(Listing(tools, (b'{"uri":"made://up/one","name":"one"}',)), True, "kept"))
    assert [tool.facts for tool in other.catalogue.tools] == [tool.facts for tool in owner.catalogue.tools]
    assert other.catalogue.owner("made://up/one") == "f"
    assert (other.starting, other.events, other.of("f").tools) == ([], [], len(tools))
    version = other.catalogue.version
    assert other.can_be_watched("f")
    other.adopt("f", Shared(Listing(), False, "kept"))
    assert other.catalogue.version == version, "what is known already is not taken over again"
    owner.adopt("f", Shared(Listing(), False, "another"))
    assert len(owner.catalogue.tools) == len(tools), "who runs it knows best"
    await owner.close("f", "given back")


async def test_its_lists_are_those_that_were_shared() -> None:
    """Masked, cut or whatever: whoever runs it works with the same as all others."""
    asked: list[str] = []

    def share(name: str, listing: Listing, watchable: bool) -> Shared:
        asked.append(name)
        return Shared(Listing(listing.tools[:2]), watchable, f"kept {len(asked)}")

    upstreams = Running(fixture("f", single=True), fixture("g"), share=share)
    await upstreams.start()
    upstreams.open("f", Permit())
    assert await upstreams.settled(20)
    assert (upstreams.of("f").tools, upstreams.of("f").prompts) == (2, 0)
    assert upstreams.of("g").tools > 2
    await upstreams.call("f", "grow", {"name": "more"})
    await until(lambda: len(asked) == 2, "the changed lists are shared")
    assert asked == ["f", "f"]
    said = [(name, event.lists) for name, event in upstreams.events if isinstance(event, CatalogueChanged)]
    assert sorted(said, key=lambda each: each[0]) == [("f", "kept 1"), ("f", "kept 2"), ("g", None)]
    await upstreams.stop()


# --- the dead man's switch -------------------------------------------------------------------------------------------


@pytest.fixture
def sleeper() -> Iterator[int]:
    """A process group that ends by itself only in ten minutes."""
    process = subprocess.Popen([sys.executable, "-c", SLEEPER], start_new_session=True)
    yield process.pid
    if process.poll() is None:
        process.kill()
    process.wait()


def owner_of(group: int) -> "subprocess.Popen[bytes]":
    """A process that watches a group, and never says that it may live no longer."""
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(group)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": root},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"watches\n"
    process.stdout.close()
    return process


def ignores(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigIgn")]
    return bool(int(mask, 16) & 1 << (number - 1))


def ended(pid: int) -> bool:
    return os.waitpid(pid, os.WNOHANG) != (0, 0)


async def test_a_switch_goes_off_when_its_time_is_over_and_not_before(sleeper: int) -> None:
    switch = await Switch.start(clock() + 0.5)
    switch.watch(sleeper)
    for _ in range(4):
        await asyncio.sleep(0.2)
        switch.keep(clock() + 0.5)
    assert alive(sleeper)
    await until(lambda: ended(sleeper), "nobody kept it")
    await asyncio.wait([switch.ended], timeout=20)
    assert switch.ended.done()


async def test_a_switch_goes_off_with_its_owner(sleeper: int) -> None:
    process = owner_of(sleeper)
    assert not ended(sleeper)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    await until(lambda: ended(sleeper), "its owner is gone")


async def test_a_switch_that_was_told_that_nothing_is_left_kills_nothing(sleeper: int) -> None:
    for end in ("time", "owner"):
        switch = await Switch.start(clock() + (0.3 if end == "time" else 60))
        switch.watch(sleeper)
        switch.release()
        if end == "owner":
            await switch.stop()
        await asyncio.wait([switch.ended], timeout=20)
        assert switch.ended.done()
    assert alive(sleeper)


async def test_a_switch_outlives_what_ends_others_politely(sleeper: int) -> None:
    switch = await Switch.start(clock() + 60)
    switch.watch(sleeper)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        await until(lambda number=number: ignores(switch._process.pid, number), "it is up")  # type: ignore[misc] # bound now
        switch._process.send_signal(number)
    await asyncio.sleep(0.2)
    assert not switch.ended.done()
    assert alive(sleeper)
    await switch.stop()
    await until(lambda: ended(sleeper), "what it watched ends with it")
