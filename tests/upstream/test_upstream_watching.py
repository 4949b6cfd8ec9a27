"""Subscriptions to resources, towards servers of both eras: counted by nobody but us, and made again when lost."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from portero.domain.mcp import UPDATED
from portero.errors import UpstreamRefused, UpstreamUnavailable
from portero.upstream import Notification
from tests.upstream.remote import remote
from tests.upstream.running import Running, fixture, running, until

ONE, TWO, NOBODY = "made://up/one", "made://up/two", "made://up/nobody"
WAYS = pytest.mark.parametrize("era", ["legacy", "modern"])
TRANSPORTS = pytest.mark.parametrize("transport", ["stdio", "http"])


class Watcher:
    def __init__(self, upstreams: Running, heard: list[str]) -> None:
        self.upstreams, self.heard = upstreams, heard

    async def asked(self) -> list[Any]:
        """What of subscriptions the server has received, shortened."""
        received = json.loads(await self.upstreams.said("f", "received"))
        short = []
        for message in received:
            params = message.get("params", {})
            if message["method"].startswith("resources/") and "scribe" in message["method"]:
                short.append((message["method"].split("/")[1], params["uri"]))
            if wanted := params.get("notifications", {}).get("resourceSubscriptions"):
                short.append(("listen", *wanted))
            if message["method"] == "notifications/cancelled":
                short.append(("cancelled",))
        return short

    async def taken(self, *uris: str) -> None:
        for uri in uris:
            await self.upstreams.watched("f", uri, 10)


@asynccontextmanager
async def watcher(transport: str, era: str) -> AsyncIterator[Watcher]:
    heard: list[str] = []

    def notified(note: Notification) -> None:
        if note.method == UPDATED:
            heard.append(json.loads(note.params)["uri"])

    if transport == "stdio":
        async with running(fixture("f", "--era", era), on_notification=notified) as upstreams:
            yield Watcher(upstreams, heard)
    else:
        async with (
            remote("--era", era) as server,
            running(server.config("f"), on_notification=notified) as upstreams,
        ):
            yield Watcher(upstreams, heard)


@WAYS
@TRANSPORTS
async def test_what_is_wanted_is_subscribed_to_and_what_is_told_arrives(transport: str, era: str) -> None:
    async with watcher(transport, era) as it:
        assert it.upstreams.can_be_watched("f")
        it.upstreams.watch("f", frozenset({ONE, TWO, NOBODY}))
        await it.taken(ONE, TWO)
        with pytest.raises(UpstreamRefused):
            await it.taken(NOBODY)
        await it.upstreams.said("f", "notify", {"method": UPDATED, "params": {"uri": ONE}})
        await until(lambda: it.heard, "the update has come")
        assert set(it.heard) == {ONE}


@WAYS
async def test_what_is_wanted_no_more_is_given_up_and_the_rest_stays(era: str) -> None:
    async with watcher("stdio", era) as it:
        it.upstreams.watch("f", frozenset({ONE}))
        await it.taken(ONE)
        it.upstreams.watch("f", frozenset({ONE, TWO}))
        await it.taken(TWO)
        it.upstreams.watch("f", frozenset({TWO}))
        waiting = asyncio.create_task(it.upstreams.watched("f", "made://never", 10))
        it.upstreams.watch("f", frozenset())
        expected = {
            "legacy": [("subscribe", ONE), ("subscribe", TWO), ("unsubscribe", ONE), ("unsubscribe", TWO)],
            "modern": [("listen", ONE), ("listen", ONE, TWO), ("cancelled",), ("cancelled",)],
        }
        for _ in range(500):
            if sorted(await it.asked()) == sorted(expected[era]):
                break
        asked = await it.asked()
        assert sorted(asked) == sorted(expected[era])
        if era == "modern":
            assert asked.index(("cancelled",)) > asked.index(("listen", ONE, TWO)), "nothing is missed between two"
        waiting.cancel()


@WAYS
async def test_after_a_loss_it_is_subscribed_to_again_and_may_have_changed_meanwhile(era: str) -> None:
    async with watcher("stdio", era) as it:
        it.upstreams.watch("f", frozenset({ONE}))
        await it.taken(ONE)
        assert it.heard == []
        with pytest.raises(Exception, match="the call had been sent"):
            await it.upstreams.said("f", "crash")
        await until(lambda: it.heard == [ONE], "it is told to look again")
        assert len(await it.asked()) == 1


async def test_those_who_wait_hear_that_it_is_not_wanted_any_more() -> None:
    async with running(
        fixture("f", "--on-discover", "silent", "--start-after", "/nowhere"), settled=False
    ) as upstreams:
        upstreams.watch("f", frozenset({ONE}))
        waiting = asyncio.create_task(upstreams.watched("f", ONE, 10))
        await asyncio.sleep(0)
        upstreams.watch("f", frozenset())
        with pytest.raises(UpstreamUnavailable):
            await waiting
        with pytest.raises(TimeoutError):
            await upstreams.watched("f", ONE, 0.01)
        assert not upstreams.can_be_watched("f")


async def test_a_server_that_tells_nothing_refuses() -> None:
    async with running(fixture("f", "--no-tools")) as upstreams:
        assert not upstreams.can_be_watched("f")
        upstreams.watch("f", frozenset({ONE}))
        with pytest.raises(UpstreamRefused, match="does not tell"):
            await upstreams.watched("f", ONE, 10)
        with pytest.raises(UpstreamUnavailable, match="no server"):
            await upstreams.watched("g", ONE, 10)
