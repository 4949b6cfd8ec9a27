"""Pace, waiting as long as Telegram asks, offsets that grow old, groups that move."""

import asyncio

import pytest

from portero.domain.values import Status
from portero.telegram.pace import Pace, Rate
from portero.telegram.trouble import NotNow
from tests.stores import Place
from tests.telegram.fake_api.errors import ApiError, too_many
from tests.telegram.office import ANA, open_office, refused, settings_for

GROUP, NEW_GROUP = -100, -1000999
WEEK = 7 * 86_400_000


class Time:
    """A loop clock that sleeping moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.slept: list[float] = []

        async def sleep(seconds: float) -> None:
            self.slept.append(round(seconds, 2))
            self.now += seconds

        monkeypatch.setattr(asyncio, "sleep", sleep)

    def __call__(self) -> float:
        return self.now


async def test_a_few_at_once_then_one_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Time(monkeypatch)
    pace = Pace(private=Rate(3, 1.0), clock=clock)
    for _ in range(6):
        await pace.turn(ANA)
    assert clock.slept == [1.0, 1.0, 1.0]
    await pace.turn(43)
    assert clock.slept == [1.0, 1.0, 1.0], "another chat does not wait"


async def test_a_chat_is_left_alone_as_long_as_telegram_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Time(monkeypatch)
    pace = Pace(clock=clock)
    pace.hold(ANA, 7)
    await pace.turn(ANA)
    assert clock.slept == [7.0]
    pace.hold(ANA, 3600)
    with pytest.raises(NotNow) as caught:
        await pace.turn(ANA)
    assert caught.value.seconds == 3600


async def test_nothing_is_sent_to_a_chat_before_the_time_is_over(valkey: Place) -> None:
    async with open_office(valkey) as office:
        await office.asks(office.ana, "/whoami")
        office.api.fail("sendMessage", too_many(2))
        calls = [await office.first.ask(str(number)) for number in range(3)]
        for call in calls:
            await office.card(call)
        office.api.fail("editMessageText", too_many(2))
        for call in calls:
            office.ana.taps(await office.card(call), "Deny")
        for call in calls:
            card = await office.card(call)
            await office.until(lambda card=card: "Denied by" in card.text, "the card tells it", 20)
        assert office.api.impatient == []


async def test_polling_waits_as_long_as_telegram_asks(valkey: Place) -> None:
    async with open_office(valkey) as office:
        await office.asks(office.ana, "/whoami")
        office.api.fail("getUpdates", too_many(2))
        await office.asks(office.ana, "/whoami")
        await office.asks(office.ana, "/whoami")
        assert office.api.impatient == []


async def test_an_offset_is_forgotten_when_telegram_may_count_anew(valkey: Place) -> None:
    """After a week without updates their numbers start anywhere, perhaps below what was last seen."""
    async with open_office(valkey) as office:
        await office.asks(office.ana, "/whoami")
        office.clock.ahead += WEEK
        await asyncio.sleep(1.2)  # the poll under way ends
        office.api.world._next_update = 5
        assert "You are Ana" in (await office.asks(office.ana, "/whoami")).text
        await office.stop("r1")
        office.clock.ahead += WEEK
        office.api.world._next_update = 2
        office.ana.says("/grants")
        await office.start("r2", settings_for(office.api))
        await office.says("No grant holds")


async def test_a_group_that_became_a_supergroup_is_followed(valkey: Place) -> None:
    settings = {"admin_chat_id": GROUP, "admin_user_ids": (ANA,)}
    async with open_office(valkey, settings=settings) as office:
        old = office.api.world.group(GROUP, ANA)
        office.api.world.group(NEW_GROUP, ANA)
        words = "Bad Request: group chat was upgraded to a supergroup chat"
        old.broken = ApiError(400, words, {"migrate_to_chat_id": NEW_GROUP})
        call = await office.first.ask()
        found = await office.until(
            lambda: [m for m in office.api.world.of_bot(NEW_GROUP) if "Approval needed" in m.text], "a card there"
        )
        office.ana.taps(found[0], "Approve")
        await office.status(call, Status.COMPLETED)
        await office.until(lambda: "Done in" in found[0].text, "the card tells it")


async def test_messages_that_arrive_twice_are_taken_once(valkey: Place) -> None:
    async with open_office(valkey) as office:
        await office.asks(office.ana, "/grant fixture/x 1h")
        update = office.api.calls("getUpdates")
        assert update
        said = office.ana.says("/grant fixture/y 1h")
        again = dict(office.api.world.updates[-1])
        office.api.world.updates.append(again)
        await office.until(lambda: len(office.first.view.grants.active(office.clock())) == 2, "granted")
        await office.asks(office.ana, "/whoami")
        assert len(office.first.view.grants.active(office.clock())) == 2
        assert said.text == "/grant fixture/y 1h"
        assert refused(office.api) == []
